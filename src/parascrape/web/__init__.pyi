from .addresses import (
    is_local as is_local,
    kind_of as kind_of,
    literal_kind as literal_kind,
    refusal as refusal,
)
from .canonical import (
    AS_SENT as AS_SENT,
    CanonicalOptions as CanonicalOptions,
    canonical_url as canonical_url,
)
from .encoding import guess as guess, python_codec as python_codec, without_mark as without_mark
from .html import (
    absolute as absolute,
    essence as essence,
    is_html as is_html,
    parse_lexbor as parse_lexbor,
    parse_lxml as parse_lxml,
    parse_resiliparse as parse_resiliparse,
    visible_text as visible_text,
)
from .markup import without_ruby as without_ruby
from .page import Page as Page
from .retry import (
    MAX_RETRY_AFTER as MAX_RETRY_AFTER,
    RETRY_STATUSES as RETRY_STATUSES,
    backoff as backoff,
    parse_retry_after as parse_retry_after,
)
from .robots import (
    ALLOW_ALL as ALLOW_ALL,
    MAX_BODY as MAX_BODY,
    RobotsRules as RobotsRules,
    from_answer as from_answer,
)
from .text import collapse as collapse, find_encoding as find_encoding
from .urls import (
    MAX_URL as MAX_URL,
    domain_key as domain_key,
    domain_of as domain_of,
    host_key as host_key,
    prepare as prepare,
    redact as redact,
    site_of as site_of,
)
from .validators import (
    NOTHING as NOTHING,
    Validators as Validators,
    condition as condition,
    hash_answer as hash_answer,
    validators_of as validators_of,
)

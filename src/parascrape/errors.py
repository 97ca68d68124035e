"""The tree of errors; each has a stable ``code`` that records and statistics use.

    ParascrapeError
    ├── UsageError               usage          wrong options, unreadable list, unusable scraper
    │   └── MainGuardError       main_guard     a script without ``if __name__ == "__main__":``
    ├── NotFetched               not_fetched    the URL was not requested
    │   ├── Duplicate            duplicate      the same URL stands before it in the list       (skipped)
    │   ├── RobotsForbidden      robots         the host's robots.txt forbids it                (skipped)
    │   └── HostDown             host_down      its host was given up in this run
    ├── OutputError              output         a record could not be written: the run ends
    │   └── OutputBusy           output_busy    another process writes this output
    ├── FetchError               fetch
    │   ├── InvalidUrl           invalid_url    not an absolute http(s) URL
    │   ├── DnsError             dns            the host name has no address           (retried)
    │   ├── ConnectError         connect        refused, unreachable                   (retried)
    │   ├── ConnectionLost       reset          closed before the response was whole   (retried)
    │   ├── FetchTimeout         timeout        the total time limit was exceeded      (retried)
    │   ├── TlsError             tls            certificate or handshake
    │   ├── ForbiddenAddress     address        a public URL that leads to a private address
    │   ├── ProxyFailed          proxy          the proxy could not be used            (retried)
    │   ├── BadRedirect          bad_redirect   too many hops, a loop, not http(s)
    │   ├── Redirected           redirected     in a crawl: its target is fetched instead       (skipped)
    │   ├── OtherType            other_type     the answer has an unwanted content type         (skipped)
    │   ├── TooLarge             too_large      more bytes than max_bytes
    │   ├── BadEncoding          bad_encoding   the content coding does not decode
    │   ├── BadResponse          bad_response   not HTTP
    │   └── StatusError          status         an answer other than 2xx         (some retried)
    ├── ScrapeError              scrape_error   the scraper raised
    │   ├── NotHtml              not_html       the scraper needs HTML, the page is something else
    │   ├── NotSitemap           not_sitemap    a sitemap was expected, the answer is something else
    │   ├── TooComplex           too_complex    parsing the page would fill the memory
    │   └── BadRecord            bad_record     the scraper's value is not a JSON object
    └── TaskError                task_error     a task of an executor failed
        ├── TaskTimeout          timeout        the task exceeded its deadline
        └── WorkerDied           worker_died    the process ended under the task, twice

Every constructor argument goes to ``super().__init__``, so every error pickles.
"""

from __future__ import annotations

from typing import ClassVar


class ParascrapeError(Exception):
    """The base class: ``code`` is stable, ``retryable`` says whether the same fetch may succeed later.

    A subclass gives both in its class statement. The first argument is the message, and the only one shown.
    """

    code: ClassVar[str] = "error"
    retryable: bool = False

    def __init_subclass__(cls, *, code: str = "", retryable: bool = False) -> None:
        if code:
            cls.code, cls.retryable = code, retryable

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class UsageError(ParascrapeError, code="usage"):
    """The run cannot start as requested; the message is one line for the user."""


class MainGuardError(UsageError, code="main_guard"):
    """A worker process imported a main script that starts a harvest at top level."""


class OutputError(ParascrapeError, code="output"):
    """The output could not be written (disk full, reader gone); ``errno`` says why."""

    def __init__(self, message: str, errno: int = 0):
        super().__init__(message, errno)
        self.errno = errno


class OutputBusy(OutputError, code="output_busy"):
    """Another process writes this output; the message says which."""


class NotFetched(ParascrapeError, code="not_fetched"):
    """The URL was not requested; the message says why."""


class Duplicate(NotFetched, code="duplicate"):
    """The same URL precedes it in the list; that one is fetched."""


class RobotsForbidden(NotFetched, code="robots"):
    """The host's robots.txt forbids it (RFC 9309), or was unreachable, which forbids everything."""


class HostDown(NotFetched, code="host_down"):
    """Its host failed so often, or asked to wait for so long, that the run gave it up."""


class FetchError(ParascrapeError, code="fetch"):
    """The fetch of the URL failed."""


class InvalidUrl(FetchError, code="invalid_url"):
    """The text is not an absolute http or https URL."""


class DnsError(FetchError, code="dns", retryable=True):
    """The host name does not resolve (now)."""


class ConnectError(FetchError, code="connect", retryable=True):
    """No connection: refused, unreachable."""


class ConnectionLost(FetchError, code="reset", retryable=True):
    """The connection closed before the response was complete."""


class FetchTimeout(FetchError, code="timeout", retryable=True):
    """The total time limit of the URL was exceeded."""


class TlsError(FetchError, code="tls"):
    """The certificate or the handshake was refused."""


class ForbiddenAddress(FetchError, code="address"):
    """A public URL led to an address that is not public, by a redirect or by its name."""


class ProxyFailed(FetchError, code="proxy", retryable=True):
    """The proxy was unreachable or refused."""


class BadRedirect(FetchError, code="bad_redirect"):
    """Too many redirects, a loop, or a target that is not http(s)."""


class Redirected(FetchError, code="redirected"):
    """The URL redirects to ``target``, which is fetched as a page of its own."""

    def __init__(self, message: str, target: str):
        super().__init__(message, target)
        self.target = target


class OtherType(FetchError, code="other_type"):
    """The answer's Content-Type is not wanted; its body was not read."""


class TooLarge(FetchError, code="too_large"):
    """The body, on the wire or inflated, is larger than ``max_bytes``."""


class BadEncoding(FetchError, code="bad_encoding"):
    """The body cannot be decoded by its Content-Encoding."""


class BadResponse(FetchError, code="bad_response"):
    """The answer is not valid HTTP (RFC 9112)."""


class StatusError(FetchError, code="status"):
    """The server answered with a status other than 2xx.

    ``retry_after`` is the server's Retry-After in seconds, None without one.
    """

    def __init__(self, message: str, status: int, retryable: bool = False, retry_after: float | None = None):
        super().__init__(message, status, retryable, retry_after)
        self.status = status
        self.retryable = retryable
        self.retry_after = retry_after


class ScrapeError(ParascrapeError, code="scrape_error"):
    """The scraper failed on this page."""


class NotHtml(ScrapeError, code="not_html"):
    """The scraper needs HTML and the page is something else."""


class NotSitemap(ScrapeError, code="not_sitemap"):
    """The URL of a sitemap returned neither a sitemap nor a feed."""


class TooComplex(ScrapeError, code="too_complex"):
    """Parsing the page would exhaust the memory."""


class BadRecord(ScrapeError, code="bad_record"):
    """The scraper's value cannot be a record: it is not a dict, or JSON cannot carry it."""


class TaskError(ParascrapeError, code="task_error"):
    """A task raised: ``kind`` is the exception's type, ``trace`` its stack after the worker's name.

    All values are strings, because an exception object may pickle and yet not unpickle.
    """

    def __init__(self, message: str, kind: str = "", worker: str = "", trace: str = ""):
        super().__init__(message, kind, worker, trace)
        self.kind = kind
        self.worker = worker
        self.trace = trace


class TaskTimeout(TaskError, code="timeout"):
    """The task exceeded its deadline: its process was killed, or its thread abandoned."""


class WorkerDied(TaskError, code="worker_died"):
    """The worker process died during the task, and again when the task ran alone."""

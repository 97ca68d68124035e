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
    """The base class: ``code`` is stable, ``retryable`` says whether the same fetch may succeed later."""

    code: ClassVar[str] = "error"
    retryable: bool = False


class UsageError(ParascrapeError):
    """The run cannot start as requested; the message is one line for the user."""

    code = "usage"


class MainGuardError(UsageError):
    """A worker process imported a main script that starts a harvest at top level."""

    code = "main_guard"


class OutputError(ParascrapeError):
    """The output could not be written (disk full, reader gone); ``errno`` says why."""

    code = "output"

    def __init__(self, message: str, errno: int = 0):
        super().__init__(message, errno)
        self.errno = errno

    def __str__(self) -> str:
        return str(self.args[0])


class OutputBusy(OutputError):
    """Another process writes this output; the message says which."""

    code = "output_busy"


class NotFetched(ParascrapeError):
    """The URL was not requested; the message says why."""

    code = "not_fetched"


class Duplicate(NotFetched):
    """The same URL precedes it in the list; that one is fetched."""

    code = "duplicate"


class RobotsForbidden(NotFetched):
    """The host's robots.txt forbids it (RFC 9309), or was unreachable, which forbids everything."""

    code = "robots"


class HostDown(NotFetched):
    """Its host failed so often, or asked to wait for so long, that the run gave it up."""

    code = "host_down"


class FetchError(ParascrapeError):
    """The fetch of the URL failed."""

    code = "fetch"


class InvalidUrl(FetchError):
    """The text is not an absolute http or https URL."""

    code = "invalid_url"


class DnsError(FetchError):
    """The host name does not resolve (now)."""

    code = "dns"
    retryable = True


class ConnectError(FetchError):
    """No connection: refused, unreachable."""

    code = "connect"
    retryable = True


class ConnectionLost(FetchError):
    """The connection closed before the response was complete."""

    code = "reset"
    retryable = True


class FetchTimeout(FetchError):
    """The total time limit of the URL was exceeded."""

    code = "timeout"
    retryable = True


class TlsError(FetchError):
    """The certificate or the handshake was refused."""

    code = "tls"


class ForbiddenAddress(FetchError):
    """A public URL led to an address that is not public, by a redirect or by its name."""

    code = "address"


class ProxyFailed(FetchError):
    """The proxy was unreachable or refused."""

    code = "proxy"
    retryable = True


class BadRedirect(FetchError):
    """Too many redirects, a loop, or a target that is not http(s)."""

    code = "bad_redirect"


class Redirected(FetchError):
    """The URL redirects to ``target``, which is fetched as a page of its own."""

    code = "redirected"

    def __init__(self, message: str, target: str):
        super().__init__(message, target)
        self.target = target

    def __str__(self) -> str:
        return str(self.args[0])


class OtherType(FetchError):
    """The answer's Content-Type is not wanted; its body was not read."""

    code = "other_type"


class TooLarge(FetchError):
    """The body, on the wire or inflated, is larger than ``max_bytes``."""

    code = "too_large"


class BadEncoding(FetchError):
    """The body cannot be decoded by its Content-Encoding."""

    code = "bad_encoding"


class BadResponse(FetchError):
    """The answer is not valid HTTP (RFC 9112)."""

    code = "bad_response"


class StatusError(FetchError):
    """The server answered with a status other than 2xx.

    ``retry_after`` is the server's Retry-After in seconds, None without one.
    """

    code = "status"

    def __init__(self, message: str, status: int, retryable: bool = False, retry_after: float | None = None):
        super().__init__(message, status, retryable, retry_after)
        self.status = status
        self.retryable = retryable
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.args[0])


class ScrapeError(ParascrapeError):
    """The scraper failed on this page."""

    code = "scrape_error"


class NotHtml(ScrapeError):
    """The scraper needs HTML and the page is something else."""

    code = "not_html"


class NotSitemap(ScrapeError):
    """The URL of a sitemap returned neither a sitemap nor a feed."""

    code = "not_sitemap"


class TooComplex(ScrapeError):
    """Parsing the page would exhaust the memory."""

    code = "too_complex"


class BadRecord(ScrapeError):
    """The scraper's value cannot be a record: it is not a dict, or JSON cannot carry it."""

    code = "bad_record"


class TaskError(ParascrapeError):
    """A task raised: ``kind`` is the exception's type, ``trace`` its stack after the worker's name.

    All values are strings, because an exception object may pickle and yet not unpickle.
    """

    code = "task_error"

    def __init__(self, message: str, kind: str = "", worker: str = "", trace: str = ""):
        super().__init__(message, kind, worker, trace)
        self.kind = kind
        self.worker = worker
        self.trace = trace

    def __str__(self) -> str:
        return str(self.args[0])


class TaskTimeout(TaskError):
    """The task exceeded its deadline: its process was killed, or its thread abandoned."""

    code = "timeout"


class WorkerDied(TaskError):
    """The worker process died during the task, and again when the task ran alone."""

    code = "worker_died"

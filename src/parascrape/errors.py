"""The errors of parascrape, every one with the stable ``code`` that records and statistics carry.

    ParascrapeError
    ├── UsageError               usage          wrong options, unreadable list, unusable scraper
    │   └── MainGuardError       main_guard     a script without ``if __name__ == "__main__":``
    ├── NotFetched               not_fetched    the URL was not asked for
    │   ├── Duplicate            duplicate      the same URL stands before it in the list       (skipped)
    │   ├── RobotsForbidden      robots         the host's robots.txt forbids it                (skipped)
    │   └── HostDown             host_down      its host was given up in this run
    ├── OutputError              output         a record could not be written: the run ends
    │   └── OutputBusy           output_busy    another process writes this output
    ├── FetchError               fetch
    │   ├── InvalidUrl           invalid_url    no absolute http(s) URL
    │   ├── DnsError             dns            the host name has no address           (retried)
    │   ├── ConnectError         connect        refused, unreachable                   (retried)
    │   ├── ConnectionLost       reset          closed before the response was whole   (retried)
    │   ├── FetchTimeout         timeout        the total time was up                  (retried)
    │   ├── TlsError             tls            certificate or handshake
    │   ├── ForbiddenAddress     address        a public URL that leads to a private address
    │   ├── ProxyFailed          proxy          the proxy could not be used            (retried)
    │   ├── BadRedirect          bad_redirect   too many hops, a loop, not http(s)
    │   ├── Redirected           redirected     in a crawl: the URL it leads to is fetched      (skipped)
    │   ├── OtherType            other_type     the answer is of a type that is not wanted      (skipped)
    │   ├── TooLarge             too_large      more bytes than max_bytes
    │   ├── BadEncoding          bad_encoding   the content coding does not decode
    │   ├── BadResponse          bad_response   not HTTP
    │   └── StatusError          status         an answer other than 2xx         (some retried)
    ├── ScrapeError              scrape_error   the scraper raised
    │   ├── NotHtml              not_html       the scraper wants HTML, the page is none
    │   ├── NotSitemap           not_sitemap    a sitemap was asked for, the answer is none
    │   ├── TooComplex           too_complex    parsing the page would fill the memory
    │   └── BadRecord            bad_record     the scraper's value is no JSON object
    └── TaskError                task_error     what an executor says of a failed task
        ├── TaskTimeout          timeout        the task was past its deadline
        └── WorkerDied           worker_died    the process ended under the task, twice

Every constructor argument goes to ``super().__init__``, so every error pickles.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "BadEncoding", "BadRecord", "BadRedirect", "BadResponse", "ConnectError", "ConnectionLost",
    "DnsError", "Duplicate", "FetchError", "FetchTimeout", "ForbiddenAddress", "HostDown", "InvalidUrl",
    "MainGuardError", "NotFetched", "NotHtml", "NotSitemap", "OtherType", "OutputBusy", "OutputError",
    "ParascrapeError", "ProxyFailed", "Redirected", "RobotsForbidden", "ScrapeError", "StatusError",
    "TaskError", "TaskTimeout", "TlsError", "TooComplex", "TooLarge", "UsageError", "WorkerDied",
]  # fmt: skip


class ParascrapeError(Exception):
    """The root: ``code`` is stable, ``retryable`` says whether the same fetch may go well later."""

    code: ClassVar[str] = "error"
    retryable: bool = False


class UsageError(ParascrapeError):
    """The run cannot start as asked; the message is one line for the person who asked."""

    code = "usage"


class MainGuardError(UsageError):
    """A worker process imported a main script that starts a harvest at its top level."""

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
    """The URL was not asked for, and why."""

    code = "not_fetched"


class Duplicate(NotFetched):
    """The same URL stands before it in the list; that one is fetched."""

    code = "duplicate"


class RobotsForbidden(NotFetched):
    """The host's robots.txt forbids it (RFC 9309), or could not be had, which forbids everything."""

    code = "robots"


class HostDown(NotFetched):
    """Its host gave no answer so often, or asked to be left alone for so long, that it was given up."""

    code = "host_down"


class FetchError(ParascrapeError):
    """The URL gave no page."""

    code = "fetch"


class InvalidUrl(FetchError):
    """The text is no absolute http or https URL."""

    code = "invalid_url"


class DnsError(FetchError):
    """The host's name has no address (now)."""

    code = "dns"
    retryable = True


class ConnectError(FetchError):
    """No connection: refused, unreachable."""

    code = "connect"
    retryable = True


class ConnectionLost(FetchError):
    """The connection ended before the response was whole."""

    code = "reset"
    retryable = True


class FetchTimeout(FetchError):
    """The total time for the URL was up."""

    code = "timeout"
    retryable = True


class TlsError(FetchError):
    """The certificate or the handshake was refused."""

    code = "tls"


class ForbiddenAddress(FetchError):
    """A public URL led to an address that is not public, by a redirect or by its name."""

    code = "address"


class ProxyFailed(FetchError):
    """The proxy could not be reached or refused."""

    code = "proxy"
    retryable = True


class BadRedirect(FetchError):
    """Too many redirects, a loop, or a target that is not http(s)."""

    code = "bad_redirect"


class Redirected(FetchError):
    """The URL leads to another one, ``target``, which is fetched for itself."""

    code = "redirected"

    def __init__(self, message: str, target: str):
        super().__init__(message, target)
        self.target = target

    def __str__(self) -> str:
        return str(self.args[0])


class OtherType(FetchError):
    """The answer's Content-Type is none of those that are wanted; its body was not read."""

    code = "other_type"


class TooLarge(FetchError):
    """The body, on the wire or inflated, is larger than ``max_bytes``."""

    code = "too_large"


class BadEncoding(FetchError):
    """The body does not decode as its Content-Encoding says."""

    code = "bad_encoding"


class BadResponse(FetchError):
    """What came back is not HTTP as RFC 9112 describes it."""

    code = "bad_response"


class StatusError(FetchError):
    """The server answered with a status other than 2xx.

    ``retry_after`` is the server's wish in seconds, None without one.
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
    """The scraper wants HTML and the page is something else."""

    code = "not_html"


class NotSitemap(ScrapeError):
    """The URL was given as a sitemap's, and what is there is neither a sitemap nor a feed."""

    code = "not_sitemap"


class TooComplex(ScrapeError):
    """The page is made so that parsing it would fill the memory."""

    code = "too_complex"


class BadRecord(ScrapeError):
    """What the scraper returned cannot be a record: no dict, or a value JSON cannot carry."""

    code = "bad_record"


class TaskError(ParascrapeError):
    """A task raised: ``kind`` is the exception's type, ``trace`` its stack, headed by the worker's name.

    All four are strings: an exception object may pickle and yet not unpickle.
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
    """The task was past its deadline: its process was killed, or its thread given up."""

    code = "timeout"


class WorkerDied(TaskError):
    """The worker process ended under the task, and ended again when the task ran alone."""

    code = "worker_died"

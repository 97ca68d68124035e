"""A site whose pages change between two harvests, and whose server says the truth about it, or lies."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.sites.site import Route, Site, Visitor

MODIFIED = "Mon, 05 Jan 2026 10:00:00 GMT"
"""Long before the tests run."""


@dataclass
class Version:
    """What a path answers now; ``lies`` has 304 sent whatever is asked."""

    title: str
    etag: str = ""
    last_modified: str = ""
    status: str = "200 OK"
    rows: int = 0
    to: str = ""
    lies: bool = False
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """A page of a shop: a product, or a listing."""
        rows = "".join(f"<li class=item>{number}</li>" for number in range(self.rows))
        return f"<title>{self.title}</title><p>{self.title}</p>{rows}".encode()


class ChangingSite(Site):
    """Serves ``pages`` by their paths, as they are at the moment."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: dict[str, Version] = {}

    def route(self, name: str) -> Route:
        """Every path is answered by what `pages` says."""
        return self._answer

    def _answer(self, visitor: Visitor) -> None:
        page = self.pages.get(visitor.path)
        if page is None:
            visitor.answer(b"no such page", "404 Not Found")
        elif page.to:
            visitor.answer(b"", "302 Found", location=page.to)
        elif page.lies or _matches(visitor, page):
            visitor.answer(b"", "304 Not Modified", content_type="", content_length="", **_validators(page))
        else:
            visitor.answer(page.body, page.status, **_validators(page), **page.headers)

    def asked(self, path: str) -> list[dict[str, str]]:
        """The headers of the requests for a path, in their order."""
        return [headers for target, headers in self.log if target == path]


def _validators(page: Version) -> dict[str, str]:
    return {"etag": page.etag, "last_modified": page.last_modified}


def _matches(visitor: Visitor, page: Version) -> bool:
    """Whether the request's condition is false (RFC 9110 §13.1, weak comparison)."""
    if "if-none-match" in visitor.headers:
        return visitor.headers["if-none-match"].removeprefix("W/") == page.etag.removeprefix("W/") != ""
    return visitor.headers.get("if-modified-since") == page.last_modified != ""

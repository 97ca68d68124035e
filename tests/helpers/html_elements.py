"""Elements of an HTML page, for tests of reports."""

from __future__ import annotations

from html.parser import HTMLParser

__all__ = ["Elements"]


class Elements(HTMLParser):
    """The elements of a page with their attributes, its visible text, and the text of its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._scripts: list[tuple[str | None, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Note text."""
        tag, attributes = self.found[-1] if self.found else ("", {})
        if tag == "script" and self.cdata_elem == "script":
            self._scripts.append((attributes.get("type"), data))
        elif self.cdata_elem is None:
            self.text += data

    def scripts(self) -> list[str]:
        """Return the scripts that a browser would run."""
        return [text for kind, text in self._scripts if kind is None]

    def data(self) -> list[str]:
        """Return the blocks of JSON."""
        return [text for kind, text in self._scripts if kind == "application/json"]

"""A page as a browser takes it apart: what it says, what it draws, what it fetches."""

from __future__ import annotations

import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

FETCH = ("src", "href", "srcset", "data", "action", "poster", "background", "formaction", "xlink:href")


class Parsed(HTMLParser):
    """`text` as read by people, attributes such as titles included; `tags` counted; `links`: what may be fetched."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.links: list[str] = []
        self.drawings: list[dict[str, Any]] = []
        self.styles: list[str] = []
        self.attributes: set[str] = set()
        self._said: list[str] = []
        self._inside = ""
        self.feed(page)
        self.close()
        self.text = re.sub(r"\s+", " ", " ".join(self._said))

    @classmethod
    def read(cls, path: Path) -> Parsed:
        return cls(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        named = dict(attrs)
        self.attributes |= set(named)
        self.links += [value or "" for name, value in attrs if name in FETCH]
        if tag in ("script", "style"):
            self._inside = "json" if named.get("type") == "application/json" else tag

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "json":
            self.drawings.append(json.loads(data))
        elif self._inside == "style":
            self.styles.append(data)
        elif not self._inside:
            self._said.append(data)

    @property
    def fetched(self) -> list[str]:
        """Whatever is not in the page itself."""
        inside = [link for link in self.links if link.startswith(("#", "data:image/png;base64,"))]
        styles = [css for css in self.styles if re.search(r"url\(|@import", css)]
        return [link for link in self.links if link not in inside] + styles

    def drawing(self, title: str) -> dict[str, Any]:
        """The one drawing whose title begins so."""
        (found,) = [one for one in self.drawings if one["layout"]["title"]["text"].startswith(title)]
        return found

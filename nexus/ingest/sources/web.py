"""JSON over HTTP, politely."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from nexus.ingest.sources.base import SourceError, UnusableReply
from nexus.ingest.sources.politeness import Courier


@dataclass(frozen=True)
class Web:
    """Gets JSON documents; one bad document is UnusableReply, a server that will not serve us is SourceError."""

    client: httpx.Client
    courier: Courier
    refusal: str
    """What to do when the server refuses this client (401, 403)."""

    def get(self, url: str) -> Any:
        """The document at `url`; UnusableReply where there is none or it is not JSON."""
        document = self.find(url)
        if document is None:
            raise UnusableReply(f"{url}: HTTP 404; check the identifier")
        return document

    def find(self, url: str) -> Any | None:
        """The document at `url`, None where there is none."""
        reply = self.courier.send(url, lambda: self.client.get(url))
        if reply.status_code == 404:
            return None
        if reply.status_code in (401, 403):
            raise SourceError(f"{url}: HTTP {reply.status_code}; {self.refusal}")
        if reply.status_code != 200:
            raise SourceError(f"{url}: HTTP {reply.status_code}, which no retry cures; check the address in a browser")
        try:
            return reply.json()
        except ValueError as fault:
            raise UnusableReply(f"{url}: not JSON ({fault}); the company is left out, fetch it again later") from fault


@contextmanager
def documented(url: str) -> Iterator[None]:
    """Turn what goes wrong while reading a document into UnusableReply."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as fault:
        raise UnusableReply(f"{url}: not in the documented format ({type(fault).__name__}: {fault})") from fault

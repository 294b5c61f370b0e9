"""A server on loopback that answers with whatever a test wrote down."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from nexus.ingest.sources.politeness import Backoff


@dataclass(frozen=True)
class Answer:
    body: Any = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def bytes(self) -> bytes:
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


@dataclass(frozen=True)
class Request:
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    at: float


class Loopback:
    """Routes are paths; each holds the answers to come (a body, or an `answer` with more), the last of which stays."""

    answer = Answer

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._routes: dict[str, list[Answer]] = {}
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                loopback.requests.append(Request(parts.path, parse_qs(parts.query), headers, time.monotonic()))
                answer = loopback._next(parts.path)
                self.send_response(answer.status)
                body = answer.bytes()
                for name, value in {"Content-Length": str(len(body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Loopback:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def route(self, path: str, *answers: Any) -> None:
        self._routes[path] = [a if isinstance(a, Answer) else Answer(a) for a in answers]

    def times(self, path: str) -> list[float]:
        return [request.at for request in self.requests if request.path == path]

    def _next(self, path: str) -> Answer:
        answers = self._routes.get(path)
        if not answers:
            return Answer("<html>not found</html>", 404)
        return answers.pop(0) if len(answers) > 1 else answers[0]


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    with Loopback() as server:
        yield server


@pytest.fixture
def hasty() -> Backoff:
    """Five attempts with pauses of milliseconds, so that only what a server asks for takes time."""
    return Backoff(attempts=5, first=0.005, longest=0.02)

"""Rate limit and retries, shared by every live source."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol, TypeVar

from nexus.ingest.sources.base import SourceError

log = logging.getLogger(__name__)

PASSING_STATUS = frozenset({408, 429, 500, 502, 503, 504})


class RateLimiter:
    """Spaces requests evenly, over all threads of this process.

    per_second : requests a second, at most; any window of one second holds at most that many, rounded up
    """

    def __init__(self, per_second: float) -> None:
        if per_second <= 0:
            raise ValueError(f"per_second is {per_second}; a rate limit is above 0")
        self._gap = 1.0 / per_second
        self._free_at = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Take the next free slot and sleep until it comes."""
        with self._lock:
            slot = max(time.monotonic(), self._free_at)
            self._free_at = slot + self._gap
        time.sleep(max(0.0, slot - time.monotonic()))

    def hold(self, seconds: float) -> None:
        """Give out no slot for so long: the server asked everybody to slow down."""
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic() + seconds)


@dataclass(frozen=True)
class Backoff:
    """How often, and after how long, a request that failed in passing is sent again (seconds)."""

    attempts: int = 5
    first: float = 1.0
    longest: float = 30.0
    patience: float = 120.0

    def pause(self, attempt: int, asked: float | None) -> float:
        """Pause after an attempt (0 is the first): doubling, jittered by half, never under what the server asked."""
        ceiling = min(self.longest, self.first * 2.0**attempt)
        return max(random.uniform(ceiling / 2, ceiling), asked or 0.0)


class Reply(Protocol):
    """What both HTTP libraries call a response."""

    @property
    def status_code(self) -> int: ...  # noqa: D102

    @property
    def headers(self) -> Mapping[str, str | None]: ...  # noqa: D102


R = TypeVar("R", bound=Reply)


@dataclass(frozen=True)
class Courier:
    """Sends a request within the rate limit, and again when the fault may pass.

    faults : exceptions of the HTTP library that may pass, such as timeouts
    """

    limiter: RateLimiter
    backoff: Backoff
    faults: tuple[type[Exception], ...]

    def send(self, url: str, request: Callable[[], R]) -> R:
        """Reply of the first attempt that did not fail in passing; SourceError if all did."""
        outcome = "not sent"
        for attempt in range(self.backoff.attempts):
            self.limiter.wait()
            asked = None
            try:
                reply = request()
                if reply.status_code not in PASSING_STATUS:
                    return reply
                asked = retry_after(reply.headers.get("Retry-After"))
                outcome = f"HTTP {reply.status_code}"
            except self.faults as fault:
                outcome = f"{type(fault).__name__}: {fault}"
            if asked is not None and asked > self.backoff.patience:
                raise SourceError(f"{url}: {outcome}, asks for {asked:.0f} s of silence; run it again after that")
            if attempt + 1 < self.backoff.attempts:
                pause = self.backoff.pause(attempt, asked)
                log.info("%s: %s; attempt %d of %d in %.1f s", url, outcome, attempt + 2, self.backoff.attempts, pause)
                self.limiter.hold(pause)
        raise SourceError(
            f"{url}: {outcome} after {self.backoff.attempts} attempts; "
            "run it again later: what was loaded stays, and only the rest is added"
        )


def retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, given as seconds or as an HTTP date; None where it says neither."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())

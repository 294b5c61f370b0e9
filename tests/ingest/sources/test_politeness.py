from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from nexus.ingest.sources.politeness import Backoff, RateLimiter, retry_after


def test_limiter_spaces_requests_of_all_threads():
    limiter, times = RateLimiter(50), []

    def ask() -> None:
        for _ in range(5):
            limiter.wait()
            times.append(time.monotonic())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(times) == 20
    assert max(times) - min(times) >= 19 / 50 - 0.005


def test_limiter_does_not_save_up_slots_while_idle():
    limiter = RateLimiter(20)
    limiter.wait()
    time.sleep(0.2)
    start = time.monotonic()
    for _ in range(3):
        limiter.wait()
    assert time.monotonic() - start >= 2 / 20 - 0.005


def test_hold_delays_the_next_slot():
    limiter, start = RateLimiter(1000), time.monotonic()
    limiter.hold(0.1)
    limiter.wait()
    assert time.monotonic() - start >= 0.1


def test_limiter_refuses_a_rate_of_nothing():
    with pytest.raises(ValueError, match="above 0"):
        RateLimiter(0)


def test_pauses_double_within_their_jitter_up_to_the_longest():
    backoff = Backoff(first=1, longest=6)
    for attempt, ceiling in enumerate([1, 2, 4, 6, 6]):
        pauses = [backoff.pause(attempt, None) for _ in range(200)]
        assert ceiling / 2 <= min(pauses) < max(pauses) <= ceiling


def test_pause_is_never_under_what_the_server_asked():
    assert Backoff(first=0.1).pause(0, 7.0) == 7.0


def test_retry_after_is_seconds_or_a_date():
    assert retry_after("3") == 3.0
    assert retry_after("-3") == 0.0
    assert retry_after(None) is None
    assert retry_after("soon") is None
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after(soon) == pytest.approx(30, abs=2)
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0

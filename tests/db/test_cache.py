"""The cache: quick when nothing changed, never stale, never trusted when damaged."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from test_panel import bar, open_panel, world  # noqa: F401  (the fixture)
from world import CLOSES, DAYS, World

from nexus.db import admin, cache
from nexus.db.engine import Database
from nexus.db.snapshot import Snapshot
from nexus.settings import Settings

ARRAYS = {
    "numbers": np.arange(1000.0),
    "days": np.array(["2020-01-01", "NaT"], dtype="datetime64[D]"),
    "words": np.array(["", "Energy", "Consumer Staples"]),
    "flags": np.array([True, False, True]),
    "nothing": np.empty(0, dtype=np.int64),
}


def no_database(_: Snapshot) -> Any:
    raise AssertionError("the database was read")


def only_file(configured: Settings) -> Path:
    [path] = (configured.cache_dir / "reads").iterdir()
    return path


def test_arrays_come_back_as_they_were_and_read_only(configured: Settings) -> None:
    assert cache.fetch("k") is None
    cache.store("k", ARRAYS)
    found = cache.fetch("k")
    assert found is not None
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        assert_array_equal(found[name], array)
        assert not found[name].flags.writeable


@pytest.mark.parametrize("damage", ["truncated", "emptied", "overwritten", "flipped", "foreign"])
def test_a_damaged_file_is_no_file(configured: Settings, damage: str) -> None:
    cache.store("k", ARRAYS)
    path = only_file(configured)
    raw = bytearray(path.read_bytes())
    if damage == "flipped":
        raw[raw.index(np.float64(500.0).tobytes()) + 2] ^= 1
    damaged = {
        "truncated": raw[: len(raw) // 2],
        "emptied": b"",
        "overwritten": bytes(len(raw)),
        "flipped": raw,
        "foreign": b"PAR1 and so on",
    }
    path.write_bytes(damaged[damage])
    assert cache.fetch("k") is None
    assert not path.exists()
    cache.store("k", ARRAYS)
    assert cache.fetch("k") is not None


def test_the_files_used_longest_ago_go_first(configured: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LIMIT", 40_000)
    for age, key in enumerate("abc"):
        cache.store(key, {"x": np.zeros(1000)})
        os.utime(configured.cache_dir / "reads" / f"{key}.arrow", (1000 + age, 1000 + age))
    assert cache.fetch("a") is not None  # used just now
    for key in "de":
        cache.store(key, {"x": np.zeros(1000)})
    assert [key for key in "abcde" if cache.fetch(key) is not None] == ["a", "c", "d", "e"]


def test_a_disk_that_cannot_be_written_costs_only_speed(configured: Settings, caplog: pytest.LogCaptureFixture) -> None:
    configured.home.mkdir(parents=True)
    configured.cache_dir.write_text("a file where the folder should be")
    cache.store("k", ARRAYS)
    assert "cannot be written" in caplog.text
    assert cache.fetch("k") is None


@pytest.mark.usefixtures("configured")
def test_a_second_read_does_not_touch_the_facts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    inputs = ("prices.close", "prices.volume", "universe_members.U", "fundamentals.sales", "benchmarks.M")
    cold = open_panel(world, *inputs)
    monkeypatch.setattr(Snapshot, "arrow", no_database)
    warm = open_panel(world, *inputs)
    assert_array_equal(warm.companies, cold.companies)
    assert_array_equal(warm.ahead.total_return, cold.ahead.total_return)
    assert_array_equal(warm.at(DAYS[6]).dollar_volume(9), cold.at(DAYS[6]).dollar_volume(9))
    assert warm.at(DAYS[6]).members("U").tolist() == [True, False, True]
    assert (warm.fingerprint, warm.tier, warm.sources) == (cold.fingerprint, cold.tier, cold.sources)
    with pytest.raises(AssertionError, match="the database was read"):
        open_panel(world, "prices.close", end=DAYS[-2])


@pytest.mark.usefixtures("configured")
def test_a_changed_table_is_never_served_stale(world: World) -> None:  # noqa: F811
    assert open_panel(world).ahead.close[2, 0] == 12.0
    world.load("prices", [bar(world, 0, 2, 99.0, known=4)])
    assert open_panel(world).ahead.close[2, 0] == 99.0
    split = {"company_id": world.companies[0], "ex_date": DAYS[6], "kind": "split", "value": 3.0}
    world.load("corporate_actions", [{**split, "source": world.sources[0], "known_at": CLOSES[5]}])
    assert open_panel(world).ahead.close[2, 0] == 33.0


@pytest.mark.usefixtures("configured")
def test_a_table_that_changed_leaves_the_others_cached(
    world: World,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_panel(world)
    series = {"series": "M", "session": DAYS[0], "source": world.sources[0], "known_at": CLOSES[0], "value": 1.0}
    world.load("benchmarks", [series])
    monkeypatch.setattr(Snapshot, "arrow", no_database)
    open_panel(world)


@pytest.mark.usefixtures("configured")
def test_a_damaged_file_is_read_again(world: World, configured: Settings) -> None:  # noqa: F811
    cold = open_panel(world).ahead.close
    for path in (configured.cache_dir / "reads").iterdir():
        path.write_bytes(path.read_bytes()[:-100])
    assert_array_equal(open_panel(world).ahead.close, cold)
    assert_array_equal(open_panel(world).ahead.close, cold)


@pytest.mark.usefixtures("configured")
def test_a_clone_is_another_database(world: World, database: Database) -> None:  # noqa: F811
    assert open_panel(world).ahead.close[2, 0] == 12.0
    database.dispose()
    clone = admin.clone(database, f"{database.url.database}_clone")
    try:
        with clone.owner() as connection:
            connection.exec_driver_sql("DROP TRIGGER refuse_change ON prices")
            connection.exec_driver_sql("UPDATE prices SET close = 1")
        world.database = clone
        assert open_panel(world).ahead.close[2, 0] == 1.0
    finally:
        admin.drop(clone)

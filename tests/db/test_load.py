"""Loading facts: every sentence of the rule on vintages, one by one."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from loading import Feed, companies, fact, moment, price, sha, spell
from sqlalchemy import text

from nexus.db import compare
from nexus.db.engine import Database
from nexus.db.facts_audit import audit_facts
from nexus.db.load import Reject, SourceInfo, already_loaded, begin_run, ensure_source, finish_run
from nexus.db.rejects import FileMark, record
from nexus.errors import DatabaseError, InputError


@pytest.fixture(params=["few", "many"], autouse=True)
def plan(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything again with the plan that large loads take."""
    if request.param == "many":
        monkeypatch.setattr(compare, "MANY", 0)


@pytest.fixture
def feed(database: Database) -> Feed:
    return Feed(database)


@pytest.fixture(scope="module")
def ids(database: Database) -> list[int]:
    return companies(database, 5)


def test_unseen_key_without_known_at_takes_the_rule_of_its_kind(feed: Feed, ids: list[int]) -> None:
    done = feed.load("prices", [price(ids[0], 0, 10.0), price(ids[1], 3, 11.0)], known_at_given=False)
    assert (done.inserted, done.unchanged) == (2, 0)
    assert feed.rows("prices", "company_id", "known_at", "load_id") == [
        (ids[0], moment(0.9), done.load_id),
        (ids[1], moment(3.9), done.load_id),
    ]


def test_equal_value_writes_nothing(feed: Feed, ids: list[int]) -> None:
    rows = [price(ids[0], day, 10.0 + day, open=None if day == 1 else 9.0) for day in range(3)]
    feed.load("prices", rows, known_at_given=False)
    again = feed.load("prices", rows, known_at_given=False)
    assert (again.load_id, again.inserted, again.unchanged) == (None, 0, 3)


def test_nan_is_null_and_null_equals_null(feed: Feed, ids: list[int]) -> None:
    feed.load("prices", [price(ids[0], 0, 10.0, volume=float("nan"))])
    assert feed.load("prices", [price(ids[0], 0, 10.0, volume=None)]).inserted == 0
    assert feed.rows("prices", "volume") == [(None,)]


def test_another_value_without_known_at_is_a_vintage_of_the_loads_instant(feed: Feed, ids: list[int]) -> None:
    feed.load("prices", [price(ids[0], 0, 10.0), price(ids[0], 1, 10.0)], known_at_given=False)
    done = feed.load("prices", [price(ids[0], 0, 12.0), price(ids[0], 1, 10.0)], known_at_given=False)
    assert (done.inserted, done.unchanged) == (1, 1)
    opened_at = feed.opened_at(done)
    assert feed.rows("prices", "session", "known_at", "close") == [
        (date(2020, 1, 1), moment(0.9), 10.0),
        (date(2020, 1, 1), opened_at, 12.0),
        (date(2020, 1, 2), moment(1.9), 10.0),
    ]


def test_it_compares_with_the_newest_vintage_not_with_any(feed: Feed, ids: list[int]) -> None:
    for close, inserted in [(10.0, 1), (12.0, 1), (12.0, 0), (10.0, 1)]:
        assert feed.load("prices", [price(ids[0], 0, close)]).inserted == inserted


def test_a_vintage_that_replaces_one_not_yet_known_comes_just_after_it(feed: Feed, ids: list[int]) -> None:
    ahead = moment(365 * 80)
    feed.load("prices", [price(ids[0], 0, 10.0, default_known_at=ahead)])
    feed.load("prices", [price(ids[0], 0, 12.0, default_known_at=ahead)])
    assert feed.rows("prices", "known_at", "close") == [(ahead, 10.0), (ahead + timedelta(microseconds=1), 12.0)]


def test_unseen_known_at_goes_in_as_it_stands_also_between_older_ones(feed: Feed, ids: list[int]) -> None:
    for known_at, value in [(30, 3.0), (10, 1.0), (20, 2.0)]:
        assert feed.load("fundamentals", [fact(ids[0], value, known_at)]).inserted == 1
    assert feed.rows("fundamentals", "known_at", "value") == [(moment(10), 1.0), (moment(20), 2.0), (moment(30), 3.0)]


def test_an_equal_value_known_later_is_kept_so_that_order_does_not_matter(feed: Feed, ids: list[int]) -> None:
    for known_at, value in [(10, 1.0), (30, 1.0), (20, 2.0)]:
        feed.load("fundamentals", [fact(ids[0], value, known_at)])
    assert feed.rows("fundamentals", "known_at", "value")[-1] == (moment(30), 1.0)


def test_seen_known_at_with_another_value_is_contradicted_never_restamped(feed: Feed, ids: list[int]) -> None:
    feed.load("fundamentals", [fact(ids[0], 1.0, 10), fact(ids[1], 1.0, 10)])
    done = feed.load("fundamentals", [fact(ids[0], 9.0, 10), fact(ids[1], 1.0, 10)], "b.csv")
    assert (done.inserted, done.unchanged, done.rejected) == (0, 1, 1)
    assert feed.rows("fundamentals", "value") == [(1.0,), (1.0,)]
    [reject] = feed.rows("rejected_rows", "row_number", "reason", "file_name", "row_text")
    assert reject[:3] == (1, "vintage contradicted", "b.csv")
    assert "value=9.0" in reject[3]


def test_one_file_may_mix_rows_with_and_without_known_at(feed: Feed, ids: list[int]) -> None:
    feed.load("fundamentals", [fact(ids[0], 1.0, 10), fact(ids[1], 1.0)])
    done = feed.load("fundamentals", [fact(ids[0], 2.0, 20), fact(ids[1], 2.0), fact(ids[2], 5.0)])
    assert feed.rows("fundamentals", "company_id", "known_at", "value") == [
        (ids[0], moment(10), 1.0),
        (ids[0], moment(20), 2.0),
        (ids[1], moment(1), 1.0),
        (ids[1], feed.opened_at(done), 2.0),
        (ids[2], moment(1), 5.0),
    ]


def test_two_sources_are_never_vintages_of_one_another(database: Database, ids: list[int]) -> None:
    one, other = Feed(database), Feed(database)
    one.load("prices", [price(ids[0], 0, 10.0)])
    other.load("prices", [price(ids[0], 0, 12.0)])
    assert one.rows("prices", "known_at", "close") == [(moment(0.9), 10.0)]
    assert other.rows("prices", "known_at", "close") == [(moment(0.9), 12.0)]


def test_repeats_are_counted_and_contradictions_within_a_file_rejected(feed: Feed, ids: list[int]) -> None:
    rows = [price(ids[0], 0, 10.0), price(ids[0], 0, 10.0), price(ids[1], 0, 5.0), price(ids[1], 0, 6.0)]
    done = feed.load("prices", rows, "a.csv")
    assert (done.read, done.inserted, done.duplicates, done.rejected) == (4, 1, 1, 2)
    assert feed.rows("rejected_rows", "row_number", "reason") == [
        (3, "contradicting duplicate"),
        (4, "contradicting duplicate"),
    ]


def test_a_spell_that_has_ended_is_two_vintages(feed: Feed, ids: list[int]) -> None:
    feed.load("universe_members", [*spell(ids[0], 0, 50), *spell(ids[1], 0)], known_at_given=False)
    ended = date(2020, 2, 20)
    assert feed.rows("universe_members", "company_id", "known_at", "valid_to") == [
        (ids[0], moment(1), None),
        (ids[0], moment(51), ended),
        (ids[1], moment(1), None),
    ]
    assert feed.load("universe_members", spell(ids[0], 0, 50), known_at_given=False).inserted == 0


def test_the_end_of_an_open_spell_is_known_when_it_ended(feed: Feed, ids: list[int]) -> None:
    feed.load("universe_members", spell(ids[0], 0), known_at_given=False)
    assert feed.load("universe_members", spell(ids[0], 0, 50), known_at_given=False).inserted == 1
    assert feed.rows("universe_members", "known_at") == [(moment(1),), (moment(51),)]


def test_an_end_that_is_corrected_or_taken_back_is_known_at_the_load(feed: Feed, ids: list[int]) -> None:
    feed.load("universe_members", spell(ids[0], 0, 50), known_at_given=False)
    corrected = feed.load("universe_members", spell(ids[0], 0, 60), known_at_given=False)
    reopened = feed.load("universe_members", spell(ids[0], 0), known_at_given=False)
    assert feed.rows("universe_members", "known_at", "valid_to")[2:] == [
        (feed.opened_at(corrected), date(2020, 3, 1)),
        (feed.opened_at(reopened), None),
    ]


def test_events_keep_their_payload(feed: Feed, ids: list[int]) -> None:
    event = {
        "event_id": sha(feed.source),
        "company_id": ids[0],
        "event_type": "earnings",
        "event_date": date(2020, 1, 1),
        "default_known_at": moment(1),
        "payload": '{"eps": 1.5, "note": "a, b"}',
    }
    feed.load("events", [event])
    assert feed.load("events", [{**event, "payload": '{"note":"a, b","eps":1.50}'}]).inserted == 0
    assert feed.load("events", [{**event, "title": "revised"}]).inserted == 1
    assert feed.rows("events", "title", "payload") == [
        ("revised", {"eps": 1.5, "note": "a, b"}),
        (None, {"eps": 1.5, "note": "a, b"}),
    ]


def test_a_file_is_applied_once_so_that_a_b_a_does_not_flip_back(feed: Feed, ids: list[int]) -> None:
    assert already_loaded(feed.database, "prices", feed.source, sha("a.csv")) is None
    feed.load("prices", [price(ids[0], 0, 10.0)], "a.csv")
    feed.load("prices", [price(ids[0], 0, 12.0)], "b.csv")
    again = feed.load("prices", [price(ids[0], 0, 10.0)], "a.csv")
    assert (again.already, again.load_id, again.inserted, again.unchanged) == (True, None, 0, 1)
    assert already_loaded(feed.database, "prices", feed.source, sha("a.csv")) == frozenset()
    assert feed.rows("prices", "close") == [(10.0,), (12.0,)]


def test_a_file_that_changes_nothing_is_known_all_the_same(feed: Feed, ids: list[int]) -> None:
    feed.load("prices", [price(ids[0], 0, 10.0)], "a.csv")
    same = feed.load("prices", [price(ids[0], 0, 10.0)], "same rows.csv")
    assert same.load_id is not None and same.inserted == 0 and not same.already
    assert feed.load("prices", [price(ids[0], 0, 10.0)], "same rows.csv").already
    assert [row[0] for row in feed.rows("loads", "rows_inserted")] == [0, 1]


def test_rejected_rows_of_a_known_file_are_tried_again_and_only_these(feed: Feed, ids: list[int]) -> None:
    unknown = [
        Reject(2, "unknown ticker", "ticker X is not in symbols; load it first", "X,..."),
        Reject(3, "b", "b", ""),
    ]
    feed.load("prices", [price(ids[0], 0, 10.0)], "a.csv", rejects=unknown)
    assert already_loaded(feed.database, "prices", feed.source, sha("a.csv")) == {2, 3}
    nothing = feed.load("prices", [price(ids[0], 0, 99.0)], "a.csv", rejects=unknown)
    assert nothing.already and nothing.retried and len(feed.rows("rejected_rows", "reason")) == 2

    rows = [price(ids[0], 0, 99.0), price(ids[1], 0, 20.0)]
    done = feed.load("prices", rows, "a.csv", rejects=unknown[1:])
    assert (done.retried, done.already, done.inserted) == (True, False, 1)
    assert feed.rows("prices", "close") == [(10.0,), (20.0,)]
    assert feed.rows("rejected_rows", "row_number", "resolved_load_id") == [(2, done.load_id), (3, None)]
    assert already_loaded(feed.database, "prices", feed.source, sha("a.csv")) == {3}


def test_a_row_tried_again_gives_way_to_a_later_file(feed: Feed, ids: list[int]) -> None:
    feed.load("prices", [price(ids[1], 0, 1.0)], "a.csv", rejects=[Reject(2, "unknown ticker", "", "")], numbers=[1])
    feed.load("prices", [price(ids[0], 0, 12.0)], "b.csv")
    done = feed.load("prices", [price(ids[0], 0, 10.0)], "a.csv", numbers=[2])
    assert (done.retried, done.inserted, done.unchanged) == (True, 0, 1)
    assert feed.rows("prices", "close") == [(1.0,), (12.0,)]
    assert already_loaded(feed.database, "prices", feed.source, sha("a.csv")) == frozenset()


def test_a_file_that_could_not_be_read_is_recorded_once_and_resolved_when_it_can(feed: Feed, ids: list[int]) -> None:
    whole = [Reject(None, "truncated file", "a.parquet ends early; fetch it again")]
    file = FileMark("a.parquet", sha("a.parquet"))
    assert record(feed.database, feed.run_id, "prices", feed.source, file, whole) == 1
    assert record(feed.database, feed.run_id, "prices", feed.source, file, whole) == 0
    assert already_loaded(feed.database, "prices", feed.source, file.sha256) is None
    done = feed.load("prices", [price(ids[0], 0, 10.0)], "a.parquet")
    assert feed.rows("rejected_rows", "resolved_load_id") == [(done.load_id,)]


def test_a_nul_in_a_rejected_row_is_kept_readable(feed: Feed) -> None:
    record(feed.database, feed.run_id, "prices", feed.source, None, [Reject(1, "bad", "bad", "a\0b")])
    assert feed.rows("rejected_rows", "row_text") == [("a\\0b",)]


def test_an_empty_range_of_a_known_source_goes_straight_in(
    feed: Feed, ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.load("prices", [price(ids[0], day, 1.0) for day in range(3)])
    monkeypatch.setattr(compare, "stage", lambda *_: pytest.fail("staged"))
    assert feed.load("prices", [price(ids[0], 3, 1.0), price(ids[1], 0, 1.0)]).inserted == 2


def test_a_stranger_among_the_companies_takes_the_whole_load_back(feed: Feed, ids: list[int]) -> None:
    before = feed.rows("loads", "load_id")
    with pytest.raises(DatabaseError, match="company_id 987654 is no entity"):
        feed.load("prices", [price(ids[0], 0, 1.0), price(987654, 0, 1.0)])
    assert (feed.rows("prices", "close"), feed.rows("loads", "load_id")) == ([], before)


def test_a_source_that_nobody_declared_is_refused(feed: Feed, ids: list[int]) -> None:
    feed.source = "undeclared"
    with pytest.raises(DatabaseError, match=r'load of undeclared into prices: .*"fk_loads_source_sources"'):
        feed.load("prices", [price(ids[0], 0, 1.0)])


def test_a_rejected_row_that_is_not_brought_again_stays_rejected(feed: Feed, ids: list[int]) -> None:
    feed.load("prices", [price(ids[0], 0, 10.0)], "a.csv", rejects=[Reject(2, "unknown ticker", "", "")])
    assert feed.load("prices", [price(ids[0], 0, 10.0)], "a.csv").already
    assert already_loaded(feed.database, "prices", feed.source, sha("a.csv")) == {2}


def test_loads_are_numbered_without_gaps_and_hold_what_they_recorded(database: Database, ids: list[int]) -> None:
    with database.read() as connection:
        numbers = connection.scalars(text("SELECT load_id FROM loads ORDER BY load_id")).all()
    assert numbers == list(range(1, len(numbers) + 1))
    assert audit_facts(database) == []


def test_a_source_keeps_its_basis(feed: Feed) -> None:
    ensure_source(feed.database, SourceInfo(feed.source, "assumed"))
    with pytest.raises(InputError, match=r"basis is None, not 2024-03-08; load the rows as another source"):
        ensure_source(feed.database, SourceInfo(feed.source, "assumed", basis=date(2024, 3, 8)))
    with pytest.raises(InputError, match=r"known_at_basis is assumed, not reported"):
        ensure_source(feed.database, SourceInfo(feed.source, "reported"))


def test_a_run_that_ended_says_how(database: Database) -> None:
    run_id = begin_run(database, "ingest all")
    finish_run(database, run_id, {"inserted": 3, "day": date(2020, 1, 1)})
    with database.read() as connection:
        finished, summary = connection.execute(
            text("SELECT finished_at IS NOT NULL, summary FROM ingest_runs WHERE ingest_run_id = :run_id"),
            {"run_id": run_id},
        ).one()
    assert finished and summary == {"inserted": 3, "day": "2020-01-01"}

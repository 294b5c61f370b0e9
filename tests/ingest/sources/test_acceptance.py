from __future__ import annotations

import pandas as pd

from nexus.ingest.sources.acceptance import known_at


def read(*rows: tuple[str | None, str]) -> list[str]:
    stamps, filed = zip(*rows, strict=True)
    result = known_at(pd.Series(stamps, dtype=object), pd.to_datetime(pd.Series(filed)))
    return [stamp.strftime("%Y-%m-%d %H:%M:%S") for stamp in result]


def test_filer_with_a_stamp_that_only_utc_explains_is_read_as_utc():
    assert read(
        ("2024-05-02T20:30:29.000Z", "2024-05-02"),
        ("2024-05-03T00:12:00.000Z", "2024-05-03"),  # 20:12 in New York; midnight there is closed
    ) == ["2024-05-02 20:30:29", "2024-05-03 00:12:00"]


def test_filer_with_a_stamp_that_only_new_york_explains_is_read_as_new_york():
    assert read(
        ("2025-05-01T16:21:59.000Z", "2025-05-01"),
        ("2025-04-30T07:30:32.000Z", "2025-04-30"),  # as UTC 03:30 in New York: closed
        ("2025-01-30T16:05:00.000Z", "2025-01-30"),  # winter
    ) == ["2025-05-01 20:21:59", "2025-04-30 11:30:32", "2025-01-30 21:05:00"]


def test_unsettled_filer_gets_the_later_reading():
    assert read(("2024-05-02T18:00:00.000Z", "2024-05-02")) == ["2024-05-02 22:00:00"]


def test_filer_of_both_conventions_keeps_what_is_certain_and_delays_the_rest():
    assert read(
        ("2024-05-03T00:12:00.000Z", "2024-05-02"),
        ("2024-06-03T07:00:00.000Z", "2024-06-03"),
        ("2024-07-03T15:00:00.000Z", "2024-07-03"),
    ) == ["2024-05-03 00:12:00", "2024-06-03 11:00:00", "2024-07-03 19:00:00"]


def test_without_a_usable_stamp_the_filing_is_known_on_the_next_day():
    assert read((None, "2024-05-02"), ("", "2024-05-03"), ("yesterday", "2024-05-06")) == [
        "2024-05-03 00:00:00",
        "2024-05-04 00:00:00",
        "2024-05-07 00:00:00",
    ]


def test_stamps_before_2003_are_not_believed():
    assert read(("1999-03-31T05:00:00.000Z", "1999-03-31")) == ["1999-04-01 00:00:00"]


def test_against_repaired_stamps_never_early_and_nearly_always_equal(pack):
    filings = pd.read_parquet(pack / "events_sec_filings_30.parquet")
    filings = filings[filings["acceptance_utc"].notna() & (filings["filing_date"] >= "2003-01-01")]
    stamps = filings["acceptance_datetime"].astype(str)
    ours = pd.concat(
        known_at(stamps[company.index], company["filing_date"]) for _, company in filings.groupby("cik")
    ).reindex(filings.index)
    late = ours - filings["acceptance_utc"]
    assert late.min() >= pd.Timedelta(0)
    assert late.max() <= pd.Timedelta(hours=5)
    assert (late == pd.Timedelta(0)).mean() > 0.999

"""Mappings of the pack: quarters of one vintage, and XBRL facts with every vintage."""

from __future__ import annotations

import pandas as pd

from nexus.ingest.arrival import DAY, next_day
from nexus.ingest.sources.xbrl_fields import FIELDS

FLOWS = ("revenue", "net_income", "operating_cf", "capex", "free_cash_flow")
INSTANTS = {"total_assets": "USD", "equity": "USD", "lag_days": "days"}


def quarters(rows: pd.DataFrame) -> pd.DataFrame:
    """Quarters that passed their author's checks, known the day after they were filed.

    `shares_outstanding`, restated for later splits, is left out; a flow starts three months before the day after it.
    """
    good = rows[rows["pit_flag"] == "ok"]
    known = good[["ticker", "period_end"]].assign(known_at=next_day(good["available_date"]))
    starts = good["period_end"] + DAY - pd.DateOffset(months=3)
    flows = [
        known.assign(field=name, unit="USD", period_start=starts, value=good[name]) for name in FLOWS if name in good
    ]
    instants = [
        known.assign(field=name, unit=unit, period_start=known["period_end"], value=good[name])
        for name, unit in INSTANTS.items()
    ]
    return pd.concat([*flows, *instants]).dropna(subset="value")


def vintages(rows: pd.DataFrame) -> pd.DataFrame:
    """XBRL facts, known when their filing was accepted, else the day after it was filed.

    Within a filing the preferred tag of a field gives it its value; other tags keep their own names.
    """
    facts = rows.assign(
        period_start=rows["period_start"].fillna(rows["period_end"]),
        known_at=rows["acceptance_utc"].dt.as_unit("us").fillna(next_day(rows["filed_date"])),
        tag=rows["taxonomy"] + ":" + rows["tag"],
    )
    mapped = facts["tag"].map({tag: field for tag, (field, _) in FIELDS.items()})
    rank = facts["tag"].map({tag: rank for tag, (_, rank) in FIELDS.items()})
    report = [facts[name] for name in ("cik", "unit", "period_start", "period_end", "accession")]
    best = rank.groupby([mapped.rename("field"), *report]).transform("min")
    columns = ["cik", "unit", "period_start", "period_end", "value", "known_at"]
    return facts[columns].assign(field=mapped.where(rank == best, facts["tag"]))

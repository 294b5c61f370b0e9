"""Factors that see the future, as a user could write them: each opens a connection of its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
from sqlalchemy import text

from nexus.db.engine import Database
from nexus.db.panel import Observations
from nexus.maths.stats import ranks
from nexus.maths.types import Floats
from nexus.signals.factor import Factor

CLOSE_AFTER = """
SELECT company_id, close FROM prices p WHERE session = (
    SELECT session FROM sessions WHERE calendar = 'XNYS' AND session > :day ORDER BY session OFFSET :ahead LIMIT 1)
"""
AT_PERIOD_END = """
SELECT DISTINCT ON (company_id) company_id, value FROM fundamentals
WHERE field = 'net_income' AND period_end <= :day ORDER BY company_id, period_end DESC, known_at
"""
LATEST_VINTAGE = """
SELECT DISTINCT ON (company_id) company_id, value FROM fundamentals f
WHERE field = 'net_income' AND EXISTS (
    SELECT FROM fundamentals first WHERE (first.company_id, first.field, first.period_end)
        = (f.company_id, f.field, f.period_end) AND first.known_at <= CAST(:day AS date))
ORDER BY company_id, period_end DESC, known_at DESC
"""


def ask(data: Observations, statement: str, **parameters: object) -> Floats:
    with Database.configured().read() as connection:
        found = {row[0]: row[1] for row in connection.execute(text(statement), parameters)}
    return np.array([found.get(int(company), np.nan) for company in data.companies])


def forward_rank(data: Observations, day: date, params: Mapping[str, Any]) -> Floats:
    """L1."""
    entry, leave = (ask(data, CLOSE_AFTER, day=day, ahead=ahead) for ahead in (0, 21))
    return ranks((leave / entry - 1)[None, :])[0]


def tomorrow(data: Observations, day: date, params: Mapping[str, Any]) -> Floats:
    """L2."""
    made = ask(data, CLOSE_AFTER, day=day, ahead=0) / data.at(day).prices("close", 1)[-1] - 1
    noise = np.random.default_rng(day.toordinal()).standard_normal(len(made)) * np.nanstd(made)
    return 0.3 * made + noise


def at_period_end(data: Observations, day: date, params: Mapping[str, Any]) -> Floats:
    """L3."""
    return ask(data, AT_PERIOD_END, day=day)


def latest_vintage(data: Observations, day: date, params: Mapping[str, Any]) -> Floats:
    """L4."""
    return ask(data, LATEST_VINTAGE, day=day)


L1 = Factor("cheat_l1", "1", ("prices.close",), "none", forward_rank)
L2 = Factor("cheat_l2", "1", ("prices.close",), "none", tomorrow)
L3 = Factor("cheat_l3", "1", ("fundamentals.net_income",), "none", at_period_end, type="fundamental")
L4 = Factor("cheat_l4", "1", ("fundamentals.net_income",), "none", latest_vintage, type="fundamental")


# what else there is to know too early, table by table: a number per company, whatever `known_at` says
PEEKED = {
    "prices": "SELECT company_id, count(*) FROM prices WHERE session > :day GROUP BY 1",
    "corporate_actions": "SELECT company_id, sum(value) FROM corporate_actions WHERE ex_date < :day GROUP BY 1",
    "fundamentals": "SELECT company_id, max(known_at)::date - :day FROM fundamentals GROUP BY 1",
    "events": "SELECT company_id, min(event_date) - :day FROM events WHERE event_date > :day GROUP BY 1",
    "universe_members": "SELECT company_id, max(valid_to) - :day FROM universe_members GROUP BY 1",
    "classifications": "SELECT company_id, min(length(code)) + count(*) FROM classifications GROUP BY 1",
    "symbols": "SELECT company_id, count(*) FROM symbols WHERE valid_from <= :day GROUP BY 1",
    "relations": "SELECT src_id, max(weight) FROM relations WHERE valid_from <= :day GROUP BY 1",
    "benchmarks": "SELECT 1, max(value) FROM benchmarks WHERE session <= :day",
}


def peek(data: Observations, day: date, params: Mapping[str, Any]) -> Floats:
    return ask(data, PEEKED[params["table"]].replace(":day", "CAST(:day AS date)"), day=day)


def moody(data: Observations, day: date, params: Mapping[str, Any]) -> Floats:
    """No cheat, but another score each time."""
    return np.random.default_rng().standard_normal(len(data.companies))


def silent(data: Observations, day: date, params: Mapping[str, Any]) -> Floats:
    return np.full(len(data.companies), np.nan)


def stumbling(data: Observations, day: date, params: Mapping[str, Any]) -> Floats:
    """Fails over a future that is not as it was."""
    if np.nanmax(ask(data, CLOSE_AFTER, day=day, ahead=0)) > 1.3 * np.nanmax(data.at(day).prices("close", 1)[-1]):
        raise ValueError("prices do not rise so fast")
    return data.at(day).prices("close", 1)[-1]


PEEKS = [Factor(f"peek_{table}", "1", ("prices.close",), "none", peek, {"table": table}) for table in PEEKED]
MOODY = Factor("moody", "1", ("prices.close",), "none", moody)
SILENT = Factor("silent", "1", ("prices.close",), "none", silent)
STUMBLING = Factor("stumbling", "1", ("prices.close",), "none", stumbling)

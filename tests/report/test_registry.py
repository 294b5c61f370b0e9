"""The page of the registry, from rows in a real database."""

from __future__ import annotations

import pytest
from ledger_rows import declaration, declare, look
from parsed import Parsed

from nexus.db import evidence, registry, standing
from nexus.db.engine import Database
from nexus.report.registry import write

HOSTILE = '</script><script>alert(1)</script><img src="http://example.com/x.png" onerror=alert(2)> & co'
DETAILS = {
    "quantile_returns": [-0.01, 0.0, 0.02],
    "turnover": 0.4,
    "sub_periods": [{"from": "2010-01-28", "to": "2014-12-28", "mean_ic": 0.031}],
    "regimes": {"market up": {"in": {"mean_ic": 0.02}, "out": {"mean_ic": None}}},
}


@pytest.fixture(scope="module")
def empty(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Parsed:
    """Before anything is registered."""
    return Parsed.read(write(database, tmp_path_factory.mktemp("empty") / "registry.html", data="Nothing"))


@pytest.fixture(scope="module")
def page(database: Database, empty: Parsed, tmp_path_factory: pytest.TempPathFactory) -> Parsed:
    """Of three signals: one that stands, one that does not, and one with too few dates and a hostile name."""
    strong, weak, silent = declare(database, *(declaration(name) for name in ("strong", "weak", HOSTILE)))
    near = [{"signal": "weak", "rho": -0.95}]
    look(database, strong, details=DETAILS, detectable_ic=0.024, near_duplicates=near, gate_mean=0.05, gate_sd=0.06)
    look(database, weak, gate_t=1.0, detectable_ic=0.041, gate_mean=0.01, gate_sd=0.08)
    look(database, silent, gate_t=None)
    with database.write() as connection:
        verdicts = standing.verdicts(connection)
        registry.upsert(connection, [registry.Signal.of(verdict, "price", {}) for verdict in verdicts])
    path = tmp_path_factory.mktemp("page") / "folder" / "registry.html"
    assert write(database, path, data="Rows of a test", notes=["Mind <this>."]) == path
    return Parsed.read(path)


def test_each_signal_is_told_with_its_evidence(page: Parsed) -> None:
    assert "Standing at M = 400: strong (1 approved, 2 rejected)" in page.text
    assert "Pass, so approved: over 60 months at 21 sessions the mean IC is +0.0500, t = +6.00" in page.text
    assert "An IC of 0.024 would have been found with a probability of 80 %" in page.text
    assert "there are too few dates for a t statistic" in page.text
    assert "2010-2014 +0.031" in page.text and "market up: in +0.020, out" in page.text
    assert "Resembles: weak (-0.950)" in page.text
    assert "Rows of a test" in page.text and "Mind <this>." in page.text


def test_the_figures_are_those_of_the_rows(page: Parsed) -> None:
    assert len(page.drawings) == 3 * 4
    bars, total = page.drawings[0]["data"]
    assert (len(bars["x"]), bars["x"][0]) == (60, "2010-01-28") and total["yaxis"] == "y2"
    titles = [one["layout"]["title"]["text"] for one in page.drawings[:4]]
    assert titles[1].startswith("Mean IC, 90 % interval") and titles[3].startswith("Turnover")


def test_nothing_is_fetched(page: Parsed) -> None:
    assert page.fetched == []


def test_a_hostile_name_stays_a_name(page: Parsed) -> None:
    assert HOSTILE in page.text
    assert page.tags["img"] == 0 and page.tags["script"] == 2 + len(page.drawings)
    assert "onerror" not in page.attributes


def test_the_head_of_the_chain_is_printed(page: Parsed, database: Database) -> None:
    with database.read() as connection:
        chain = evidence.ledger(connection)
    assert chain.head in page.text and f"M = {chain.m} from {chain.looks} looks" in page.text


def test_an_empty_registry_says_so(empty: Parsed) -> None:
    assert "Nothing stands at M = 400 (none registered)" in empty.text and empty.drawings == []

"""What is planted on the supply graph, measured: over seeds, within four standard errors of what is claimed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from nexus.ingest.simulate import Market, simulate, tables
from nexus.ingest.simulate.economy import Economy, economy
from nexus.ingest.simulate.neighbours import NEIGHBOURS, suppliers
from nexus.ingest.simulate.places import DIRECTS, HOLDS, ties
from nexus.ingest.simulate.truths import truths_of
from nexus.ingest.simulate.wiring import BAYES_AUC, affinity
from nexus.maths.ic import rank_ic
from nexus.maths.ranking import auc
from nexus.maths.returns import total_return
from nexus.maths.types import Floats
from research.graph_truths.momentum import Along, neighbour_momentum

SEEDS = range(8)
SMALL = {"sessions": 1500, "listed": 60}


@pytest.fixture(scope="module")
def worlds() -> list[Economy]:
    return [economy(seed) for seed in SEEDS]


def monthly_ic(world: Economy, scores: Floats) -> Floats:
    ic = rank_ic(scores, truths_of(world).forward[21])
    return ic[np.isfinite(ic)]


def test_customers_pay_with_the_mean_and_sd_that_are_claimed(worlds: list[Economy]) -> None:
    found = [monthly_ic(world, neighbour_momentum(world)) for world in worlds]
    months = sum(len(ic) for ic in found)
    assert np.concatenate(found).mean() == pytest.approx(NEIGHBOURS.ic, abs=4 * NEIGHBOURS.sd / np.sqrt(months))
    assert np.mean([ic.std(ddof=1) for ic in found]) == pytest.approx(NEIGHBOURS.sd, rel=0.06)


@pytest.mark.parametrize("along", ["rewired", "reversed", "unknown"])
def test_false_edges_pay_nothing(worlds: list[Economy], along: Along) -> None:
    """Few companies have an edge that is not known yet: the months count by their error, not by the names."""
    found = np.concatenate([monthly_ic(world, neighbour_momentum(world, along)) for world in worlds])
    assert abs(found.mean()) < 4 * found.std(ddof=1) / np.sqrt(len(found))
    assert found.std(ddof=1) < 0.2


def test_scores_of_next_month_are_new(worlds: list[Economy]) -> None:
    scores = neighbour_momentum(worlds[0])
    assert abs(np.nanmean(rank_ic(scores[1:], scores[:-1]))) < 0.1  # two windows may share a session
    assert np.isfinite(scores[6:]).sum(axis=1).min() > 0.95 * 500


def bayes(world: Economy, size: int = 10) -> float:
    """AUC of affinity: customers that were drawn at a month-end against companies that are not tied, both listed."""
    random = np.random.default_rng(world.seed)
    known, found, months = affinity(world.seed, len(world.lives)), world.supply, world.time.months
    drawn, other = [], []
    for before, step in pairwise(months):
        there = np.flatnonzero(world.lives.listed(np.array([before, step])).all(axis=0))
        new = np.flatnonzero((found.start == step) & np.isin(found.owner, there) & np.isin(found.partner, there))
        tied = (found.start <= step) & (found.end > before)
        taken = set(zip(found.owner[tied].tolist(), found.partner[tied].tolist(), strict=True))
        pairs = random.choice(there, (size * len(new), 2))
        kept = [(a, b) for a, b in pairs.tolist() if a != b and (a, b) not in taken]
        drawn.append(known[found.owner[new], found.partner[new]])
        other.append(known[tuple(np.array(kept, int).reshape(-1, 2).T)])
    scores = np.concatenate([*drawn, *other])
    return auc(np.arange(len(scores)) < sum(map(len, drawn)), scores)


def test_new_customers_are_as_foreseeable_as_claimed(worlds: list[Economy]) -> None:
    found = [bayes(world) for world in worlds[:4]]
    assert np.mean(found) == pytest.approx(BAYES_AUC, abs=0.01)
    assert np.std(found) < 0.02


def test_new_customers_are_as_foreseeable_in_a_small_market() -> None:
    found = [bayes(economy(seed, **SMALL)) for seed in SEEDS]
    assert np.mean(found) == pytest.approx(BAYES_AUC, abs=0.02)


def test_affinity_says_nothing_of_customers_drawn_at_random() -> None:
    assert bayes(economy(1, sessions=2520, wiring="random")) == pytest.approx(0.5, abs=0.02)


def test_a_static_graph_begins_and_never_changes_but_by_leaving() -> None:
    world = economy(1, sessions=1500, listed=200, wiring="static")
    found, lives = world.supply, world.lives
    assert (found.start == 0).all() and len(found.owner) == pytest.approx(600, abs=20)
    leaves = np.minimum(lives.last[found.owner], lives.last[found.partner]) + 1
    np.testing.assert_array_equal(found.end, leaves)


def test_wiring_moves_nothing_else() -> None:
    worlds = [economy(4, **SMALL, wiring=wiring) for wiring in ("affinity", "random", "static")]
    for other in worlds[1:]:
        np.testing.assert_array_equal(other.market, worlds[0].market)
        np.testing.assert_array_equal(other.scores["P1"], worlds[0].scores["P1"])
        assert len(other.supply.owner) != len(worlds[0].supply.owner)
        for relation in (HOLDS, DIRECTS):
            drawn = [ties(4, world.time, world.lives, relation) for world in (worlds[0], other)]
            np.testing.assert_array_equal(drawn[0].partner, drawn[1].partner)


@pytest.fixture(scope="module")
def strong() -> dict[str, list[Economy]]:
    return {label: [economy(seed, **SMALL, label=label) for seed in range(4)] for label in ("supply", "degree")}


def test_supply_is_all_that_pays(strong: dict[str, list[Economy]]) -> None:
    ic = np.concatenate([monthly_ic(world, neighbour_momentum(world)) for world in strong["supply"]])
    assert ic.mean() > 0.2
    other = np.concatenate([monthly_ic(world, world.scores["P1"]) for world in strong["supply"]])
    assert abs(other.mean()) < 4 * other.std(ddof=1) / np.sqrt(len(other))


def number_of_suppliers(world: Economy) -> Floats:
    listed = world.lives.listed(world.time.months)
    return np.where(listed, suppliers(world.supply, listed, world.time), np.nan)


def test_degree_is_all_that_pays(strong: dict[str, list[Economy]]) -> None:
    ic = np.concatenate([monthly_ic(world, number_of_suppliers(world))[3:] for world in strong["degree"]])
    assert ic.mean() > 0.25
    other = np.concatenate([monthly_ic(world, neighbour_momentum(world)) for world in strong["degree"]])
    assert abs(other.mean()) < 0.1 * ic.mean() + 4 * other.std(ddof=1) / np.sqrt(len(other))
    planted = np.concatenate([monthly_ic(world, number_of_suppliers(world)) for world in strong["supply"]])
    assert abs(planted.mean()) < 4 * planted.std(ddof=1) / np.sqrt(len(planted))


def test_variants_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="wiring 'social': one of affinity, random, static"):
        simulate(0, sessions=80, listed=25, wiring="social")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="label 'luck': one of planted, supply, degree"):
        simulate(0, sessions=80, listed=25, label="luck")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def market() -> Market:
    return simulate(2, **SMALL)


@pytest.mark.parametrize("month", [9, 40, 70])
def test_scores_are_those_of_the_files(market: Market, month: int) -> None:
    """The slow twin: a user's own reading of prices and relations, company by company."""
    frames, names, time, bars = tables(market), market.names, market.economy.time, market.bars
    session = time.months[month]
    close = pd.Timestamp(time.closes[session], tz="UTC")
    rows = frames["relations"].query("relation == 'supplies'")
    rows = rows[rows["known_at"] <= close].sort_values("known_at")
    rows = rows.drop_duplicates(["src", "dst", "valid_from"], keep="last")
    rows = rows[rows["valid_to"].isna() | (rows["valid_to"] > pd.Timestamp(time.dates[session]))]
    returns = total_return(bars.close, bars.split, bars.dividend)[session - 20 : session + 1]
    growth = np.prod(1 + np.nan_to_num(returns), axis=0) - 1
    listed = np.isfinite(bars.close[session])
    spells = zip(names.ticker, names.company, strict=True)  # of two owners of a ticker, only one is listed at a time
    index = {ticker: int(company) for ticker, company in spells if listed[company]}
    customers: dict[int, list[int]] = {}
    for row in rows.itertuples():
        if row.src in index and row.dst in index:
            customers.setdefault(index[row.src], []).append(index[row.dst])
    found = neighbour_momentum(market.economy)[month]
    assert np.flatnonzero(np.isfinite(found)).tolist() == sorted(customers) and len(customers) > 50
    for company, partners in customers.items():
        assert found[company] == pytest.approx(np.mean([growth[partner] for partner in partners]), abs=1e-3)

"""Signals that may be traded on at some decisions only: the others decide there, and where none may there is cash."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import small_inputs
from small_inputs import spec

from nexus.backtest.inputs import Inputs
from nexus.backtest.runs import backtest, sweep
from nexus.backtest.spec import Spec
from nexus.backtest.weights import plan
from nexus.errors import InputError
from nexus.maths.types import Bools
from nexus.signals import composer


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return small_inputs.inputs()


@pytest.fixture(scope="module")
def on(inputs: Inputs) -> dict[str, Bools]:
    """a: not in the first ten decisions; b: not in the last five; neither between."""
    place = np.arange(len(inputs.rows))
    return {"a": place >= 12, "b": place < 8}


def only(name: str, weight: float) -> Spec:
    return spec(signals=[{"name": name, "weight": weight}])


def test_those_that_may_decide_and_else_there_is_cash(inputs: Inputs, on: dict[str, Bools]) -> None:
    chosen = inputs.chosen(spec())
    found = plan(replace(inputs, on=on), spec()).weights
    alone = {"a": plan(inputs, only("a", 1.0)).weights, "b": plan(inputs, only("b", -0.5)).weights}
    for decision, place in enumerate(chosen):
        named = [name for name in "ab" if on[name][place]]
        wanted = alone[named[0]][decision] if named else np.zeros(found.shape[1])
        np.testing.assert_array_equal(found[decision], wanted)
    assert not found[(chosen >= 8) & (chosen < 12)].any()


def test_cash_is_reached_and_kept(inputs: Inputs, on: dict[str, Bools]) -> None:
    made, result = backtest(replace(inputs, on=on), spec())
    empty = made.rows[~made.weights.any(axis=1)]
    between = slice(empty[0] + 2 - result.first, empty[-1] + 1 - result.first)
    assert (result.long[between] == 0).all() and (result.short[between] == 0).all()
    assert np.ptp(result.equity[between]) == 0


def test_a_sweep_holds_cash_too(inputs: Inputs, on: dict[str, Bools]) -> None:
    some = replace(inputs, on=on)
    specs = [spec(), spec(portfolio={"quantiles": 4, "neutral": ["beta", "sector"]})]
    found = sweep(some, specs)
    for number, each in enumerate(specs):
        np.testing.assert_array_equal(found.equity[:, number], backtest(some, each)[1].equity)


def test_a_signal_that_may_and_says_nothing_is_refused(inputs: Inputs) -> None:
    scores = {**inputs.scores, "a": np.where(np.arange(len(inputs.rows))[:, None] == 15, np.nan, inputs.scores["a"])}
    with pytest.raises(InputError, match="a scores nobody on"):
        plan(replace(inputs, scores=scores), spec())
    plan(replace(inputs, scores=scores, on={"a": np.arange(len(inputs.rows)) != 15}), spec())


@pytest.mark.parametrize("combine", ["ic", "ridge"])
def test_a_learnt_composite_is_the_composers(inputs: Inputs, on: dict[str, Bools], combine: str) -> None:
    random = np.random.default_rng(8)
    earned = 0.02 * np.nan_to_num(inputs.scores["a"]) + 0.01 * random.standard_normal(inputs.members.shape)
    some = replace(inputs, on={"b": on["b"]}, earned=earned)
    wanted = spec(signals=[{"name": "a"}, {"name": "b"}], portfolio={"kind": "signal_weighted", "combine": combine})
    ranked = np.stack([composer.scaled_ranks(np.where(inputs.members, inputs.scores[name], np.nan)) for name in "ab"])
    allowed = np.stack([np.ones(len(inputs.rows), bool), on["b"]])
    learn = composer.ic_weights if combine == "ic" else composer.ridge_weights
    score = composer.rank_average(ranked, allowed, learn(ranked, allowed, earned, composer.known_dates(inputs.rows)))
    found = plan(some, wanted).weights
    for decision, place in enumerate(inputs.chosen(wanted)):
        held = np.isfinite(score[place])
        assert not found[decision][~held].any()
        order = np.argsort(score[place][held])
        assert (np.diff(found[decision][held][order]) >= -1e-15).all()
    with pytest.raises(InputError, match="without returns"):
        plan(inputs, wanted)


def test_learnt_weights_are_not_given() -> None:
    with pytest.raises(InputError, match="learns the weights"):
        spec(portfolio={"combine": "ic"})

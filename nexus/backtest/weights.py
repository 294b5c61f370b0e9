"""From scores and a spec to the plan of a run."""

from __future__ import annotations

import numpy as np

from nexus.backtest.engine import Plan
from nexus.backtest.inputs import Inputs, trailing_returns
from nexus.backtest.mean_variance import mean_variance
from nexus.backtest.spec import RISK_AVERSION, Portfolio, Spec
from nexus.errors import InputError
from nexus.maths import portfolio as maths
from nexus.maths.stats import canonical_weights, ranks
from nexus.maths.types import Bools, Floats, Ints
from nexus.signals import composer

WINDOW = 252
"""Sessions of returns behind a covariance."""
MONTH = 21
IC = 0.03
"""Information coefficient that mean_variance takes a composite score to have: expected return = IC x volatility x score
(Grinold 1994), over a month. Only its ratio to the risk aversion matters."""


def plan(inputs: Inputs, spec: Spec) -> Plan:
    """Target weights of every decision of a spec, limits on turnover and volume left to the engine."""
    chosen = inputs.chosen(spec)
    weights = book(inputs, spec.portfolio, composite(inputs, spec, chosen), chosen)
    return Plan(inputs.rows[chosen], weights, inputs.stop(spec))


def composite(inputs: Inputs, spec: Spec, chosen: Ints) -> Floats:
    """One score of all signals that may be traded on, (n_chosen, n_companies), NaN where none has an opinion.

    Ranks among the members are centred and scaled to (-1/2, 1/2); a signal without opinion on a name counts as the
    middle there. Their weights are the spec's, or what `signals.composer` learnt by then from every decision before.
    """
    members = inputs.members[chosen]
    if not members.any(axis=1).all():
        raise InputError(f"backtest: {spec.universe} has no members on {inputs.day(chosen[~members.any(axis=1)][0])}")
    for signal in spec.signals:
        if signal.name not in inputs.scores:
            raise InputError(f"backtest: no scores of {signal.name}; known are {', '.join(sorted(inputs.scores))}")
    if spec.portfolio.combine != "rank":
        return _learnt(inputs, spec, chosen)
    total = np.zeros(members.shape)
    known = np.zeros(members.shape, np.bool_)
    for signal in spec.signals:
        ranked, has = _ranked(inputs, signal.name, chosen)
        total += signal.weight * ranked
        known |= has
    return np.where(known, total, np.nan)


def _ranked(inputs: Inputs, name: str, chosen: Ints) -> tuple[Floats, Bools]:
    """Scaled ranks of a signal among the members, 0 without opinion or where it may not be traded on; and who has one.

    Raises InputError where it may, and has no opinion on anybody.
    """
    on = inputs.may(name)[chosen]
    allowed = inputs.members[chosen] if on.all() else inputs.members[chosen] & on[:, None]
    ranked = ranks(np.where(allowed, inputs.scores[name][chosen], np.nan))
    has = np.isfinite(ranked)
    silent = on & ~has.any(axis=1)
    if silent.any():
        raise InputError(f"backtest: {name} scores nobody on {inputs.day(chosen[silent][0])}")
    names = np.maximum(has.sum(axis=1, keepdims=True), 1)
    return np.where(has, (ranked - (names + 1) / 2) / names, 0.0), has


def _learnt(inputs: Inputs, spec: Spec, chosen: Ints) -> Floats:
    """The composite by weights from past returns, learnt from all decisions of the inputs before each chosen one."""
    if inputs.earned is None:
        raise InputError(f"backtest: combine = {spec.portfolio.combine} without returns; read them with the scores")
    names = [signal.name for signal in spec.signals]
    ranked = np.stack([composer.scaled_ranks(np.where(inputs.members, inputs.scores[name], np.nan)) for name in names])
    on = np.stack([inputs.may(name) for name in names])
    learn = composer.ic_weights if spec.portfolio.combine == "ic" else composer.ridge_weights
    weights = learn(ranked, on, inputs.earned, composer.known_dates(inputs.rows))
    for name in names:
        _ranked(inputs, name, chosen)  # refuses
    return composer.rank_average(ranked[:, chosen], on[:, chosen], weights[:, chosen])


def book(inputs: Inputs, portfolio: Portfolio, scores: Floats, chosen: Ints) -> Floats:
    """Target weights (n_chosen, n_companies) of the scores, neutral and capped as asked."""
    if portfolio.kind == "long_only":
        weights = maths.long_only(scores, portfolio.quantiles, portfolio.gross)
    elif portfolio.kind == "long_short":
        weights = maths.long_short(scores, portfolio.quantiles, portfolio.gross)
    elif portfolio.kind == "signal_weighted":
        weights = np.nan_to_num(portfolio.gross * canonical_weights(scores))
    else:
        weights = _optimal(inputs, portfolio, scores, chosen)
    if portfolio.kind != "mean_variance":
        weights = _within(inputs, portfolio, weights, chosen)
    empty = np.isfinite(scores).any(axis=1) & ~weights.any(axis=1)
    if empty.any():
        day = inputs.day(chosen[empty][0])
        raise InputError(f"backtest: nothing to hold on {day}: too few names, or all scores and exposures are the same")
    return weights


def exposures(inputs: Inputs, portfolio: Portfolio, chosen: Ints) -> tuple[Ints, Floats | None]:
    """Groups (all 0 where sectors do not matter) and betas, or None, that the book must be neutral to."""
    for name, known in {"sector": inputs.sectors, "beta": inputs.betas}.items():
        if name in portfolio.neutral and known is None:
            raise InputError(f"backtest: {name}-neutral without {name}s; read them with the scores")
    groups = np.zeros((len(chosen), inputs.market.n_companies), np.int64)
    if "sector" in portfolio.neutral and inputs.sectors is not None:
        groups = inputs.sectors[chosen]
    return groups, inputs.betas[chosen] if "beta" in portfolio.neutral and inputs.betas is not None else None


def _within(inputs: Inputs, portfolio: Portfolio, weights: Floats, chosen: Ints) -> Floats:
    cap = portfolio.max_weight
    if portfolio.neutral:
        groups, betas = exposures(inputs, portfolio, chosen)
        if cap is None:
            return maths.neutral(weights, groups, betas)
        return maths.neutral_and_capped(weights, cap, groups, betas)
    return weights if cap is None else maths.capped(weights, cap)


def _optimal(inputs: Inputs, portfolio: Portfolio, scores: Floats, chosen: Ints) -> Floats:
    groups, betas = exposures(inputs, portfolio, chosen)
    weights = np.zeros(scores.shape)
    for number, (row, score) in enumerate(zip(inputs.rows[chosen], scores, strict=True)):
        names = np.flatnonzero(np.isfinite(score) & np.isfinite(inputs.market.close[row]))
        returns = trailing_returns(inputs.market, int(row), names, WINDOW)
        if len(names) < 2 or len(returns) < 2:
            continue
        covariance = MONTH * maths.shrunk_covariance(returns)
        centred = score[names] - score[names].mean()
        expected = IC * np.sqrt(np.diag(covariance)) * centred / max(float(centred.std()), np.finfo(np.float64).tiny)
        codes = groups[number, names]
        conditions = [codes == code for code in np.unique(codes)[1:]]  # the rest follows from the dollars
        if betas is not None:
            known = betas[number, names]
            conditions.append(np.where(np.isfinite(known), known, np.nanmean(known)))
        weights[number, names] = mean_variance(
            expected,
            covariance,
            portfolio.risk_aversion or RISK_AVERSION,
            portfolio.gross,
            portfolio.max_weight or np.inf,
            np.array(conditions, np.float64) if conditions else None,
        )
    return weights

"""`nexus signals`: evaluate factors, register them, see which stand and why."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nexus.cli.output import as_json_option, database, emit, say, table

if TYPE_CHECKING:
    from nexus.db.registry import Signal
    from nexus.signals.scores import Scorable
    from nexus.signals.trial import Evaluation, Judgement

DAY = click.DateTime(["%Y-%m-%d"])


class Horizons(click.ParamType[list[int]]):
    """Sessions, comma-separated."""

    name = "sessions"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """Parse "21,63" into [21, 63]."""
        if isinstance(value, list):
            return value
        try:
            found = sorted({int(part) for part in str(value).split(",")})
        except ValueError:
            found = []
        if not found or found[0] < 1:
            self.fail(f"{value!r} is no list of sessions; write 21,63,126", param, ctx)
        return found


HORIZONS = Horizons()
EVALUATION = ["signal", "horizon", "N", "mean IC", "sd", "t", "NW t", "gate N", "gate t", "p", "HLZ", "passes",
              "detectable", "coverage", "look", "evaluation"]  # fmt: skip
from_option = click.option("--from", "path", type=click.Path(path_type=Path), help="Python file with factors of yours.")
scores_option = click.option(
    "--scores", type=click.Path(path_type=Path), help="Scores computed elsewhere (company, date, score): tier C."
)
horizons_option = click.option(
    "--horizons", default="21,63,126", type=HORIZONS, show_default=True, help="Sessions, comma-separated."
)
universe_option = click.option(
    "--universe", help="Universe of membership spells, or `priced`  [default: the setting's]"
)
rebalance_option = click.option("--rebalance", default="monthly", show_default=True, help="Rebalance rule.")
neutralise_option = click.option("--neutralise", help="Another neutralisation than the factor's own: another signal.")


def sweep_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of what is judged: which factors, at which horizons, on whom, when, neutral to what."""
    options = (from_option, scores_option, horizons_option, universe_option, rebalance_option, neutralise_option)
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def signals() -> None:
    """Evaluate factors, and see which stand."""


@signals.command("list")
@as_json_option
def list_(as_json: bool) -> None:
    """List the registry: verdict, detectable IC and coverage beside each status."""
    from nexus.signals.registry import listed

    print_registry(listed(database()), as_json)


@signals.command()
@from_option
@as_json_option
def factors(path: Path | None, as_json: bool) -> None:
    """List the factors that can be evaluated."""
    rows = [
        (factor.name, factor.version, factor.type, factor.neutralise, " ".join(factor.inputs))
        for factor in chosen_factors((), path, None)
    ]
    table(rows, ["factor", "version", "type", "neutralise", "inputs"], as_json)


@signals.command()
@click.argument("names", nargs=-1)
@sweep_options
@click.option("--start", type=DAY, help="A window of your choice is description, never a look.")
@click.option("--end", type=DAY, help="Its last day.")
@as_json_option
def evaluate(
    names: tuple[str, ...],
    path: Path | None,
    scores: Path | None,
    horizons: list[int],
    universe: str | None,
    rebalance: str,
    neutralise: str | None,
    start: datetime | None,
    end: datetime | None,
    as_json: bool,
) -> None:
    """Judge factors NAMES (all, without one) at each horizon; every evaluation is counted."""
    from nexus.cli.progress import bar
    from nexus.signals.evaluate import evaluate as run

    with bar("evaluate") as walk:
        judged = run(
            database(), judged_factors(names, path, scores), horizons,
            universe=universe, rebalance=rebalance, neutralise=neutralise,
            start=start.date() if start else None, end=end.date() if end else None, progress=walk,
        )  # fmt: skip
    print_judgements(judged, as_json)


@signals.command()
@click.argument("names", nargs=-1)
@sweep_options
@as_json_option
def register(
    names: tuple[str, ...],
    path: Path | None,
    scores: Path | None,
    horizons: list[int],
    universe: str | None,
    rebalance: str,
    neutralise: str | None,
    as_json: bool,
) -> None:
    """Publish the scores and the standing of factors NAMES (all, without one), judging first those that never were."""
    from nexus.cli.progress import bar
    from nexus.signals.registry import register as run

    with bar("evaluate") as walk:
        done = run(
            database(), judged_factors(names, path, scores), horizons,
            universe=universe, rebalance=rebalance, neutralise=neutralise, progress=walk,
        )  # fmt: skip
    print_registry([one.signal for one in done], as_json)
    if not as_json:
        written, published = sum(one.written for one in done), sum(one.published for one in done)
        say(f"{written} rows of the registry written, {published:,} scores published")


@signals.command()
@click.argument("name")
@as_json_option
def show(name: str, as_json: bool) -> None:
    """Print everything the registry knows of signal NAME."""
    from nexus.signals.registry import show as run

    signal = run(database(), name)
    if as_json:
        emit(asdict(signal))
        return
    print_registry([signal], False)
    for key, value in sorted(signal.regime_profile.items()):
        say(f"{key}: {json.dumps(value, default=str)}")


@signals.command()
@click.option("--m", type=int, help="At another number of trials than today's; nothing is written then.")
@as_json_option
def verdicts(m: int | None, as_json: bool) -> None:
    """Judge every signal again at today's M, and write the statuses that changed."""
    from nexus.db.standing import verdicts as ask
    from nexus.signals.registry import verdicts as refresh

    changes = refresh(database()) if m is None else []
    with database().read() as connection:
        found = ask(connection, m=m)
    rows = [
        (v.signal, v.status, v.verdict, v.reason, v.m, v.t_stat, v.gate_p, v.detectable_ic, v.coverage) for v in found
    ]
    table(rows, ["signal", "status", "verdict", "reason", "M", "t", "p", "detectable IC", "coverage"], as_json)
    if not as_json:
        for change in changes:
            say(f"{change.name}: {change.before} -> {change.after} ({change.reason})")
        say(f"{len(changes)} statuses changed")


@signals.command()
@click.argument("evaluation", type=int)
@from_option
@scores_option
@as_json_option
def reproduce(evaluation: int, path: Path | None, scores: Path | None, as_json: bool) -> None:
    """Compute EVALUATION again from its recorded inputs and compare to the last digit; status 1 where they differ."""
    from nexus.signals.reproduce import reproduce as run

    at_hand = {factor.name: factor for factor in [*chosen_factors((), None, None), *_users(path, scores)]}
    found = run(database(), evaluation, at_hand)
    if as_json:
        emit({"reproduced": found.reproduced, **asdict(found)})
    else:
        say(str(found))
    raise click.exceptions.Exit(int(not found.reproduced))


def chosen_factors(names: Sequence[str], path: Path | None, scores: Path | None) -> list[Scorable]:
    """The factors of a user's file or of the package, all of them or those named."""
    from nexus.errors import InputError
    from nexus.signals.user import factors

    own = _users(path, scores)
    there = {factor.name: factor for factor in own} if own else factors()
    unknown = [name for name in names if name not in there]
    if unknown:
        raise InputError(f"factor {', '.join(unknown)}: unknown; there are {', '.join(there)}")
    return [there[name] for name in names] if names else list(there.values())


def judged_factors(names: Sequence[str], path: Path | None, scores: Path | None) -> list[Scorable]:
    """Those named, or all but the ones whose graphs and modules' outputs the database lacks."""
    from nexus.signals.available import available

    chosen = chosen_factors(names, path, scores)
    return chosen if names else available(database(), chosen)


def print_judgements(judged: Sequence[Judgement], as_json: bool) -> None:
    """Print every evaluation with its verdict."""
    rows = [evaluation_row(one, evaluation) for one in judged for evaluation in one.evaluations]
    table(rows, EVALUATION, as_json)
    if not as_json:
        for one in judged:
            say(verdict_line(one))


def evaluation_row(judgement: Judgement, evaluation: Evaluation) -> tuple[Any, ...]:
    """One evaluation as a line under EVALUATION."""
    from nexus.maths.hlz import threshold

    j = evaluation.judged
    bar = threshold(j.gate_n, judgement.m) if j.gate_n > 1 else None
    passes = j.gate_t is not None and bar is not None and abs(j.gate_t) > bar
    figures = (j.n, j.ic_mean, j.ic_sd, j.t_plain, j.t_newey_west, j.gate_n, j.gate_t, j.gate_p, bar, passes)
    return (
        judgement.signal,
        j.horizon,
        *figures,
        evaluation.detectable_ic,
        j.coverage_mean,
        evaluation.look_no,
        evaluation.evaluation_id,
    )


def verdict_line(judgement: Judgement) -> str:
    """What the ledger concludes, in a line."""
    kin = {f"the same hypothesis as {e.same_as}" for e in judgement.evaluations if e.same_as}
    kin |= {f"near {near.signal} ({near.rho:+.3f})" for e in judgement.evaluations for near in e.near}
    resembles = f"; {', '.join(sorted(kin))}" if kin else ""
    if judgement.verdict is None:
        return f"{judgement.signal}: described, not judged: no look was taken (tier {judgement.tier}){resembles}"
    v = judgement.verdict
    return f"{judgement.signal}: {v.verdict}, so {v.status} ({v.reason}) at M = {v.m}, tier {v.tier}{resembles}"


def print_registry(rows: Sequence[Signal], as_json: bool) -> None:
    """Print rows of the registry."""
    shown = [
        (s.name, s.status, s.verdict, s.reason, s.tier, s.t_stat, s.hlz_passes, s.m, s.detectable_ic, s.coverage,
         s.retest_after_n) for s in rows
    ]  # fmt: skip
    columns = [
        "signal",
        "status",
        "verdict",
        "reason",
        "tier",
        "t",
        "HLZ",
        "M",
        "detectable IC",
        "coverage",
        "retest after",
    ]
    table(shown, columns, as_json)


def _users(path: Path | None, scores: Path | None) -> list[Scorable]:
    from nexus.signals.user import from_file, from_scores

    return [*(from_file(path).values() if path else []), *([from_scores(scores)] if scores else [])]

"""Whether embeddings are good for anything: each check with a verdict, and a map to look at.

    python -m nexus.graph.backfill && python research/_validate_embeddings.py --map reports/embeddings.png

The newest embeddings of one chunk's weights, as a reader of the last day sees them. PASS and FAIL mean what the check
says; UNDECIDABLE that there is too little to tell. The exit status is 1 where a check fails, else 0. A pass says that
the vectors are sound and that like is near like; whether they predict returns is for `nexus signals evaluate` to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click
import numpy as np
from scipy.stats import mannwhitneyu

from nexus.cli.output import database, say, table
from nexus.cli.run import run
from nexus.db.companies import check_tickers
from nexus.db.engine import Database
from nexus.db.extent import inputs_extent
from nexus.db.graph import Graph
from nexus.db.panel import Panel
from nexus.errors import InputError
from nexus.graph.gnn.links import ends, transition
from nexus.graph.gnn.negatives import Sampler
from nexus.maths.types import Floats, Ints
from nexus.settings import settings

PEERS = "NVDA/AMD,INTC/AMD,AVGO/QCOM,V/MA,KO/PEP,HD/LOW,JPM/BAC,XOM/CVX,UPS/FDX,MCD/YUM,LMT/NOC,PFE/MRK"
DISTRIBUTORS = "NVDA/BBY,AMD/BBY,AAPL/BBY,KO/WMT,PEP/KR,PG/WMT,CL/COST,PFE/MCK,MRK/CAH,JNJ/CAH,LLY/MCK,XOM/SYY"
SUPPLIES = ("company", "supplies", "company")
LEAST_PAIRS, LEAST_NAMES = 4, 20
LEVEL = 0.05
NEIGHBOURS = 5

Outcome = Literal["PASS", "FAIL", "UNDECIDABLE"]


@dataclass(frozen=True)
class Check:
    """What was asked, what came out, and why."""

    name: str
    outcome: Outcome
    why: str


@dataclass(frozen=True)
class Space:
    """Embeddings of one day.

    vectors : (n, d); names : (n,) tickers, ids where unknown; sectors : (n,) codes, -1 unknown
    """

    day: np.datetime64
    ids: Ints
    vectors: Floats
    names: list[str]
    sectors: Ints

    @property
    def cosines(self) -> Floats:
        """(n, n)."""
        length = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        unit = self.vectors / np.where(length > 0, length, 1.0)
        return unit @ unit.T


def deviation(space: Space) -> Check:
    """No component without variance, and variance in several directions."""
    spread = space.vectors.std(axis=0)
    dead = int((spread < 1e-3 * max(np.median(spread), 1e-12)).sum())
    variance = np.linalg.svd(space.vectors - space.vectors.mean(axis=0), compute_uv=False) ** 2
    effective = float(variance.sum() ** 2 / (variance**2).sum()) if variance.sum() > 0 else 0.0
    fine = dead <= len(spread) // 2 and effective >= 2
    why = (
        f"deviation of {len(spread)} components {spread.min():.3g} to {spread.max():.3g}, {dead} without any; as much "
        f"as {effective:.1f} of equal variance"
    )
    return Check("deviation", "PASS" if fine else "FAIL", why)


def norms(space: Space) -> Check:
    """Finite, none zero, none of another order than the median."""
    length = np.linalg.norm(space.vectors, axis=1)
    fine = bool(np.isfinite(length).all() and length.min() > 0 and length.max() <= 10 * np.median(length))
    why = f"norms {length.min():.3g} to {length.max():.3g}, median {np.median(length):.3g}, {len(length)} companies"
    return Check("norms", "PASS" if fine else "FAIL", why)


def ordering(name: str, near: Floats, far: Floats, words: tuple[str, str]) -> Check:
    """Cosines of pairs that should be alike above those of pairs that should not (Mann & Whitney, one-sided)."""
    if min(len(near), len(far)) < LEAST_PAIRS:
        counts = f"{len(near)} {words[0]} and {len(far)} {words[1]} are there"
        return Check(name, "UNDECIDABLE", f"{counts}; {LEAST_PAIRS} of each are needed")
    test = mannwhitneyu(near, far, alternative="greater")
    share = float(test.statistic) / len(near) / len(far)
    why = (
        f"cosine of {len(near)} {words[0]} {np.median(near):+.3f}, of {len(far)} {words[1]} {np.median(far):+.3f} "
        f"(medians); {share:.0%} in order, p {test.pvalue:.2g}"
    )
    return Check(name, "PASS" if test.pvalue < LEVEL else "FAIL", why)


def sectors(space: Space, k: int = NEIGHBOURS, draws: int = 999, seed: int = 0) -> Check:
    """More of the nearest neighbours from a company's own sector than when sectors are dealt out at random."""
    known = np.flatnonzero(space.sectors >= 0)
    if len(known) < LEAST_NAMES or len(np.unique(space.sectors[known])) < 2:
        why = f"{len(known)} companies with a sector; {LEAST_NAMES} of at least two sectors are needed"
        return Check("sectors", "UNDECIDABLE", why)
    cosines = space.cosines[np.ix_(known, known)]
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    codes, random = space.sectors[known], np.random.default_rng(seed)
    own = (codes[nearest] == codes[:, None]).mean()
    dealt = [random.permutation(codes) for _ in range(draws)]
    chance = np.array([(deal[nearest] == deal[:, None]).mean() for deal in dealt])
    p = (1 + (chance >= own).sum()) / (draws + 1)
    why = f"{own:.1%} of the {k} nearest are of one's own sector, {chance.mean():.1%} by chance, p {p:.3f}"
    return Check("sectors", "PASS" if p < LEVEL else "FAIL", why)


def flat(space: Space) -> tuple[Floats, Floats]:
    """First two principal components (n, 2), and their shares of the variance (2,)."""
    centred = space.vectors - space.vectors.mean(axis=0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    share = singular**2 / max(float((singular**2).sum()), 1e-300)
    return left[:, :2] * singular[:2], share[:2]


def collapse(space: Space) -> Check:
    """The map has a height as well as a width."""
    _, share = flat(space)
    why = f"{share[0]:.1%} of the variance lies along the first axis of the map, {share[1]:.1%} along the second"
    return Check("map", "PASS" if share[0] < 0.99 else "FAIL", why)


def draw_map(space: Space, path: Path) -> None:
    """Write the map: points by sector, named where there is room."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    points, share = flat(space)
    figure, axes = plt.subplots(figsize=(11, 8))
    axes.scatter(points[:, 0], points[:, 1], c=space.sectors, cmap="tab20", s=22)
    shown = np.random.default_rng(0).permutation(len(points))[:80]
    for i in shown:
        axes.annotate(space.names[i], points[i], fontsize=7, xytext=(2, 2), textcoords="offset points")
    axes.set(
        title=f"Embeddings on {space.day}, colours by sector",
        xlabel=f"first principal component ({share[0]:.0%})",
        ylabel=f"second ({share[1]:.0%})",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, bbox_inches="tight")
    plt.close(figure)


def split(pairs: str) -> list[list[str]]:
    """Both tickers of each of A/B,C/D."""
    found = [[name.strip() for name in pair.split("/")] for pair in pairs.split(",") if pair.strip()]
    wrong = [pair for pair in found if len(pair) != 2 or not all(pair)]
    if wrong:
        raise InputError(f"pair {'/'.join(wrong[0])!r}: write A/B,C/D")
    return found


def cosines_of(space: Space, pairs: str) -> tuple[Floats, list[str]]:
    """Cosines of A/B,C/D as far as both are there, and the pairs found."""
    place = {name: i for i, name in enumerate(space.names)}
    found = [pair for pair in split(pairs) if pair[0] in place and pair[1] in place]
    values = np.array([space.cosines[place[a], place[b]] for a, b in found])
    return values, ["/".join(pair) for pair in found]


def cosines_of_links(space: Space, graph: Graph, seed: int = 0) -> tuple[Floats, Floats]:
    """Cosines of companies tied by supply, and of as many that are not, of like degrees."""
    if SUPPLIES not in graph.edges:
        return np.empty(0), np.empty(0)
    later = Graph(graph.day + 1, graph.graph, graph.version, graph.nodes, graph.edges)
    step = transition(graph, later, SUPPLIES)
    sampler = Sampler([step])
    matched, _ = sampler.requests([step.positives])
    free = sampler.distinct(np.random.default_rng(seed), matched, np.empty(0, np.int64))
    place = np.full(len(graph.nodes["company"]), -1)
    _, in_graph, in_space = np.intersect1d(graph.nodes["company"], space.ids, return_indices=True)
    place[in_graph] = in_space
    n = step.shape[1]
    return _between(space, place, *ends(step.positives, n)), _between(space, place, *ends(free, n))


def _between(space: Space, place: Ints, src: Ints, dst: Ints) -> Floats:
    a, b = place[src], place[dst]
    there = (a >= 0) & (b >= 0)
    return space.cosines[a[there], b[there]]


def neighbours(space: Space, names: Sequence[str], k: int = NEIGHBOURS) -> list[tuple[str, str]]:
    """Name and its nearest, with cosines."""
    rows, cosines = [], space.cosines
    for name in names:
        if name in space.names:
            own = space.names.index(name)
            order = [i for i in np.argsort(-cosines[own], kind="stable") if i != own][:k]
            rows.append((name, ", ".join(f"{space.names[i]} {cosines[own, i]:.2f}" for i in order)))
    return rows


def checks(space: Space, graph: Graph, peers: str, distributors: str) -> list[Check]:
    """All checks, in order."""
    near, far = (cosines_of(space, pairs)[0] for pairs in (peers, distributors))
    linked, free = cosines_of_links(space, graph)
    return [
        deviation(space),
        norms(space),
        ordering("peers", near, far, ("peers", "distributor pairs")),
        ordering("supply", linked, free, ("tied pairs", "free pairs of like degree")),
        sectors(space),
        collapse(space),
    ]


def read(own: Database, version: str, graph: str, scheme: str) -> tuple[Space, Graph]:
    """The newest embeddings that the last day's reader sees, and the snapshot they are of."""
    wanted = [f"node_embeddings.{version}", f"graph_snapshots.{graph}"]
    first, last = inputs_extent(own, wanted[:1])
    panel = Panel.open(own, start=first, end=last, inputs=[*wanted, "symbols.ticker", f"classifications.{scheme}"])
    view = panel.at(last)
    days, vectors = view.embeddings(version)
    if not len(days):
        raise InputError(f"{version}: no embedding is known on {last} by weights trained before it; run the backfill")
    there = np.flatnonzero(np.isfinite(vectors[-1]).all(axis=1))
    tickers, codes = view.tickers(), view.sector(scheme)
    names = [str(tickers[i]) or str(view.companies[i]) for i in there]
    return Space(days[-1], view.companies[there], vectors[-1][there], names, codes[there]), view.graph(graph)


@click.command()
@click.option("--model", "version", default="hgt-1", show_default=True, help="Model version.")
@click.option("--graph", default="monthly", show_default=True, help="Graph of the supply edges.")
@click.option("--peers", help="Pairs that should be alike, A/B,C/D  [default: twelve American ones]")
@click.option("--distributors", help="A maker and who sells its goods, A/B,C/D  [default: twelve American pairs]")
@click.option("--of", "names", help="Whose neighbours to list, A,B  [default: those of the pairs, else the first five]")
@click.option("--map", "path", type=click.Path(path_type=Path), help="Where to draw  [default: NEXUS_REPORTS_DIR]")
def main(
    version: str, graph: str, peers: str | None, distributors: str | None, names: str | None, path: Path | None
) -> None:
    """Check the newest embeddings of a model, and draw their map."""
    listed = [name.strip() for name in (names or "").split(",") if name.strip()]
    asked = listed + [name for pairs in (peers, distributors) for pair in split(pairs or "") for name in pair]
    own = database()
    try:
        space, snapshot = read(own, version, graph, settings().sectors)
    finally:
        own.dispose()
    check_tickers(f"the embeddings of {space.day}", asked, space.names)
    peers, distributors = peers or PEERS, distributors or DISTRIBUTORS
    path = path or settings().reports_dir / f"embeddings_{version}.png"
    wanted = listed or sorted({name for pair in split(peers) for name in pair})
    say(f"{version}: {len(space.ids)} companies, {space.vectors.shape[1]} dimensions, on {space.day}")
    table(neighbours(space, wanted) or neighbours(space, space.names[:5]), ["company", "nearest"])
    found = checks(space, snapshot, peers, distributors)
    for check in found:
        say(f"{check.outcome:<11} {check.name}: {check.why}")
    draw_map(space, path)
    say(f"map: {path}")
    raise SystemExit(int(any(check.outcome == "FAIL" for check in found)))


if __name__ == "__main__":
    run(main)

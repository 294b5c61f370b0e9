"""Do the named edges carry what is said? Taking them away together must move it more than taking away others.

Fidelity+ of Pope et al. (2019) and Yuan, Yu, Gui & Ji (2023, IEEE TPAMI), paired with as many edges drawn at random
from the same company's computation graph: what a method must beat that names edges without looking at the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import wilcoxon

from nexus.errors import InputError
from nexus.graph.gnn.edge_reasons import Occlusion, Reasons, Walk, walked
from nexus.maths.types import Floats, Ints

LEVEL = 0.01
LEAST = 7
"""Companies below which no order of them has a smaller p than `LEVEL`."""


@dataclass(frozen=True)
class Fidelity:
    """What taking edges away does, averaged over companies, in the unit of `Occlusion.moved`, without its sign.

    companies : compared; passed_over : that have too few edges to draw others from
    edges : named of a company, at most; draws : random ones of each company
    named, random : mean movement; share : of companies that the named ones move more than the mean draw does
    p : of Wilcoxon's signed rank test over companies, one-sided, which takes them for independent
    """

    companies: int
    passed_over: int
    edges: int
    draws: int
    named: float
    random: float
    share: float
    p: float

    @property
    def passes(self) -> bool:
        """Whether the named edges move what is said more, beyond chance."""
        return self.named > self.random and self.p < LEVEL

    def __str__(self) -> str:
        """One sentence."""
        verdict = "PASS" if self.passes else "FAIL"
        return (
            f"{verdict}: without {self.edges} named edges what is said moves by {self.named:.4g}, without as many "
            f"others by {self.random:.4g}; more for {self.share:.0%} of {self.companies} companies, p {self.p:.2g}"
        )


def fidelity(
    told: Occlusion, reasons: Sequence[Reasons], edges: int = 10, draws: int = 5, seed: int = 0, walk: Walk = iter
) -> Fidelity:
    """Compare the strongest edges of each company with random ones of equal number.

    edges : of each company, the first of its reasons; fewer where it has fewer
    draws : sets of random edges of each company, all of its computation graph alike, the named ones too
    walk : shows progress

    A company with less than twice as many edges around as are named is passed over: a draw would be nearly the same.

    Raises
    ------
    InputError
        When fewer than 7 companies are left, which can show nothing.
    """
    generator = np.random.default_rng(seed)
    rows, drops = [], []
    for each in reasons:
        named, around = each.edges[:edges], told.edges.around(each.company, told.layers)
        if len(named) and len(around) >= 2 * len(named):
            rows.append(int(np.searchsorted(told.companies, each.company)))
            drops += [named, *(generator.choice(around, len(named), replace=False) for _ in range(draws))]
    if len(rows) < LEAST:
        raise InputError(f"{len(rows)} companies have edges enough for a comparison; explain {LEAST} or more")
    moved = _moved(told, np.array(rows), drops, walk)
    named_moved, random_moved = moved[:, 0], moved[:, 1:].mean(axis=1)
    return Fidelity(
        companies=len(rows),
        passed_over=len(reasons) - len(rows),
        edges=edges,
        draws=draws,
        named=float(named_moved.mean()),
        random=float(random_moved.mean()),
        share=float((named_moved > random_moved).mean()),
        p=_p(named_moved - random_moved),
    )


def _moved(told: Occlusion, rows: Ints, drops: Sequence[Ints], walk: Walk) -> Floats:
    """How far each drop moves what is said of the company it is of, (n_companies, 1 + draws)."""
    of = np.repeat(rows, len(drops) // len(rows))
    moved = [abs(float(told.moved(less)[row])) for row, less in zip(of, walked(told, drops, walk), strict=True)]
    return np.array(moved).reshape(len(rows), -1)


def _p(differences: Floats) -> float:
    if not differences.any():
        return 1.0
    return float(wilcoxon(differences, alternative="greater").pvalue)

"""Shares over seeds, against what they should be: exact binomial tests, since seeds are few."""

from __future__ import annotations

from dataclasses import dataclass

from scipy import stats

RARE = 0.005
"""A claim about a share fails where what was counted, or worse, has at most this probability under it."""


@dataclass(frozen=True)
class Share:
    """So many `hits` of `n`."""

    hits: int
    n: int

    def __str__(self) -> str:
        return f"{self.hits} of {self.n}"

    def at_most(self, rate: float) -> bool:
        """Whether a rate of at most this can have made so many."""
        return bool(stats.binom.sf(self.hits - 1, self.n, rate) > RARE)

    def at_least(self, rate: float) -> bool:
        """Whether a rate of at least this can have made so few."""
        return bool(stats.binom.cdf(self.hits, self.n, rate) > RARE)

    def is_about(self, rate: float) -> bool:
        """Whether the count lies within the 99 % interval of this rate."""
        return self.at_most(rate) and self.at_least(rate)

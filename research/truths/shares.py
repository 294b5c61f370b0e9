"""Shares over seeds, against what they should be: exact binomial tests, since seeds are few."""

from __future__ import annotations

from dataclasses import dataclass

from scipy import stats

RARE = 0.005
"""A claim about a share fails where what was counted, or worse, has at most this probability under it."""
COIN = 0.5
"""A claim of more than this fails also where a coin would as soon have done as well."""


@dataclass(frozen=True)
class Share:
    """So many `hits` of `n`."""

    hits: int
    n: int

    def __str__(self) -> str:
        return f"{self.hits} of {self.n}"

    def at_most(self, rate: float) -> bool:
        """Whether a rate of at most this can have made so many: of the misses, `at_least`."""
        return Share(self.n - self.hits, self.n).at_least(1 - rate)

    def at_least(self, rate: float) -> bool:
        """Whether a rate of at least this can have made so few.

        One market cannot refute .95 at RARE even where it misses. So above COIN it must also be likelier that the rate
        made so few than that a coin made so many: at .95 it takes 4 of 4, 4 of 5 and 8 of 10, at .7 2 of 2, 4 of 6 and
        7 of 10. Either error is then about as likely, and of misses alone nothing holds. Of many markets RARE asks for
        more: from 20 on at .95, from 200 on at .7.
        """
        so_few = stats.binom.cdf(self.hits, self.n, rate)
        so_many_by_coin = stats.binom.sf(self.hits - 1, self.n, COIN) if rate > COIN else 0.0
        return bool(so_few > max(RARE, so_many_by_coin))

    def is_about(self, rate: float) -> bool:
        """Whether the count lies within the 99 % interval of this rate, and `at_least` says so too.

        A p of at most .05 on one of two markets is no sign that tests at .05 are wrong in half of them.
        """
        return bool(stats.binom.sf(self.hits - 1, self.n, rate) > RARE) and self.at_least(rate)

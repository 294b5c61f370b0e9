"""Rows sorted once, for all that is asked of their order: ranks, correlations, ties."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nexus.maths import kernels
from nexus.maths.compiled import by_rows
from nexus.maths.stats import row_order
from nexus.maths.types import Bools, Floats, Ints


@dataclass(frozen=True)
class Ordered:
    """Order of the finite values of each row of a matrix (n_dates, n_companies).

    order : as `kernels.order_rows` writes it
    counts : (n_dates,), how many there are
    """

    order: kernels.Small
    counts: kernels.Small

    @classmethod
    def of(cls, values: Floats) -> Ordered:
        """Sort each row of `values`; what is not finite is left out."""
        return cls(*row_order(values))

    def only(self, rows: Bools) -> Ordered:
        """The same with nothing in the other rows."""
        return Ordered(self.order, np.where(rows, self.counts, 0).astype(np.int32))

    def ranks(self) -> Floats:
        """As `stats.ranks`."""
        out = np.full(self.order.shape, np.nan)
        by_rows(lambda rows: kernels.rank_rows(self.order[rows], self.counts[rows], out[rows]), *self.order.shape)
        return out

    def centred_ranks(self) -> Floats:
        """As `stats.centred_ranks`."""
        out = np.full(self.order.shape, np.nan)
        kernels.centred_rank_rows(self.order, self.counts, False, out)
        return out

    def rank_ic(self, forward: Ordered) -> Floats:
        """As `ic.rank_ic` of the values and what `forward` was made of, of the same shape."""
        if forward.order.shape != self.order.shape:
            raise ValueError(
                f"rank_ic: {self.order.shape} and {forward.order.shape}; pass the same dates and names for both"
            )
        out = np.empty(len(self.counts))
        y, doubled = forward, forward.doubled
        by_rows(
            lambda rows: kernels.correlate_orders(
                self.order[rows], self.counts[rows], y.order[rows], y.counts[rows], doubled[rows], out[rows]
            ),
            *self.order.shape,
        )
        return out

    @cached_property
    def doubled(self) -> kernels.Small:
        """Twice the ranks, integers, (n_dates, n_companies); 0 for what was left out."""
        out = np.zeros(self.order.shape, np.int32)
        kernels.doubled_rank_rows(self.order, self.counts, out)
        return out

    def distinct(self) -> Ints:
        """Different values of each row, (n_dates,)."""
        return np.asarray(self.counts - self._tied().sum(axis=1), np.int64)

    def commonest(self) -> Floats:
        """Share of each row's values that are its commonest one, (n_dates,); NaN in an empty row."""
        tied = self._tied()
        longest = (self.counts > 0).astype(np.int64)
        some = tied.any(axis=1)
        if some.any():
            place = np.arange(tied.shape[1])
            since = np.maximum.accumulate(np.where(tied[some], 0, place), axis=1)
            longest[some] += np.where(tied[some], place - since, 0).max(axis=1)
        return longest / np.where(self.counts > 0, self.counts, np.nan)

    def _tied(self) -> Bools:
        """Places in the order whose value equals the one before."""
        return np.asarray((self.order < 0) & (np.arange(self.order.shape[1]) < self.counts[:, None]))

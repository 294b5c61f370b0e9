"""How well two classes were told apart, by counts of right and wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nexus.maths.types import Bools


@dataclass(frozen=True)
class Confusion:
    """True and false positives, true and false negatives."""

    tp: int
    fp: int
    tn: int
    fn: int

    @classmethod
    def of(cls, label: Bools, said: Bools) -> Confusion:
        """Count them.

        label, said : (n,)
        """
        if label.shape != said.shape:
            raise ValueError(f"confusion: {label.shape} labels and {said.shape} answers; pass one answer per label")
        counts = np.bincount(2 * label.astype(np.int64) + said.astype(np.int64), minlength=4).tolist()
        return cls(tp=counts[3], fp=counts[1], tn=counts[0], fn=counts[2])

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where nothing is true or said to be."""
        beside = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / beside if beside else 0.0

    @property
    def matthews(self) -> float:
        """Correlation of label and answer (Matthews 1975); 0 where either is always the same."""
        said, kept = self.tp + self.fp, self.tn + self.fn
        true, false = self.tp + self.fn, self.tn + self.fp
        product = float(said) * kept * true * false
        return (self.tp * self.tn - self.fp * self.fn) / product**0.5 if product else 0.0

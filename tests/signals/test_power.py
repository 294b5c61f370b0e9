"""Power of many series at once is the power of each."""

from __future__ import annotations

import numpy as np

from nexus.maths import inference
from nexus.signals.power import TARGETS, power


def test_many_at_once_are_each_by_itself() -> None:
    random = np.random.default_rng(0)
    sd, n = random.uniform(0.01, 0.3, 60), random.integers(2, 250, 60)
    found = power(sd, n, 413)
    for i in range(60):
        assert found.detectable[i] == inference.detectable(int(n[i]), sd[i], 413)
        for target, periods in zip(TARGETS, found.periods, strict=True):
            assert periods[i] == inference.periods_needed(target, sd[i], 413)


def test_what_has_no_variance_has_no_power() -> None:
    found = power(np.array([np.nan, 0.0, 0.1]), np.array([0, 30, 1]), 400)
    assert np.isnan(found.detectable).all()
    assert np.isnan([periods[:2] for periods in found.periods]).all()

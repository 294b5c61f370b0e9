from __future__ import annotations

import pytest

from nexus.ingest.simulate import Market, Truths, simulate, truths

SEEDS = range(8)


@pytest.fixture(scope="package")
def markets() -> list[Truths]:
    return [truths(seed) for seed in SEEDS]


@pytest.fixture(scope="package")
def market() -> Market:
    return simulate(3)

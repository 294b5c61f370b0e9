"""The simulated market: seeded companies with planted truths, on which the method itself is tested.

`simulate` draws a market and `tables` writes it as the files a user would bring; `truths` draws only what a judge
needs; `noise_factors`, `disguises` and `variants` are the factors that a ledger must not be fooled by.
"""

from nexus.ingest.simulate.market import Market, simulate
from nexus.ingest.simulate.noise import disguises, noise_factors, variants
from nexus.ingest.simulate.planted import TRUTHS
from nexus.ingest.simulate.tables import tables
from nexus.ingest.simulate.truths import Truths, truths

__all__ = ["TRUTHS", "Market", "Truths", "disguises", "noise_factors", "simulate", "tables", "truths", "variants"]

"""A trained HGT and a trained role-aware transformer on the last month of a small simulated market, to be explained."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from graph.node_market import QUICK, NodeMarket, build_market

from nexus.contract.torch import TorchState
from nexus.db.engine import Database
from nexus.db.panel import Panel
from nexus.graph.gnn.role_aware import ROLE_AWARE
from nexus.graph.gnn.trainer import HGT

SMALL = {"hidden": 16, "heads": 2, "layers": 2}


@dataclass(frozen=True)
class Explained:
    """Both are trained on the same months; `day` is later."""

    market: NodeMarket
    panel: Panel
    day: date
    states: dict[str, TorchState]

    def occlusion(self, name: str) -> Any:
        """What the module says on the day."""
        module = {"hgt": HGT, "role_aware": ROLE_AWARE}[name]
        found = module.occlusion(self.states[name], self.panel.blind(), self.day)
        assert found is not None
        return found


def build_explained(database: Database) -> Explained:
    market = build_market(database, listed=20, sessions=480)
    panel, days = market.panel(), market.days
    return Explained(market, panel, days[-3], {"hgt": hgt(panel, days[:-5]), "role_aware": role_aware(panel, days)})


def hgt(panel: Panel, days: list[date]) -> TorchState:
    examples = HGT.examples(panel, days)
    state = HGT.build({**HGT.describe(examples), **SMALL, "explain_companies": 4, "explain_edges": 5})
    for _ in range(20):
        HGT.step(state, examples)
    return state


def role_aware(panel: Panel, days: list[date]) -> TorchState:
    examples = ROLE_AWARE.examples(panel, days[-9:-5])
    more = {"lr": 5e-3, "explain_companies": 4, "explain_edges": 5, "pearl_hidden": 16, "pearl_dim": 8}
    state = ROLE_AWARE.build({**ROLE_AWARE.describe(examples), **QUICK, **more, "pearl_samples": 32})
    for _ in range(8):
        ROLE_AWARE.step(state, examples)
    return state

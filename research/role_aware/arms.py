"""What is compared: the whole model, the baseline, and the model less one part at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nexus.contract.params import settled
from nexus.errors import InputError
from nexus.graph.gnn.baseline import GAT_BASELINE
from nexus.graph.gnn.node_task import NodeTask
from nexus.graph.gnn.role_aware import ROLE_AWARE

FULL = "full"
WITHOUT = "without_"


@dataclass(frozen=True)
class Arm:
    """A module and every parameter of it."""

    name: str
    module: NodeTask
    params: Mapping[str, Any]


def arms(relations: Sequence[str], common: Mapping[str, Any], only: Sequence[str] | None = None) -> list[Arm]:
    """The full model first, then the baseline, then the model less each part.

    relations : that the training graphs have, each left out once
    common : parameters of all arms; what the baseline does not have is none of its business
    only : names of the arms wanted beside the full model; default all
    """
    for_baseline = {name: value for name, value in common.items() if name in settled(GAT_BASELINE)}
    found = [
        Arm(FULL, ROLE_AWARE, settled(ROLE_AWARE, common)),
        Arm("gat_baseline", GAT_BASELINE, settled(GAT_BASELINE, for_baseline)),
        Arm("no_pearl", ROLE_AWARE, settled(ROLE_AWARE, common, {"pearl": False})),
        Arm("no_relation_weights", ROLE_AWARE, settled(ROLE_AWARE, common, {"relation_weights": False})),
    ]
    for relation in relations:
        gone = [*common.get("without", []), relation]
        found.append(Arm(f"{WITHOUT}{relation}", ROLE_AWARE, settled(ROLE_AWARE, common, {"without": gone})))
    if only is None:
        return found
    unknown = sorted(set(only) - {arm.name for arm in found})
    if unknown:
        raise InputError(f"arm {unknown[0]!r}: there are {', '.join(arm.name for arm in found[1:])}")
    return [arm for arm in found if arm.name == FULL or arm.name in only]

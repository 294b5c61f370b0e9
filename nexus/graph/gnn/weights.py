"""The weights that are left for others: one file, of the latest chunk, with the row of the run that made it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from nexus.contract.torch import TorchState

WEIGHTS = "hgt_link_pred.pt"


def leave(path: Path, state: TorchState, about: Mapping[str, Any]) -> None:
    """Write a network's state dict, unless weights of a later chunk are there; in one step.

    about : the run's row, `trained_to` among it

    `torch.load(path, weights_only=True)` gives `network`, and as JSON `about` and `params`, which the module's `build`
    takes, on a machine with or without a GPU.
    """
    if path.exists():
        there = json.loads(torch.load(path, map_location="cpu", weights_only=True)["about"])
        if (there["trained_to"], there["chunk"]) > (about["trained_to"], about["chunk"]):
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}")
    network = {name: each.cpu() for name, each in state.network.state_dict().items()}
    params = {name: value for name, value in state.params.items() if name != "device"}
    torch.save({"network": network, "about": json.dumps(dict(about)), "params": json.dumps(params)}, new)
    new.replace(path)

"""Tensors of a graph with several types of node and edge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

EdgeType = tuple[str, str, str]
Metadata = tuple[list[str], list[EdgeType]]
"""Node types and edge types, as PyG's."""

K = TypeVar("K")


@dataclass(frozen=True)
class Tensors:
    """One snapshot.

    features : node type -> (n, n_features)
    edge_index : edge type -> (2, n_edges), places of source and target in their `features`; doubles count twice
    ids : node type -> (n,) entity ids, in the order of `features`
    weight : edge type -> (n_edges,), in the order of `edge_index`
    """

    features: Mapping[str, Tensor]
    edge_index: Mapping[EdgeType, Tensor]
    ids: Mapping[str, NDArray[np.int64]]
    weight: Mapping[EdgeType, Tensor]

    def to(self, device: torch.device | str) -> Tensors:
        """The same on another device; the ids stay where they are."""
        features, weight = moved(self.features, device), moved(self.weight, device)
        return Tensors(features, moved(self.edge_index, device), self.ids, weight)


def moved(tensors: Mapping[K, Tensor], device: torch.device | str) -> dict[K, Tensor]:
    """Each tensor on that device."""
    return {key: each.to(device) for key, each in tensors.items()}

"""The layers taken from PyG, whose import tells of TorchScript's end; that one warning is dropped here, and only it."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="`torch.jit.script", category=DeprecationWarning)
    from torch_geometric.nn import GATv2Conv, HeteroConv, HGTConv
    from torch_geometric.utils import softmax

__all__ = ["GATv2Conv", "HGTConv", "HeteroConv", "softmax"]

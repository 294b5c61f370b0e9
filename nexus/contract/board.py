"""Scalars of each epoch for TensorBoard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nexus.contract.fit import Epoch, Report
from nexus.contract.module import Learned
from nexus.contract.splits import Chunk


@contextmanager
def board(folder: Path, module: Learned[Any, Any], chunk: Chunk, report: Report) -> Iterator[Report]:
    """A report that also writes losses and metrics under `folder`; of a training that goes on, the same curves."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(folder / module.name / module.version / f"chunk-{chunk.number:03d}")

    def both(epoch: Epoch) -> None:
        losses = {"loss/training": epoch.training, "loss/validation": epoch.validation}
        for name, value in {**losses, **epoch.metrics}.items():
            writer.add_scalar(name, value, epoch.number)
        writer.flush()
        report(epoch)

    try:
        yield both
    finally:
        writer.close()

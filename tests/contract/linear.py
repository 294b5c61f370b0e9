"""A real module of the smallest size: a line through past returns, to rank companies by their next month."""

from __future__ import annotations

if __name__ == "__main__":
    from nexus.contract.cli import main

    main("linear", "contract.linear:LINEAR")

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from nexus.contract.torch import TorchLearned, TorchState, evaluating
from nexus.db.panel import Observations, Panel
from nexus.db.view import View

WINDOWS = (5, 21, 63)


@dataclass(frozen=True)
class Rows:
    """features (n, 3), labels (n,): the centred rank of the return over the horizon; last : the newest day seen."""

    features: Tensor
    labels: Tensor


def features(view: View) -> np.ndarray:
    """(m, 3), returns over WINDOWS; NaN without a bar at an end."""
    close = view.prices("close", WINDOWS[-1] + 1)
    return np.stack([close[-1] / close[-1 - window] - 1 for window in WINDOWS], axis=1)


class Linear(TorchLearned[Rows]):
    """Dropout and shuffled batches, so that every kind of randomness is there to be resumed."""

    name: ClassVar[str] = "linear"
    version: ClassVar[str] = "linear-1"
    inputs: ClassVar[tuple[str, ...]] = ("prices.close",)
    output: ClassVar[str] = "graph_predictions"
    horizon: ClassVar[int] = 21
    warm_up: ClassVar[int] = 120
    defaults: ClassVar[Mapping[str, Any]] = {
        "width": 8, "dropout": 0.2, "batch": 64, "lr": 0.01, "epochs": 6, "patience": 6, "report_every": 2,
    }  # fmt: skip

    def space(self, trial: Any) -> dict[str, Any]:
        return {"width": trial.suggest_int("width", 2, 16), "lr": trial.suggest_float("lr", 1e-3, 1e-1, log=True)}

    def examples(self, data: Panel, days: Sequence[date]) -> Rows:
        parts = [self.of_day(data, day) for day in days]
        return Rows(*(torch.cat(each) for each in zip(*parts, strict=True)))

    def of_day(self, data: Panel, day: date) -> tuple[Tensor, Tensor]:
        row = data.blind().row(day)
        close = data.ahead.close
        label = close[row + self.horizon] / close[row] - 1
        known = features(data.at(day))
        there = np.isfinite(label) & np.isfinite(known).all(axis=1)
        ranks = np.argsort(np.argsort(label[there])) / max(1, there.sum() - 1) - 0.5
        return torch.from_numpy(known[there]).float(), torch.from_numpy(ranks).float()

    def describe(self, examples: Rows) -> dict[str, Any]:
        return {"mean": examples.features.mean(0).tolist(), "sd": examples.features.std(0).tolist()}

    def network(self, params: Mapping[str, Any]) -> nn.Module:
        width = params["width"]
        return nn.Sequential(
            nn.Linear(len(WINDOWS), width), nn.Tanh(), nn.Dropout(params["dropout"]), nn.Linear(width, 1)
        )

    def batches(self, state: TorchState, examples: Rows, train: bool) -> Iterator[tuple[Tensor, Tensor]]:
        count = len(examples.labels)
        order = torch.randperm(count, generator=state.generator) if train else torch.arange(count)
        for part in order.split(state.params["batch"]):
            yield examples.features[part].to(state.device), examples.labels[part].to(state.device)

    def objective(self, state: TorchState, batch: tuple[Tensor, Tensor]) -> Tensor:
        return (self.scores(state, batch[0]) - batch[1]).square().mean()

    def scores(self, state: TorchState, known: Tensor) -> Tensor:
        mean, sd = (torch.tensor(state.params[name], device=known.device) for name in ("mean", "sd"))
        return state.network((known - mean) / sd)[:, 0]  # type: ignore[no-any-return]

    def metrics(self, state: TorchState, examples: Rows) -> dict[str, float]:
        with evaluating(state):
            told = self.scores(state, examples.features.to(state.device)).cpu()
        return {"correlation": float(torch.corrcoef(torch.stack([told, examples.labels]))[0, 1])}

    def predict(self, state: TorchState, data: Observations, day: date) -> pd.DataFrame:
        view = data.at(day)
        known = features(view)
        there = np.isfinite(known).all(axis=1)
        with evaluating(state):
            told = self.scores(state, torch.from_numpy(known[there]).float().to(state.device)).double().cpu().numpy()
        return pd.DataFrame(
            {"company_id": view.companies[there], "score": told, "probability": 1 / (1 + np.exp(-8 * told))}
        )

    def explain(self, state: TorchState, data: Observations, day: date) -> pd.DataFrame:
        view = data.at(day)
        known = features(view)
        there = np.isfinite(known).all(axis=1)
        given = torch.from_numpy(known[there]).float().to(state.device).requires_grad_()
        state.network.eval()
        (slope,) = torch.autograd.grad(self.scores(state, given).sum(), given)
        parts = (slope * given).detach().cpu().numpy()
        return pd.DataFrame(
            {
                "company_id": np.repeat(view.companies[there], len(WINDOWS)),
                "feature": np.tile([f"return_{window}" for window in WINDOWS], there.sum()),
                "attribution": parts.ravel(),
            }
        )


LINEAR = Linear()

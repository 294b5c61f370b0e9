"""A learned module in torch: it says network, batches and objective; the epoch is supplied."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Generic

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from nexus.contract.module import Examples, Learned
from nexus.errors import InputError

SCHEDULES = ("none", "cosine", "plateau")


@dataclass
class TorchState:
    """What training changes.

    epoch : finished epochs; during an epoch, its number from 0
    generator : on the CPU; the only source of randomness that `batches` may use
    scaler : of the gradients, where the half precision of the device needs it
    """

    network: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: LRScheduler | None
    params: dict[str, Any]
    device: torch.device
    epoch: int
    generator: torch.Generator
    scaler: torch.amp.GradScaler


class TorchLearned(Learned[TorchState, Examples], Generic[Examples]):
    """A module whose state is a network.

    lr, weight_decay : of Adam
    clip_norm : of the gradient, 0: none; accumulate : batches per step of the optimiser
    schedule : one of SCHEDULES, by epochs, after `warmup_epochs` of linear growth
    amp : half precision where the device is a GPU
    """

    basics: ClassVar[Mapping[str, Any]] = {
        **Learned.basics, "lr": 1e-3, "weight_decay": 0.0, "clip_norm": 1.0, "accumulate": 1, "schedule": "none",
        "warmup_epochs": 0, "amp": True,
    }  # fmt: skip
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")

    @abstractmethod
    def network(self, params: Mapping[str, Any]) -> nn.Module:
        """A new network, on the CPU; its initial weights are drawn from torch's generator, which is seeded."""

    @abstractmethod
    def batches(self, state: TorchState, examples: Examples, train: bool) -> Iterable[Any]:
        """Batches of one epoch; whatever is random, also in validation, is drawn from `state.generator` only."""

    @abstractmethod
    def objective(self, state: TorchState, batch: Any) -> torch.Tensor:
        """Mean loss of a batch, a scalar; the module moves the batch to `state.device`."""

    def optimiser(self, network: nn.Module, params: Mapping[str, Any]) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(network.parameters(), lr=params["lr"], weight_decay=params["weight_decay"])

    def schedule(self, optimiser: torch.optim.Optimizer, params: Mapping[str, Any]) -> LRScheduler | None:
        """Of the learning rate; None where it is constant."""
        name, warmup = params["schedule"], params["warmup_epochs"]
        if name not in SCHEDULES:
            raise InputError(f"{self.name}: schedule {name!r} is unknown; one of {', '.join(SCHEDULES)}")
        if name == "plateau":
            return ReduceLROnPlateau(optimiser, factor=0.5, patience=max(1, params["patience"] // 3))
        if name == "none" and not warmup:
            return None
        return LambdaLR(optimiser, lambda epoch: _share(epoch, warmup, params["epochs"] if name == "cosine" else None))

    def build(self, params: Mapping[str, Any]) -> TorchState:
        """Seed, make the network, move it to the device, and give it an optimiser."""
        params = {**self.basics, **self.defaults, "seed": 0, "device": "cpu", **params}
        device = torch.device(params["device"])
        with _seeded(params["seed"], torch.device("cpu")):
            network = self.network(params).to(device)
        optimiser = self.optimiser(network, params)
        return TorchState(
            network=network,
            optimiser=optimiser,
            schedule=self.schedule(optimiser, params),
            params=params,
            device=device,
            epoch=0,
            generator=torch.Generator().manual_seed(params["seed"]),
            scaler=torch.amp.GradScaler("cuda", enabled=_half(device, params) == torch.float16),
        )

    def step(self, state: TorchState, examples: Examples) -> float:
        """Train one epoch: autocast on a GPU, accumulation, clipping."""
        half = _half(state.device, state.params)
        losses, every = [], int(state.params["accumulate"])
        state.network.train()
        state.optimiser.zero_grad(set_to_none=True)
        _warm_up(state)
        with _seeded(_drawn(state.generator), state.device), _exact(state.device):
            for taken, batch in enumerate(self.batches(state, examples, True), 1):
                with torch.autocast(state.device.type, dtype=half or torch.bfloat16, enabled=half is not None):
                    loss = self.objective(state, batch)
                torch.autograd.backward(state.scaler.scale(loss / every))
                losses.append(loss.detach())
                if taken % every == 0:
                    _update(state)
            if len(losses) % every:
                _update(state)
        state.epoch += 1
        return self._mean(losses, state, "training")

    def loss(self, state: TorchState, examples: Examples) -> float:
        """Mean over the batches, in full precision; what they draw is the same each time, and disturbs no training."""
        drawn_so_far = state.generator.get_state()
        state.generator.manual_seed(state.params["seed"])
        try:
            with evaluating(state), _seeded(state.params["seed"], state.device), _exact(state.device):
                losses = [self.objective(state, batch) for batch in self.batches(state, examples, False)]
        finally:
            state.generator.set_state(drawn_so_far)
        return self._mean(losses, state, "validation")

    def after(self, state: TorchState, loss: float) -> None:
        """Move the schedule."""
        if isinstance(state.schedule, ReduceLROnPlateau):
            if state.epoch >= state.params["warmup_epochs"]:
                state.schedule.step(loss)
        elif state.schedule is not None:
            state.schedule.step()

    def size(self, state: TorchState) -> int:
        """Parameters of the network."""
        return sum(weight.numel() for weight in state.network.parameters())

    def save(self, state: TorchState) -> dict[str, Any]:
        """State dicts, the generator and the epoch."""
        return {
            "network": state.network.state_dict(),
            "optimiser": state.optimiser.state_dict(),
            "schedule": None if state.schedule is None else state.schedule.state_dict(),
            "scaler": state.scaler.state_dict(),
            "generator": state.generator.get_state(),
            "epoch": state.epoch,
        }

    def load(self, state: TorchState, saved: Mapping[str, Any]) -> None:
        """Put them back."""
        state.network.load_state_dict(saved["network"])
        state.optimiser.load_state_dict(saved["optimiser"])
        if state.schedule is not None and saved["schedule"] is not None:
            state.schedule.load_state_dict(saved["schedule"])
        if saved["scaler"]:  # empty where the device that it comes from scaled nothing
            state.scaler.load_state_dict(saved["scaler"])
        state.generator.set_state(saved["generator"].cpu())
        state.epoch = saved["epoch"]

    def _mean(self, losses: list[torch.Tensor], state: TorchState, what: str) -> float:
        if not losses:
            raise InputError(f"{self.name}: no batch of {what} examples; take more days, or a smaller batch")
        mean = float(torch.stack([loss.double() for loss in losses]).mean())
        if not math.isfinite(mean):
            raise InputError(f"{self.name}: the {what} loss is {mean} at epoch {state.epoch}; try a lower lr")
        return mean


@contextmanager
def evaluating(state: TorchState) -> Iterator[nn.Module]:
    """The network as `predict` and `explain` want it: dropout off, no gradients kept."""
    state.network.eval()
    with torch.no_grad():
        yield state.network


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Torch's own generators, seeded within and as they were after."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed a GPU too that is not put back
        if device.type == "cuda":
            torch.cuda.manual_seed(seed)
        yield


@contextmanager
def _exact(device: torch.device) -> Iterator[None]:
    """On a CPU, only operations that give the same bits each time."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(before or device.type == "cpu")
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _half(device: torch.device, params: Mapping[str, Any]) -> torch.dtype | None:
    """The half precision to compute in; None for full."""
    if device.type != "cuda" or not params["amp"]:
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _drawn(generator: torch.Generator) -> int:
    return int(torch.randint(2**62, (), generator=generator))


def _share(epoch: int, warmup: int, epochs: int | None) -> float:
    """Share of the learning rate: grows to 1, then stays or falls along a cosine to 0 at `epochs`."""
    if epoch < warmup:
        return (epoch + 1) / (warmup + 1)
    if epochs is None:
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (epoch - warmup) / max(1, epochs - warmup))))


def _warm_up(state: TorchState) -> None:
    """Grow the learning rate of a schedule that cannot do it itself."""
    warmup = state.params["warmup_epochs"]
    if isinstance(state.schedule, ReduceLROnPlateau) and state.epoch <= warmup:
        for group in state.optimiser.param_groups:
            group["lr"] = state.params["lr"] * _share(state.epoch, warmup, None)


def _update(state: TorchState) -> None:
    if state.params["clip_norm"]:
        state.scaler.unscale_(state.optimiser)
        nn.utils.clip_grad_norm_(state.network.parameters(), state.params["clip_norm"])
    state.scaler.step(state.optimiser)
    state.scaler.update()
    state.optimiser.zero_grad(set_to_none=True)

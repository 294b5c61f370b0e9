"""The epoch that TorchLearned supplies: its arithmetic against plain torch, its randomness, its schedules."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from contract.linear import LINEAR, Linear, Rows
from torch import nn

from nexus.contract.torch import TorchState, evaluating
from nexus.errors import InputError


def rows(n: int = 200, seed: int = 5) -> Rows:
    random = torch.Generator().manual_seed(seed)
    known = torch.randn(n, 3, generator=random)
    return Rows(known, known @ torch.tensor([0.3, -0.2, 0.1]) + 0.1 * torch.randn(n, generator=random))


def state(**params: Any) -> TorchState:
    return LINEAR.build({**LINEAR.describe(rows()), "seed": 3, **params})


def weights(made: TorchState) -> list[torch.Tensor]:
    return [weight.detach().clone() for weight in made.network.parameters()]


def same(one: TorchState, other: TorchState) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


def epochs(made: TorchState, n: int) -> TorchState:
    for _ in range(n):
        LINEAR.step(made, rows())
        LINEAR.after(made, LINEAR.loss(made, rows(60, 6)))
    return made


def test_an_epoch_is_adam_with_clipping_and_accumulation() -> None:
    """The same epoch spelled out; without dropout, and with batches in the order that the generator gives."""
    made = state(dropout=0.0, batch=30, accumulate=3, clip_norm=0.05, weight_decay=0.01)
    twin = state(dropout=0.0)
    given = rows()
    adam = torch.optim.Adam(twin.network.parameters(), lr=0.01, weight_decay=0.01)
    twin.generator.manual_seed(3)
    torch.randint(2**62, (), generator=twin.generator)  # what the epoch seeds torch with
    parts = torch.randperm(200, generator=twin.generator).split(30)
    losses = []
    for start in range(0, len(parts), 3):
        adam.zero_grad()
        for part in parts[start : start + 3]:
            loss = (LINEAR.scores(twin, given.features[part]) - given.labels[part]).square().mean()
            (loss / 3).backward()
            losses.append(loss.item())
        nn.utils.clip_grad_norm_(twin.network.parameters(), 0.05)
        adam.step()
    assert LINEAR.step(made, given) == pytest.approx(sum(losses) / len(losses), rel=1e-6)
    assert len(losses) == 7 and made.epoch == 1
    for one, other in zip(weights(made), weights(twin), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-8)


def test_training_is_the_same_whatever_happens_beside_it() -> None:
    alone, disturbed = state(), state()
    epochs(alone, 3)
    for _ in range(3):
        torch.manual_seed(0)
        epochs(disturbed, 1)
        LINEAR.loss(disturbed, rows(60, 6))
        torch.rand(7)
    assert same(alone, disturbed)
    assert not same(alone, epochs(state(seed=4), 3))


def test_training_leaves_torch_as_it_was() -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    epochs(state(), 1)
    assert torch.equal(before, torch.get_rng_state())
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("params", [{}, {"schedule": "cosine"}, {"schedule": "plateau", "warmup_epochs": 2}])
def test_what_is_saved_is_all_there_is(params: dict[str, Any]) -> None:
    whole = epochs(state(**params), 5)
    saved = LINEAR.save(epochs(state(**params), 2))
    resumed = state(**params)
    LINEAR.load(resumed, saved)
    epochs(resumed, 3)
    assert same(whole, resumed)
    assert whole.optimiser.param_groups[0]["lr"] == resumed.optimiser.param_groups[0]["lr"]
    assert torch.equal(whole.generator.get_state(), resumed.generator.get_state())


def test_weights_of_a_device_that_scaled_nothing_go_where_losses_are_scaled() -> None:
    saved = LINEAR.save(LINEAR.build({}))
    assert saved["scaler"] == {}
    state = replace(LINEAR.build({"seed": 1}), scaler=torch.amp.GradScaler("cpu"))
    scale = state.scaler.get_scale()
    LINEAR.load(state, saved)
    assert state.scaler.get_scale() == scale > 1
    assert all(torch.equal(each, saved["network"][name]) for name, each in state.network.state_dict().items())


def test_the_loss_is_the_mean_over_batches_without_dropout() -> None:
    made = epochs(state(dropout=0.9), 1)
    given = rows(60, 6)
    with evaluating(made):
        wanted = (LINEAR.scores(made, given.features) - given.labels).square().mean().item()
    assert LINEAR.loss(made, given) == pytest.approx(wanted, rel=1e-6)
    assert LINEAR.loss(made, given) == LINEAR.loss(made, given)


def rates(**params: Any) -> list[float]:
    made, found = state(epochs=8, **params), []
    for _ in range(8):
        LINEAR.step(made, rows())
        found.append(made.optimiser.param_groups[0]["lr"])
        LINEAR.after(made, 1.0)
    return found


def test_schedules() -> None:
    assert rates() == [0.01] * 8
    assert rates(schedule="none", warmup_epochs=3) == pytest.approx([0.0025, 0.005, 0.0075, *[0.01] * 5])
    cosine = [0.01 * 0.5 * (1 + math.cos(math.pi * k / 6)) for k in range(6)]
    assert rates(schedule="cosine", warmup_epochs=2) == pytest.approx([0.01 / 3, 0.02 / 3, *cosine])
    # a loss that never falls: the first is the best, and after more than two without another one the rate is halved
    assert rates(schedule="plateau", patience=6) == pytest.approx([0.01] * 4 + [0.005] * 3 + [0.0025])
    late = rates(schedule="plateau", patience=6, warmup_epochs=2)
    assert late == pytest.approx([0.01 / 3, 0.02 / 3, *[0.01] * 3, *[0.005] * 3])


def test_what_cannot_be_trained_says_so() -> None:
    with pytest.raises(InputError, match=r"linear: schedule 'cosines' is unknown; one of none, cosine, plateau"):
        state(schedule="cosines")
    with pytest.raises(InputError, match=r"linear: no batch of training examples; take more days"):
        Idle().step(state(), rows())
    broken = rows()
    broken.labels[3] = torch.nan
    with pytest.raises(InputError, match=r"linear: the training loss is nan at epoch 1; try a lower lr"):
        LINEAR.step(state(), broken)


def test_the_size_is_of_the_network() -> None:
    assert LINEAR.size(state(width=8)) == 3 * 8 + 8 + 8 + 1


class Idle(Linear):
    """Finds nothing to do."""

    def batches(self, state: TorchState, examples: Rows, train: bool) -> Any:
        return iter(())


class Noting(Linear):
    """Notes in which precision it is asked."""

    def objective(self, state: TorchState, batch: Any) -> torch.Tensor:
        self.autocast = torch.is_autocast_enabled(state.device.type)
        return super().objective(state, batch)


def test_half_precision_is_for_gpus() -> None:
    noting = Noting()
    noting.step(noting.build(LINEAR.describe(rows())), rows())
    assert not noting.autocast


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_gpu() -> None:
    noting = Noting()
    params = {**LINEAR.describe(rows()), "device": "cuda", "seed": 3, "dropout": 0.0}
    made = noting.build(params)
    first = noting.step(made, rows())
    assert noting.autocast
    noting.loss(made, rows())
    assert not noting.autocast
    on_cpu = state(dropout=0.0)
    assert first == pytest.approx(LINEAR.step(on_cpu, rows()), rel=0.02)
    back = LINEAR.build({**params, "device": "cpu"})
    LINEAR.load(back, noting.save(made))
    assert all(torch.equal(a.cpu(), b) for a, b in zip(weights(made), weights(back), strict=True))
    full = noting.build({**params, "amp": False})
    noting.step(full, rows())
    assert not noting.autocast

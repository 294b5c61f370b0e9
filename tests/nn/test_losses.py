"""Losses against scipy and the definitions written out in numpy."""

import numpy as np
import pytest
import torch
from scipy import stats

from nexus.nn.losses import focal, rank_correlation, rank_error, weighted_cross_entropy


@pytest.fixture
def drawn():
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, 200)
    return logits, (random.random(200) < 0.2).astype(float)


def probability(logits):
    return 1 / (1 + np.exp(-logits))


def log_loss(labels, p, weights=None):
    return np.average(-labels * np.log(p) - (1 - labels) * np.log(1 - p), weights=weights)


def test_focal_is_its_definition(drawn):
    logits, labels = drawn
    p = np.where(labels == 1, probability(logits), 1 - probability(logits))
    for gamma, alpha in ((2.0, None), (0.5, 0.25), (3.0, 0.9)):
        weight = 1 if alpha is None else np.where(labels == 1, alpha, 1 - alpha)
        expected = np.mean(-weight * (1 - p) ** gamma * np.log(p))
        made = focal(torch.tensor(logits), torch.tensor(labels), gamma, alpha)
        assert float(made) == pytest.approx(expected, rel=1e-10)


def test_focal_without_focus_is_the_cross_entropy(drawn):
    logits, labels = drawn
    expected = log_loss(labels, probability(logits))
    assert float(focal(torch.tensor(logits), torch.tensor(labels), 0.0)) == pytest.approx(expected, rel=1e-9)


def test_focal_is_finite_far_out_and_so_is_its_gradient():
    logits = torch.tensor([80.0, -80.0, 80.0, -80.0], requires_grad=True)
    loss = focal(logits, torch.tensor([1.0, 0.0, 0.0, 1.0]))
    loss.backward()
    assert loss.item() == pytest.approx(40.0)
    assert torch.isfinite(logits.grad).all()


def test_class_weights_make_the_classes_equal(drawn):
    logits, labels = drawn
    share = labels.mean()
    balanced = np.where(labels == 1, 0.5 / share, 0.5 / (1 - share))
    expected = log_loss(labels, probability(logits), weights=balanced)
    made = weighted_cross_entropy(torch.tensor(logits), torch.tensor(labels), share)
    assert balanced[labels == 1].sum() == pytest.approx(balanced[labels == 0].sum())
    assert float(made) == pytest.approx(expected, rel=1e-9)


def test_rank_error_is_one_for_who_says_the_middle():
    ranks = torch.linspace(-0.5, 0.5, 51, dtype=torch.float64)
    assert float(rank_error(torch.zeros(51, dtype=torch.float64), ranks)) == pytest.approx(1.0)
    assert float(rank_error(ranks, ranks)) == 0.0
    said = torch.tensor(np.random.default_rng(1).normal(size=51))
    expected = np.mean((said.numpy() - ranks.numpy()) ** 2) / np.mean(ranks.numpy() ** 2)
    assert float(rank_error(said, ranks)) == pytest.approx(expected, rel=1e-12)


def test_rank_correlation_is_one_less_the_correlation_and_has_its_gradient():
    random = np.random.default_rng(2)
    said, ranks = random.normal(3, 0.01, 60), stats.rankdata(random.normal(size=60))
    expected = 1 - stats.pearsonr(said, ranks).statistic
    given = torch.tensor(said, requires_grad=True)
    loss = rank_correlation(given, torch.tensor(ranks))
    assert loss.item() == pytest.approx(expected, rel=1e-9)
    assert torch.autograd.gradcheck(lambda x: rank_correlation(x, torch.tensor(ranks)), given)
    flat = torch.ones(60, dtype=torch.float64, requires_grad=True)
    even = rank_correlation(flat, torch.tensor(ranks))
    even.backward()
    assert even.item() == 1.0 and torch.isfinite(flat.grad).all()

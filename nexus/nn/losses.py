"""What a node task minimises: of two classes, and of the order."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def focal(logits: Tensor, labels: Tensor, gamma: float = 2.0, alpha: float | None = None) -> Tensor:
    """Cross-entropy of two classes that counts what is told well already for less: -(1 - p)^gamma log p, the mean.

    logits, labels : (n,), labels 0 or 1; p : the probability given to the label
    alpha : weight of label 1, 1 - alpha that of label 0; None: both 1
    Lin, Goyal, Girshick, He & Dollar (2017), eq. 5.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    missed = torch.sigmoid(torch.where(labels > 0.5, -logits, logits))
    loss = missed**gamma * entropy
    if alpha is not None:
        loss = loss * (alpha * labels + (1 - alpha) * (1 - labels))
    return loss.mean()


def weighted_cross_entropy(logits: Tensor, labels: Tensor, share: float) -> Tensor:
    """Cross-entropy of two classes in which both weigh the same however rare one is, the mean.

    logits, labels : (n,), labels 0 or 1
    share : of label 1 in training; a label's weight is half the inverse of its share
    """
    weights = 0.5 * (labels / share + (1 - labels) / (1 - share))
    return F.binary_cross_entropy_with_logits(logits, labels, weight=weights)


def rank_error(predicted: Tensor, ranks: Tensor) -> Tensor:
    """Mean squared error over the mean square of the ranks: 1 for who always says the middle.

    predicted, ranks : (n,), ranks centred, of one date
    """
    return F.mse_loss(predicted, ranks) / (ranks**2).mean().clamp_min(torch.finfo(ranks.dtype).tiny)


def rank_correlation(predicted: Tensor, ranks: Tensor) -> Tensor:
    """One less the correlation with the ranks, 0 to 2; 1 where either is constant.

    predicted, ranks : (n,), ranks of one date
    """
    x, y = predicted - predicted.mean(), ranks - ranks.mean()
    scale = (x**2).sum() * (y**2).sum()
    return 1 - (x * y).sum() * (scale + torch.finfo(scale.dtype).eps ** 2).rsqrt()

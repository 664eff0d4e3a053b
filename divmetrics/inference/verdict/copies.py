"""Copies of training data: fake samples nearer to it than real samples that the generator was not trained on."""

from __future__ import annotations

import numpy as np
import torch

from divmetrics.arrays.pairs import nearest_rows
from divmetrics.arrays.summaries import Rows
from divmetrics.inference.verdict.findings import FAKE_SHARE, SHOWN, Found
from divmetrics.inference.verdict.statistics import TAILS


def copies_of_training(
    train: Rows, fake: Rows, held_out: Rows, *, offset: int, alpha: float, permutations: int, seed: int
) -> list[Found]:
    """A finding where fake samples are nearer to the training data than held-out real samples are.

    The statistic is the greatest excess of fake samples over held-out ones in the lower tails of the distance to the
    nearest training sample, in units of its standard deviation; its p-value is that of a permutation test, doubled, as
    the other tests of a verdict spend the other half of alpha.

    Args:
        train: Training data `[n, d]`.
        fake: Fake samples `[m, d]`.
        held_out: Real samples that were not trained on `[h, d]`.
        offset: Place of the first fake sample in the pool of the other tests.
        alpha: Probability of a false alarm.
        permutations: Number of permutations.
        seed: Seed of the permutations.
    """
    pooled = torch.cat([held_out.features, fake.features]).double()
    squared, _ = nearest_rows(pooled, train.features.double())
    distance = squared.cpu().numpy()
    side = np.arange(len(distance)) >= held_out.n
    low = np.stack([distance <= level for level in np.quantile(distance, TAILS)]).astype(np.float64)  # [T, N]
    scale = np.sqrt(np.array(TAILS) * (1 - np.array(TAILS)))
    rng = np.random.default_rng(seed)
    called = np.stack([side, *(rng.permutation(side) for _ in range(permutations))]).astype(np.float64)  # [1 + B, N]
    excess = low @ called.T / fake.n - low @ (1 - called.T) / held_out.n  # [T, 1 + B]
    values = (excess / scale[:, None]).max(0)
    p = min(1.0, 2 * float((values >= values[0]).mean()))
    if p > alpha:
        return []
    tail = int((excess[:, 0] / scale).argmax())
    share = float(excess[tail, 0])
    members = np.flatnonzero(side & (low[tail] > 0))
    nearest = members[np.argsort(distance[members], kind="stable")[: 4 * SHOWN]] - held_out.n + offset
    text = (
        f"About {round(share * fake.n)} fake samples, {share:.0%}, lie closer to training data than real samples that "
        "were not trained on."
    )
    strength = float((values[0] - values.mean()) / values.std())
    return [Found("copies", p, share, FAKE_SHARE, text, ("closer_than_held_out",), strength, tuple(nearest.tolist()))]

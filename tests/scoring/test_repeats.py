"""Samples that ranks hold twice are told from samples that happen to be equal."""

from itertools import chain

import numpy as np
import pytest
from torch.utils.data import DistributedSampler

from divmetrics.scoring.repeats import repeated

DATA = [f"sample {i}".encode() for i in range(101)]


def in_batches(data: list[bytes], ranks: int, batch: int) -> list[list[bytes]]:
    """The shares that accelerate gives: whole batches in turn, the last round filled from the beginning."""
    whole = -(-len(data) // (ranks * batch)) * ranks * batch
    filled = [data[i % len(data)] for i in range(whole)]
    batches = [filled[i : i + batch] for i in range(0, whole, batch)]
    return [list(chain.from_iterable(batches[rank::ranks])) for rank in range(ranks)]


@pytest.mark.parametrize("ranks", [2, 3, 4, 8])
@pytest.mark.parametrize("shuffle", [False, True])
def test_padding_of_a_distributed_sampler(ranks: int, shuffle: bool) -> None:
    samplers = [DistributedSampler(DATA, ranks, rank, shuffle=shuffle) for rank in range(ranks)]  # type: ignore[arg-type]
    text = repeated([[DATA[i] for i in sampler] for sampler in samplers])
    padding = -len(DATA) % ranks
    assert text.startswith(f"the last {padding} of the {len(DATA) + padding} samples of all ranks repeat the first")
    assert "Subset(data, range(rank, len(data), ranks))" in text


@pytest.mark.parametrize(
    ("n", "ranks", "batch", "padding"), [(101, 4, 16, 27), (101, 4, 8, 27), (101, 2, 32, 27), (10, 4, 16, 54)]
)
def test_padding_of_whole_batches(n: int, ranks: int, batch: int, padding: int) -> None:
    shares = in_batches(DATA[:n], ranks, batch)
    assert repeated(shares).startswith(f"the last {padding} of the {n + padding} samples")


def test_some_equal_samples_in_the_data_hide_no_padding() -> None:
    data = DATA[:40] + DATA[:6] + DATA[40:]
    assert repeated(in_batches(data, 4, 16)).startswith("the last 21 of the 128 samples")


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_nothing_is_said_of_samples_dealt_out_once(ranks: int) -> None:
    assert repeated([DATA[rank::ranks] for rank in range(ranks)]) == ""
    assert repeated([DATA[len(DATA) * r // ranks : len(DATA) * (r + 1) // ranks] for r in range(ranks)]) == ""
    assert repeated([[] for _ in range(ranks)]) == ""


@pytest.mark.parametrize("seed", range(20))
def test_a_generator_of_few_samples_is_no_padding(seed: int) -> None:
    draws = np.random.default_rng(seed).integers(0, 12, (3, 50))
    text = repeated([[DATA[i] for i in row] for row in draws])
    assert "repeat the first" not in text


def test_ranks_with_one_seed_or_gathered_batches_are_named() -> None:
    assert repeated([DATA, DATA]).startswith("most samples of rank 1 are those of an earlier rank")
    assert "rank 1, 2" in repeated([DATA[:50], DATA[:50], DATA[:50]])
    assert repeated([DATA[:50], DATA[45:95]]) == ""

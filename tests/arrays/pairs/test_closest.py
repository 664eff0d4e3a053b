"""The least entries of the rows of a block, below a limit."""

from math import inf

import pytest
import torch
from torch import Tensor

from divmetrics.arrays.pairs import _ball_counts, _closest
from divmetrics.arrays.pairs import ball_counts as count_in_balls
from divmetrics.arrays.pairs._closest import SPARSE, candidates, closest
from divmetrics.arrays.pairs._neighbour_lists import neighbour_lists
from divmetrics.arrays.splits import TwoSamplePool
from divmetrics.arrays.summaries import Rows


def merged(block: Tensor, listed: Tensor, length: int) -> Tensor:
    """The `length` least entries of each row of a list and a block, ascending."""
    values, places = closest(block, length, listed.amax(1))
    known = values < inf
    assert (values[known] == block.gather(1, places)[known]).all()
    return torch.cat([listed, values], 1).sort(1).values[:, :length]


@pytest.mark.parametrize("limit", [0.002, 0.01, 0.5, inf])
@pytest.mark.parametrize("transposed", [False, True])
def test_no_entry_that_belongs_into_a_list_is_missed(limit: float, transposed: bool) -> None:
    rng = torch.Generator().manual_seed(0)
    block = torch.rand(300, 300, generator=rng)
    block = block.T if transposed else block
    listed = torch.rand(300, 6, generator=rng) * min(limit, 1.0)
    listed[:, -1] = limit
    expected = torch.cat([listed, block], 1).sort(1).values[:, :6]
    assert torch.equal(merged(block, listed, 6), expected)


def test_few_entries_are_listed_and_many_sorted() -> None:
    block = torch.arange(1024.0).reshape(1, 1024).repeat(4, 1)
    few, places = closest(block, 8, torch.tensor([0.0, 3.0, 1.0, 2.0]))
    assert few.tolist() == [[inf] * 3, [0, 1, 2], [0, inf, inf], [0, 1, inf]]
    assert places[1].tolist() == [0, 1, 2]
    assert closest(block, 8, torch.zeros(4))[0].shape == (4, 0)
    many = closest(block, 8, torch.full((4,), 1024 * SPARSE + 1))[0]
    assert many.sort(1).values.tolist() == [[float(i) for i in range(8)]] * 4


@pytest.mark.parametrize("transposed", [False, True])
def test_candidates_by_earlier_limits_change_nothing(transposed: bool) -> None:
    """Workers find them while the lists, and with them the limits, move on."""
    block = torch.rand(300, 300, generator=torch.Generator().manual_seed(0)).round(decimals=2)
    block = block.T if transposed else block
    limit = torch.linspace(0, 0.03, 300)
    early = candidates(block, limit + 0.01)
    assert early is not None
    for one, other in zip(closest(block, 8, limit), closest(block, 8, limit, early), strict=True):
        assert torch.equal(one, other)
    assert candidates(block, limit + 0.5) is None
    assert candidates(block, torch.full((300,), inf)) is None


@pytest.mark.parametrize("ties", ["open", "closed"])
def test_counts_and_lists_are_the_same_without_the_short_cuts(ties: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows with copies, in float32, wider than 128 columns; several blocks a side."""
    rng = torch.Generator().manual_seed(0)
    sides = [torch.randn(2300, 130, generator=rng) * torch.linspace(0.1, 2, 2300)[:, None] for _ in range(2)]
    sides[1][:40] = sides[0][100:140]
    sides[1][50:60] = sides[1][60:70]

    def found() -> tuple[list[Tensor], Tensor]:
        real, fake = (Rows.from_array(side) for side in sides)
        counts = [
            getattr(count_in_balls(real, fake, 5, ties, capped=capped), name)  # type: ignore[arg-type]
            for name in ("fakes_in_ball", "balls_over_real", "reals_in_ball", "balls_over_fake", "least_over_fake")
            for capped in (False, True)
        ]
        return counts, torch.from_numpy(neighbour_lists(TwoSamplePool(real, fake), 48).squared)

    counts, lists = found()
    for module in (_ball_counts, _closest):
        monkeypatch.setattr(module, "SPARSE", -1.0)
    dense_counts, dense_lists = found()
    assert all(torch.equal(one, other) for one, other in zip(counts, dense_counts, strict=True))
    assert torch.equal(lists, dense_lists)

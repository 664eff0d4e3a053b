"""Draws go by what samples are: not by their order, nor by a translation, rotation or unit, and hardly by round-off."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from divmetrics.arrays import draws
from divmetrics.arrays.draws import drawn_order, ranked

ROWS = torch.from_numpy(np.random.default_rng(0).normal(size=(400, 6)))
TURN = torch.from_numpy(np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0])


@pytest.mark.parametrize("change", [lambda x: x + 1000.0, lambda x: 3 * x, lambda x: x @ TURN, lambda x: x.float()])
def test_neither_place_nor_unit_nor_direction_decides(change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    assert drawn_order(change(ROWS), 5).equal(drawn_order(ROWS, 5))


def test_the_order_of_the_rows_does_not_decide() -> None:
    shuffle = torch.randperm(400, generator=torch.Generator().manual_seed(0))
    assert ROWS[shuffle][drawn_order(ROWS[shuffle], 5)].equal(ROWS[drawn_order(ROWS, 5)])
    assert ROWS[shuffle][ranked(ROWS[shuffle])].equal(ROWS[ranked(ROWS)])


def test_ranks_are_those_of_the_distance_from_the_mean() -> None:
    distances = (ROWS - ROWS.mean(0)).norm(dim=1)
    assert ranked(ROWS).tolist() == distances.argsort().tolist()


def test_every_sample_is_drawn_once_and_the_seed_says_when() -> None:
    orders = [drawn_order(ROWS, seed) for seed in range(40)]
    assert all(sorted(order.tolist()) == list(range(400)) for order in orders)
    first = torch.stack([torch.argsort(order) for order in orders]).double().mean(0)  # mean place of each sample
    assert first.std() < 3 * 400 / 12**0.5 / 40**0.5
    assert abs(float(torch.corrcoef(torch.stack([first, ranked(ROWS).argsort().double()]))[0, 1])) < 0.2


def test_copies_stay_together_where_that_is_wanted() -> None:
    rows = torch.cat([ROWS, ROWS])
    order = drawn_order(rows, 0, copies_together=True) % 400
    assert (order[::2] == order[1::2]).all()


def test_copies_are_drawn_like_all_others() -> None:
    """A tenth of a set of two images repeated holds both, as in the parts of the Inception Score."""
    rows = torch.cat([ROWS[:1].expand(100, 6), ROWS[1:2].expand(100, 6)])
    parts = drawn_order(rows, 0).reshape(10, 20)
    assert ((parts < 100).sum(1) > 0).all()
    assert ((parts >= 100).sum(1) > 0).all()


def test_round_off_moves_few_samples() -> None:
    near = ROWS * (1 + 1e-7 * torch.from_numpy(np.random.default_rng(2).normal(size=(400, 6))))
    assert len(set(drawn_order(near, 0)[:200].tolist()) - set(drawn_order(ROWS, 0)[:200].tolist())) <= 2


def test_rows_are_converted_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    images = ROWS[:60].float().reshape(20, 3, 2, 3)
    whole = drawn_order(images, 0)
    monkeypatch.setattr(draws, "NUMBERS", 40)
    assert drawn_order(images, 0).equal(whole)


def test_contents_decide_where_they_are_known() -> None:
    """Other features of the same samples, in another order: the same samples are drawn."""
    content = torch.from_numpy(np.random.default_rng(3).integers(-(2**62), 2**62, 400))
    shuffle = torch.randperm(400, generator=torch.Generator().manual_seed(0))
    other = torch.from_numpy(np.random.default_rng(4).normal(size=(400, 6)))
    for together in (False, True):
        drawn = drawn_order(ROWS, 5, copies_together=together, content=content)
        again = drawn_order(other, 5, copies_together=together, content=content[shuffle])
        assert content[drawn].equal(content[shuffle][again])
    assert ranked(ROWS, content).equal(content.argsort())

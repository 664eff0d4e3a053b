"""Transport along lines against sorting by hand, scipy in one dimension, and POT on the same lines."""

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from divmetrics.errors import FeatureError
from divmetrics.metrics.transport import _sliced as sliced
from divmetrics.metrics.transport import directions, line_costs, line_potentials


def sides(n: int, m: int, d: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(size=(n, d))), torch.from_numpy(2 * rng.normal(size=(m, d)) + 0.3)


@pytest.mark.parametrize(("n", "m"), [(120, 120), (120, 50), (7, 120), (1, 5)])
@pytest.mark.parametrize("p", [1, 2, 3])
def test_equals_pot_on_the_same_lines(n: int, m: int, p: int) -> None:
    real, fake = sides(n, m, 12)
    lines = directions(12, 60, seed=3)
    ours = float(line_costs(real, fake, lines, p).mean() ** (1 / p))
    pot = ot.sliced_wasserstein_distance(real.numpy(), fake.numpy(), projections=lines.numpy().T, p=p)  # POT 0.9
    assert ours == pytest.approx(float(pot), rel=1e-9)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.integers(1, 25), st.integers(1, 25), st.integers(0, 999))
def test_one_line_in_one_dimension(n: int, m: int, seed: int) -> None:
    real, fake = sides(n, m, 1, seed)
    cost = float(line_costs(real, fake, torch.ones(1, 1, dtype=torch.float64), 1.0))
    assert cost == pytest.approx(wasserstein_distance(real[:, 0], fake[:, 0]), rel=1e-9)


def test_a_shift_costs_its_share_along_each_line_wherever_the_rows_lie() -> None:
    real, _ = sides(100, 1, 5)
    real = real + 1e6
    shift, lines = torch.arange(5.0).double(), directions(5, 20, seed=0)
    assert torch.allclose(line_costs(real, real + shift, lines, 2.0), (lines @ shift).square(), rtol=1e-7)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = sides(30, 20, 6)
    lines = directions(6, 17, seed=0)
    whole = line_costs(real, fake, lines, 2.0)
    monkeypatch.setattr(sliced, "BLOCK", 150)  # three lines at a time
    assert torch.allclose(line_costs(real, fake, lines, 2.0), whole, rtol=1e-13)


def test_ranks_share_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rank's slice, put together by hand, is the whole; a rank without lines gives none."""
    real, fake = sides(30, 20, 6)
    lines = directions(6, 10, seed=0)
    whole = line_costs(real, fake, lines, 2.0)
    cuts = [range(4), range(4, 4), range(4, 10)]
    monkeypatch.setattr(sliced, "spread", lambda _, function: torch.cat([function(part) for part in cuts]))
    assert torch.allclose(line_costs(real, fake, lines, 2.0), whole, rtol=1e-13)


def test_directions_are_unit_seeded_and_leave_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    lines = directions(7, 30, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.allclose(lines.norm(dim=1), torch.ones(30).double())
    assert torch.equal(lines, directions(7, 30, seed=1))
    assert not torch.equal(lines, directions(7, 30, seed=2))


def test_unequal_widths_are_refused() -> None:
    with pytest.raises(FeatureError, match="3 columns on one side and 2"):
        line_costs(torch.zeros(4, 3), torch.zeros(4, 2), directions(3, 2, 0), 2.0)


@pytest.mark.parametrize(("n", "m"), [(40, 40), (40, 25), (1, 5)])
@pytest.mark.parametrize("p", [1.0, 2.0])
def test_potentials_prove_the_cost_along_a_line(n: int, m: int, p: float) -> None:
    real, fake = sides(n, m, 1)
    line = torch.ones(1, 1, dtype=torch.float64)
    u, v = line_potentials(real, fake, line, p)
    cost = float(line_costs(real, fake, line, p))
    gaps = (real - fake.T).abs().pow(p)
    constant = cost - float(u.mean() + v.mean())  # potentials are centred
    assert bool((u[:, None] + v + constant <= gaps + 1e-9).all())

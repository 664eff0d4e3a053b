"""Exact transport against closed forms, brute force, POT and scipy."""

from itertools import permutations

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from divmetrics.arrays.splits import Splits, TwoSamplePool
from divmetrics.arrays.summaries import Rows
from divmetrics.errors import FeatureError, MeasureError
from divmetrics.metrics.transport import _exact as exact
from divmetrics.metrics.transport import _exact_on_splits as on_splits
from divmetrics.metrics.transport import _uncertainty as uncertainty
from divmetrics.metrics.transport import (
    distances_on_splits,
    solve,
    transport,
    transport_variance,
    variance,
    wasserstein,
)
from divmetrics.metrics.transport._exact import best_plan
from divmetrics.metrics.transport._warm_start_duals import approximate_duals


def sides(n: int, m: int, d: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(size=(n, d))), torch.from_numpy(rng.normal(size=(m, d)) + 0.3)


def by_pot(real: torch.Tensor, fake: torch.Tensor, p: float = 1.0) -> float:
    """POT 0.9 `emd2` on distances computed one by one."""
    gaps = torch.cdist(real.double(), fake.double(), compute_mode="donot_use_mm_for_euclid_dist").numpy()
    weights = [np.full(len(side), 1 / len(side)) for side in (real, fake)]
    return float(ot.emd2(*weights, gaps**p, numItermax=10**7)) ** (1 / p)


@pytest.mark.parametrize(("n", "m"), [(150, 150), (150, 100), (97, 150), (1, 40), (1, 1)])
@pytest.mark.parametrize("p", [1.0, 1.5, 2.0])
def test_equals_pot(n: int, m: int, p: float) -> None:
    real, fake = sides(n, m, 16)
    assert wasserstein(real, fake, p) == pytest.approx(by_pot(real, fake, p), rel=1e-9)


def test_re_splits_share_their_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = TwoSamplePool(*(Rows.from_array(side) for side in sides(120, 120, 8)))
    splits = Splits.permutations(120, 120, 6, 0)
    parts = [(pool.part(splits.real(b)).features, pool.part(splits.fake(b)).features) for b in range(6)]
    exact_1, exact_2 = ([wasserstein(*part, p) for part in parts] for p in (1, 2))
    solved: list[float] = []
    monkeypatch.setattr(on_splits, "best_plan", lambda real, fake, p: solved.append(p) or best_plan(real, fake, p))
    first, second = (distances_on_splits(pool, splits, p).numpy() for p in (1.0, 2.0))
    assert first == pytest.approx(exact_1, rel=1e-9)
    assert second[0] == pytest.approx(exact_2[0], rel=1e-9)
    assert np.abs(second - exact_2).max() < 0.2 * np.std(exact_2)
    assert solved == [1.0] * 6 + [2.0], "six plans for both, and one to correct by"


def test_p_moves_the_number() -> None:
    real, fake = sides(50, 50, 4)
    assert wasserstein(real, fake, 1) < wasserstein(real, fake, 1.5) < wasserstein(real, fake, 2)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.integers(1, 6), st.integers(1, 3), st.integers(0, 999))
def test_no_permutation_is_cheaper(n: int, d: int, seed: int) -> None:
    real, fake = sides(n, n, d, seed)
    gaps = torch.cdist(real, fake).numpy()
    cheapest = min(gaps[range(n), list(order)].mean() for order in permutations(range(n)))
    assert wasserstein(real, fake) == pytest.approx(cheapest, rel=1e-9)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 999))
def test_one_dimension_is_the_area_between_distribution_functions(n: int, m: int, seed: int) -> None:
    real, fake = sides(n, m, 1, seed)
    assert wasserstein(real, fake) == pytest.approx(wasserstein_distance(real[:, 0], fake[:, 0]), rel=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_a_shift_costs_its_length_wherever_the_rows_lie(offset: float) -> None:
    real, _ = sides(200, 1, 8)
    real, shift = real + offset, torch.full((8,), 0.5, dtype=torch.float64)
    assert wasserstein(real, real + shift) == pytest.approx(float(shift.norm()), rel=1e-9)


def test_far_from_zero_the_same_pairs_are_found() -> None:
    real, fake = sides(200, 200, 8)
    assert wasserstein(real + 1e7, fake + 1e7) == pytest.approx(wasserstein(real, fake), rel=1e-7)


def test_copies_are_at_exactly_zero_in_any_order() -> None:
    real, _ = sides(200, 1, 64)
    assert wasserstein(real, real.flip(0)) == 0.0
    assert wasserstein(real.float(), real.float()) == 0.0
    assert wasserstein(real, real.repeat_interleave(2, 0)) == 0.0  # sizes differ, masses agree


def test_ties_and_constant_rows() -> None:
    zeros, ones = torch.zeros(10, 3), torch.ones(10, 3)
    assert wasserstein(zeros, ones) == pytest.approx(3**0.5)
    assert wasserstein(zeros, ones[:7]) == pytest.approx(3**0.5)


def test_too_large_a_cost_matrix_is_refused_before_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "MAX_CELLS", 100)
    assert wasserstein(*sides(10, 10, 2)) > 0, "as large as the limit is not too large"
    with pytest.raises(MeasureError, match=r"11 to 10 samples .* [(]--num 10000[)] or use sliced_wasserstein"):
        wasserstein(*sides(11, 10, 2))


def test_a_solver_that_does_not_converge_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "MAX_PIVOTS", 2)
    with pytest.raises(MeasureError, match="did not converge"):
        wasserstein(*sides(40, 30, 2))


def test_unequal_widths_are_refused() -> None:
    with pytest.raises(FeatureError, match="3 columns on one side and 2"):
        wasserstein(torch.zeros(4, 3), torch.zeros(4, 2))


@pytest.mark.parametrize(("n", "m"), [(150, 150), (150, 100), (1, 1)])
@pytest.mark.parametrize("p", [1.0, 2.0])
def test_potentials_prove_the_cost(n: int, m: int, p: float) -> None:
    """Duality: no sum of potentials above the cost of its pair, and on average they are the cost."""
    real, fake = sides(n, m, 4)
    found = solve(real, fake, p)
    assert float(found.real_duals.mean() + found.fake_duals.mean()) == pytest.approx(found.cost, rel=1e-5)
    gaps = torch.cdist(real, fake, compute_mode="donot_use_mm_for_euclid_dist").pow(p)
    assert bool((found.real_duals[:, None] + found.fake_duals <= gaps + 1e-4 * gaps.max()).all())


def test_potentials_prove_the_cost_where_mass_travels_between_far_modes() -> None:
    rng = np.random.default_rng(0)
    centres = 40 * rng.normal(size=(5, 8))
    real, fake = (torch.from_numpy(centres[rng.integers(k, size=300)] + rng.normal(size=(300, 8))) for k in (5, 4))
    found = solve(real, fake, 1.0)
    assert float(found.real_duals.mean() + found.fake_duals.mean()) == pytest.approx(found.cost, rel=1e-5)


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_few_atoms_are_solved_by_their_mass(p: float) -> None:
    real, fake = sides(200, 200, 8)
    atoms = fake[torch.arange(200) % 7]
    found = solve(real, atoms, p)
    assert found.cost ** (1 / p) == pytest.approx(by_pot(real, atoms, p), rel=1e-9)
    assert float(found.real_duals.mean() + found.fake_duals.mean()) == pytest.approx(found.cost, rel=1e-9)
    assert len(found.fake_duals.unique()) == 7


def test_a_pair_of_sets_is_solved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = (Rows.from_array(side) for side in sides(30, 30, 3))
    first = transport(real, fake, 2.0)
    monkeypatch.setattr(exact, "solve", None)
    assert transport(real, fake, 2.0) is first
    with pytest.raises(TypeError):
        transport(real, fake, 1.0)


def test_duals_of_a_constant_cost_are_finite() -> None:
    rows, columns = approximate_duals(torch.full((5, 5), 3.0, dtype=torch.float64))
    assert torch.allclose(rows[:, None] + columns, torch.tensor(3.0, dtype=torch.float64))


@pytest.mark.parametrize("by_subsamples", [0.0, 1e9])
@pytest.mark.parametrize("p", [1.0, 2.0])
def test_the_variance_is_the_smaller_of_two(p: float, by_subsamples: float, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = TwoSamplePool(*(Rows.from_array(side) for side in sides(20, 30, 3)))
    found = transport(pool.real, pool.fake, p)
    by_influence = found.real_duals.numpy().var(ddof=1) / 20 + found.fake_duals.numpy().var(ddof=1) / 30
    monkeypatch.setattr(uncertainty, "_subsampling_variance", lambda *_: by_subsamples)
    slope = {1.0: 1.0, 2.0: 1 / (2 * found.cost**0.5)}[p]  # of cost^(1/p)
    assert transport_variance(pool, p) == pytest.approx(min(by_influence, by_subsamples) * slope**2)


def test_subsamples_are_used_where_the_influence_says_nothing() -> None:
    pool = TwoSamplePool(*(Rows.from_array(side) for side in sides(20, 20, 1)))
    nothing = torch.zeros(20, dtype=torch.float64)
    assert variance(pool, (nothing, nothing), lambda real, fake: float(real.mean() - fake.mean())) > 0


@pytest.mark.parametrize(("n", "size"), [(400, 50), (60, 30), (40, 20)])
def test_the_variance_over_subsamples_is_brought_to_full_size(
    n: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a difference of means, whose variance is known: one row in 8, at least 30, at most half of them."""
    monkeypatch.setattr(uncertainty, "SUBSAMPLES", 4000)
    sizes: set[int] = set()

    def gap(real: torch.Tensor, fake: torch.Tensor) -> float:
        sizes.update((len(real), len(fake)))
        return float(real.mean() - fake.mean())

    real, fake = sides(n, n, 1)
    found = uncertainty._subsampling_variance(real, fake, gap)
    assert sizes == {size}
    assert found == pytest.approx(float(real.var() + fake.var()) / n, rel=0.07)

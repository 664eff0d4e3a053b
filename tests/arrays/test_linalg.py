"""Bures distance against its nuclear-norm closed form, and spectral entropy against known kernels."""

from math import exp, inf, log
from threading import Event, Thread

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from divmetrics.arrays import linalg
from divmetrics.arrays.summaries import Moments


def from_rows(real: np.ndarray, fake: np.ndarray) -> float:
    """The same distance without any covariance: tr (S_r S_f)^1/2 is the nuclear norm of the centred rows' product."""
    x, y = (
        np.linalg.qr((rows - rows.mean(0)) / np.sqrt(len(rows) - 1), mode="r").astype(np.longdouble)
        for rows in (real, fake)
    )
    nuclear = np.linalg.svd((x @ y.T).astype(float), compute_uv=False).sum()
    return float((x**2).sum() + (y**2).sum() - 2 * nuclear)


def bures(real: np.ndarray, fake: np.ndarray, accuracy: float = linalg.ACCURACY) -> float:
    return linalg.bures(Moments.from_array(real).covariance, Moments.from_array(fake).covariance, accuracy)


def pair(n: int, m: int, d: int, decay: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Gaussians whose standard deviations fall like i ** -decay along common axes that are not the coordinates."""
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(d, d)))[0]
    sd = np.arange(1.0, d + 1) ** -decay
    return (rng.normal(size=(n, d)) * sd) @ axes, (1.2 * rng.normal(size=(m, d)) * sd) @ axes


@pytest.mark.parametrize(
    ("n", "m", "d", "decay"),
    [
        (400, 500, 64, 0.0),
        (70, 66, 64, 0.0),  # barely full rank
        (20, 30, 64, 0.0),  # n < d on both sides
        (20, 500, 64, 0.0),  # n < d on one side
        (2, 2, 8, 0.0),
        (500, 500, 64, 1.0),
        (500, 500, 64, 2.0),  # condition number 1e7: the roots of small eigenvalues must not leak in
        (300, 200, 1, 0.0),
    ],
)
def test_bures_equals_the_nuclear_norm_of_the_rows(n: int, m: int, d: int, decay: float) -> None:
    real, fake = pair(n, m, d, decay)
    assert bures(real, fake) == pytest.approx(from_rows(real, fake), rel=1e-9)


def test_both_routes_are_taken_and_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = pair(400, 400, 32)
    fast = bures(real, fake)
    calls = []
    factor = linalg._factor
    monkeypatch.setattr(linalg, "_factor", lambda matrix: calls.append(1) or factor(matrix))
    assert bures(real, fake) == fast
    assert not calls  # well conditioned: the fast route alone
    assert bures(real, fake, 0.0) == pytest.approx(fast, rel=1e-11)
    assert len(calls) == 2


def test_of_factors_the_faster_route_is_as_good_as_its_bound() -> None:
    real, fake = pair(40, 60, 100, decay=1.0)
    factors = [Moments.from_array(rows).factor for rows in (real, fake)]
    exact, rough = linalg.bures_of_factors(*factors), linalg.bures_of_factors(*factors, accuracy=1e-3)
    assert rough != exact
    assert rough == pytest.approx(exact, rel=1e-6)
    assert linalg.bures_of_factors(factors[0], factors[0], accuracy=1e-3) == pytest.approx(0, abs=1e-9)


def test_eigenvalues_alone_lose_digits_where_the_bound_says_so() -> None:
    real, _ = pair(256, 256, 64, decay=3.0)
    covariance = Moments.from_array(real).covariance
    assert abs(linalg.bures(covariance, covariance)) < 1e-14
    assert abs(linalg.bures(covariance, covariance, inf)) > 1e-13  # as if every bound were good enough


@pytest.mark.parametrize("n", [10, 500])
def test_equal_covariances_are_at_zero(n: int) -> None:
    real, _ = pair(n, n, 64, decay=1.0)
    covariance = Moments.from_array(real).covariance
    assert abs(linalg.bures(covariance, covariance)) <= 1e-8 * float(covariance.trace())


def test_diagonal_matrices_closed_form() -> None:
    left, right = torch.tensor([4.0, 9.0, 0.0]).double(), torch.tensor([1.0, 16.0, 25.0]).double()
    expected = float((left.sqrt() - right.sqrt()).square().sum())
    assert linalg.bures(left.diag(), right.diag()) == pytest.approx(expected, rel=1e-14)


def test_zero_matrices_are_no_special_case() -> None:
    assert linalg.bures(torch.zeros(5, 5).double(), torch.zeros(5, 5).double()) == 0.0
    assert linalg.bures(torch.zeros(5, 5).double(), torch.eye(5).double()) == pytest.approx(5.0)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.integers(1, 12), st.integers(2, 30), st.floats(1e-6, 1e6), st.integers(0, 99))
def test_bures_is_symmetric_and_scales(d: int, n: int, scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    real, fake = rng.normal(size=(n, d)), 2 * rng.normal(size=(n + 3, d))
    value = bures(real, fake)
    assert value >= 0
    assert bures(fake, real) == pytest.approx(value, rel=1e-9)
    assert bures(real * scale, fake * scale) == pytest.approx(value * scale**2, rel=1e-9)


KERNEL = torch.tensor([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]], dtype=torch.float64) / 3


@pytest.mark.parametrize(
    ("order", "expected"),  # vendi-score 0.0.3 `score_K(K, q)`; the order 0 is the rank
    [(1, 2.1573004834), (0.5, 2.4203483571), (2, 1.9480519481), (inf, 1.5789473684), (0, 3.0)],
)
def test_spectral_entropy_of_a_kernel(order: float, expected: float) -> None:
    assert exp(linalg.spectral_entropy(KERNEL, order)) == pytest.approx(expected, abs=1e-9)


def test_entropy_of_order_one_is_the_limit() -> None:
    assert linalg.spectral_entropy(KERNEL, 1 + 1e-7) == pytest.approx(linalg.spectral_entropy(KERNEL, 1), abs=1e-6)


def uniform(m: int) -> Tensor:
    return torch.eye(m).double() / m


@pytest.mark.parametrize("order", [0, 0.1, 0.5, 1, 2, 7.5, inf])
def test_uniform_spectrum_has_log_m_and_dust_counts_for_nothing(order: float) -> None:
    assert linalg.spectral_entropy(uniform(7), order) == pytest.approx(log(7))
    ones = torch.ones(400, 400).double() / 400  # rank one; the other 399 eigenvalues come out as +-1e-17
    assert linalg.spectral_entropy(ones, order) == pytest.approx(0, abs=1e-12)


def test_float64_keeps_values_and_device() -> None:
    rows = torch.tensor([[0.1, 0.2]])
    assert linalg.float64(rows).dtype == torch.float64
    assert torch.equal(linalg.float64(rows).float(), rows)


def test_gram_is_the_product_and_symmetric() -> None:
    rows = torch.from_numpy(pair(50, 1, 8)[0])
    assert torch.allclose(linalg.gram(rows), rows.T @ rows, rtol=1e-14)
    assert torch.equal(linalg.gram(rows), linalg.gram(rows).T)


def test_each_gives_every_result_in_order_and_restores_the_threads() -> None:
    before = [pool["num_threads"] for pool in linalg._blas().info()]
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        found = linalg.each(lambda i: float(linalg.eigenvalues(i * uniform(5))[0]), 6)
    finally:
        torch.set_num_threads(threads)
    assert found == pytest.approx(np.arange(6) / 5)
    assert [pool["num_threads"] for pool in linalg._blas().info()] == before


def unit_rows(n: int, d: int) -> Tensor:
    return torch.nn.functional.normalize(torch.from_numpy(pair(n, 1, d, 1.0)[0]), dim=1)


@pytest.mark.parametrize("order", [0.5, 1, 2, inf])
@pytest.mark.parametrize(("n", "d"), [(60, 8), (12, 30)])
def test_entropy_influence_is_the_derivative(n: int, d: int, order: float) -> None:
    """One row weighing a little more, against its influence there."""
    units = unit_rows(n, d)
    found = linalg.entropy_influence(units, order)
    step = 1e-6

    def entropy(more: float) -> float:
        weights = torch.full((n,), (1 - more) / n, dtype=torch.float64)
        weights[3] += more
        scaled = units * weights.sqrt()[:, None]
        return linalg.spectral_entropy(scaled @ scaled.T if n < d else scaled.T @ scaled, order)

    assert found.values[3] == pytest.approx((entropy(step) - entropy(-step)) / (2 * step), rel=1e-4)
    along = (units.numpy() * found.slopes).sum(1)
    assert np.allclose(along - along.mean(), found.values)
    assert found.values.mean() == pytest.approx(0, abs=1e-12)


def test_entropy_influence_of_a_flat_spectrum_rests_on_pairs() -> None:
    """Uniform directions: no single sample counts, and what pairs do stands in `single` twice."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(40):
        units = torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(300, 6))), dim=1)
        found.append((linalg.spectral_entropy(linalg.gram(units) / 300), linalg.entropy_influence(units).variance))
    entropies, variances = np.array(found).T
    assert 0.6 < np.mean(variances) / entropies.var(ddof=1) < 1.7


def test_no_influence_on_the_rank() -> None:
    assert linalg.entropy_influence(unit_rows(10, 4), 0) is None


def blas_threads() -> set[int]:
    """Threads that the BLAS libraries of this process use now."""
    return {library["num_threads"] for library in linalg._blas().info() if library["user_api"] == "blas"}


@pytest.mark.parametrize("first_leaves_first", [True, False])
def test_overlapping_limits_on_threads_leave_the_number_as_it_was(first_leaves_first: bool) -> None:
    before = blas_threads()
    contexts = [linalg.threads_for(10), linalg.threads_for(20)]
    inside = [Event(), Event()]
    leave = [Event(), Event()]

    def enter(place: int) -> None:
        with contexts[place]:
            inside[place].set()
            assert leave[place].wait(60)

    threads = [Thread(target=enter, args=(place,)) for place in (0, 1)]
    for thread, entered in zip(threads, inside, strict=True):
        thread.start()
        assert entered.wait(60)
    assert blas_threads() == {1}
    order = (0, 1) if first_leaves_first else (1, 0)
    leave[order[0]].set()
    threads[order[0]].join()
    assert blas_threads() == {1}
    leave[order[1]].set()
    threads[order[1]].join()
    assert blas_threads() == before

"""Linear algebra of symmetric float64 matrices: Bures distance, spectral entropy and its influence function.

Products over samples run on the device of the samples. Decompositions of the small `[d, d]` results run on the CPU with
numpy and scipy, wherever the samples are: the same numbers on every device, and at d=2048 on two cores three times
faster than torch's own `eigvalsh` (0.4 s against 1.5 s).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from divmetrics.arrays.devices import SharedSetting
from divmetrics.arrays.freed_memory import return_freed
from divmetrics.arrays.skewness import spread_of
from divmetrics.records.metric import Spread

EPS = float(np.finfo(np.float64).eps)
ACCURACY = 1e-10
"""Largest bound on the relative error of a Bures distance with which the faster method is accepted."""
SMALL = 1536
"""Size of a matrix up to which its decomposition runs on one thread."""


def float64(rows: Tensor) -> Tensor:
    """`rows` in float64, on their device; on the CPU if that is MPS, which has no float64."""
    return rows.cpu().double() if rows.device.type == "mps" else rows.double()


def gram(rows: Tensor) -> Tensor:
    """Gram matrix X'X `[d, d]` of float64 rows X `[n, d]`."""
    if rows.device.type != "cpu":
        return rows.T @ rows
    array = rows.numpy()
    return torch.from_numpy(array.T @ array)  # numpy uses the symmetry (dsyrk), which halves the work


def eigenvalues(symmetric: Tensor) -> np.ndarray:
    """Eigenvalues `[d]`, ascending, of a symmetric matrix `[d, d]`."""
    with threads_for(len(symmetric)):
        return np.asarray(np.linalg.eigvalsh(symmetric.cpu().numpy()))


@cache
def _blas() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401  a controller knows the libraries that are loaded when it is made

    return ThreadpoolController()


def threads_for(width: int) -> AbstractContextManager[object]:
    """Context with one BLAS thread for a small matrix; for a large one nothing is changed.

    The threads of an eigensolver synchronise at every column, and OpenBLAS waits by spinning: beside other work on the
    same two cores, two threads took 0.3 s at d=300 where one took 0.03 s, and 4 s against 0.6 s at d=1280.

    Args:
        width: Number of rows of the matrix.
    """
    return _blas_threads("one") if width <= SMALL else nullcontext()


def _limited(_: str) -> AbstractContextManager[None]:
    limited: AbstractContextManager[None] = _blas().limit(limits=1, user_api="blas")
    return limited


_blas_threads: SharedSetting[str] = SharedSetting(_limited, ("one",))
"""The number of BLAS threads is a setting of the process: the last of the threads that want one puts it back."""
_worker = threading.local()
"""Has the attribute `of_each` in threads that `each` started: they start none of their own."""


def each(function: Callable[[int], float], count: int) -> np.ndarray:
    """Values of a function at 0 to count - 1, several at once: one decomposition a core is faster than all on one.

    Args:
        function: Index -> value.
        count: Number of values.

    Returns:
        `[count]` float64.

    Example:
        >>> each(lambda i: i / 2, 4).tolist()
        [0.0, 0.5, 1.0, 1.5]
    """
    workers = min(torch.get_num_threads(), count)
    if workers < 2 or hasattr(_worker, "of_each"):
        return np.array([function(i) for i in range(count)])
    with (
        _blas_threads("one"),
        ThreadPoolExecutor(workers, initializer=setattr, initargs=(_worker, "of_each", 1)) as pool,
    ):
        values = np.array(list(pool.map(function, range(count))))
    return_freed()  # what the threads have freed
    return values


def bures(left: Tensor, right: Tensor, accuracy: float = ACCURACY) -> float:
    """Squared Bures distance of two covariance matrices, tr A + tr B - 2 tr (AB)^1/2; >= 0 up to round-off.

    The eigenvalues of AB come from one symmetric generalised eigenproblem where an a posteriori bound on their
    round-off guarantees `accuracy`. Their square roots amplify round-off: an ill-conditioned or rank-deficient pair
    goes through factors A = F F', B = H H' instead, where tr (AB)^1/2 is the nuclear norm of F'H. Bhatia 2019,
    arXiv:1712.01504.

    Args:
        left: A, symmetric positive semi-definite `[d, d]` float64.
        right: B, likewise.
        accuracy: Largest relative error that is accepted (default 1e-10).

    Returns:
        The squared distance; 0 where A = B.

    Example:
        >>> round(bures(4 * torch.eye(2).double(), 9 * torch.eye(2).double()), 9)  # 2 (2 - 3)²
        2.0
    """
    A, B = left.cpu().numpy(), right.cpu().numpy()
    traces = float(np.trace(A) + np.trace(B))
    with threads_for(len(A)):
        root, error = _root_from_eigenvalues(A, B)
        if not 2 * error <= accuracy * (traces - 2 * root):
            root = float(np.linalg.svd(_factor(A).T @ _factor(B), compute_uv=False).sum())
    return traces - 2 * root


def bures_of_factors(left: Tensor, right: Tensor, accuracy: float = ACCURACY) -> float:
    """`bures` of A = F'F and B = H'H from their factors: no `[d, d]` matrix and no root of an eigenvalue.

    Args:
        left: F `[r, d]` float64.
        right: H `[s, d]` float64.
        accuracy: Largest relative error that is accepted (default 1e-10); a larger one allows the faster eigenvalues.

    Returns:
        The squared distance.
    """
    F, H = left.cpu().numpy(), right.cpu().numpy()
    traces = float((F * F).sum() + (H * H).sum())
    with threads_for(min(len(F), len(H))):
        product = F @ H.T if len(F) <= len(H) else H @ F.T
        root, error = _root_from_gram(product) if accuracy > ACCURACY else (math.nan, math.inf)
        if not 2 * error <= accuracy * (traces - 2 * root):
            root = float(np.linalg.svd(product, compute_uv=False).sum())
    return traces - 2 * root


def _root_from_eigenvalues(A: np.ndarray, B: np.ndarray) -> tuple[float, float]:
    """tr (AB)^1/2 from the eigenvalues of AB, and a bound on its error; infinite where A or B is singular."""
    try:
        # Type 2 is B A x = w x, solved on the sandwich L'BL with A = LL': symmetric, so eigenvalues are real
        squares = scipy.linalg.eigh(B, A, type=2, driver="gv", eigvals_only=True, check_finite=False)
    except np.linalg.LinAlgError:
        return math.nan, math.inf
    return _roots(squares, EPS * float(np.linalg.norm(A, 1) * np.linalg.norm(B, 1)))


def _root_from_gram(product: np.ndarray) -> tuple[float, float]:
    """Sum of the singular values of `product` from its Gram matrix, and a bound on its error."""
    squares = product @ product.T
    return _roots(np.linalg.eigvalsh(squares), EPS * float(np.linalg.norm(squares, 1)))


def _roots(squares: np.ndarray, slip: float) -> tuple[float, float]:
    """Sum of the square roots of eigenvalues, and a bound on its error if each eigenvalue is off by at most `slip`.

    By Weyl's inequality round-off changes each eigenvalue by at most about eps times the norm of the matrix.
    """
    reach = np.sqrt(np.abs(squares) + slip) - np.sqrt(np.maximum(np.abs(squares) - slip, 0))
    return float(np.sqrt(np.abs(squares)).sum()), float(reach.sum())


def _factor(matrix: np.ndarray) -> np.ndarray:
    """F `[d, rank]` with F F' = `matrix`, by pivoted Cholesky; pivots below d eps max are round-off and dropped."""
    lower, pivots, rank, _ = scipy.linalg.lapack.dpstrf(matrix, lower=1)
    factor = np.empty((len(matrix), rank))
    factor[pivots - 1] = np.tril(lower)[:, :rank]
    return factor


def spectral_entropy(matrix: Tensor, order: float = 1.0) -> float:
    """Renyi entropy of the eigenvalues of a matrix, in nats; in [0, ln m].

    Args:
        matrix: Symmetric positive semi-definite `[m, m]` of trace 1.
        order: 1 (default) is Shannon's entropy, 0 the logarithm of the rank, 2 the collision entropy, inf minus the
            logarithm of the largest eigenvalue.

    Example:
        >>> round(spectral_entropy(torch.eye(4).double() / 4), 6)  # ln 4
        1.386294
    """
    spectrum = eigenvalues(matrix)
    # Zero eigenvalues come out as round-off of +-eps, which orders below 1 would count: 1e-17 ** 0.1 is 0.02
    spectrum = spectrum[spectrum > len(spectrum) * EPS * spectrum[-1]]
    if order == 1:
        return float(-(spectrum * np.log(spectrum)).sum())
    if math.isinf(order):
        return float(-np.log(spectrum[-1]))
    return float(np.log((spectrum**order).sum()) / (1 - order))


@dataclass(frozen=True, eq=False)
class InfluenceFunction:
    """Influence function of the entropy of X'X / n at its n unit rows u: u'Mu less its mean, M the derivative."""

    along: np.ndarray  # [n, r], the rows in the eigenbasis of the matrix
    axes: np.ndarray  # [d, r], the eigenbasis
    derivative: np.ndarray  # [r], M in the eigenbasis
    values: np.ndarray  # [n], u'Mu less its mean
    second_order: float
    """Variance of the second-order term, which dominates where the spectrum is flat and the first order vanishes."""

    @property
    def slopes(self) -> np.ndarray:
        """Mu of each row, `[n, d]`."""
        return np.asarray((self.along * self.derivative) @ self.axes.T)

    @property
    def variance(self) -> float:
        """Sampling variance of the entropy."""
        return self.variance_of(self.values)

    def spread_of(self, values: np.ndarray) -> Spread:
        """Sampling variance with these `values` `[n]` of the influence function, and its shape."""
        return spread_of(self.variance_of(values), [values])

    def variance_of(self, values: np.ndarray) -> float:
        """Sampling variance with these `values` `[n]` of the influence function.

        Where the first order vanishes, the spread of its estimate is twice the second-order variance instead, which is
        therefore subtracted once; it is a lower bound.
        """
        return max(self.second_order, float(values.var(ddof=1)) / len(values) - self.second_order)


def entropy_influence(units: Tensor, order: float = 1.0) -> InfluenceFunction | None:
    """Influence function of `spectral_entropy` of `gram(units) / n` at its rows, with the second-order variance.

    M is the derivative: -ln of the matrix for order 1. The second-order term is the sum of c_kl e_kl² / 2, with c the
    divided differences of the derivative and e the error of the matrix in its eigenbasis (Daleckii and Krein 1965).

    Args:
        units: Unit rows `[n, d]` float64.
        order: Order of the entropy (default 1).

    Returns:
        The influence function; None for order 0, the rank, which no single sample changes.
    """
    if order == 0:
        return None
    n, d = units.shape
    rows = units.cpu().numpy()
    with threads_for(min(n, d)):
        spectrum, axes = np.linalg.eigh(gram(units if n >= d else units.T).cpu().numpy() / n)
        kept = spectrum > len(spectrum) * EPS * spectrum[-1]
        spectrum, axes = spectrum[kept], axes[:, kept]
        if n < d:
            axes = rows.T @ axes / np.sqrt(n * spectrum)
        along = rows @ axes  # [n, r]
        derivative = _entropy_derivative(spectrum, order)
        squares = np.square(along)
        spread = (squares.T @ squares / n - np.diag(spectrum**2)) / n  # variance of e_kl
    values = squares @ derivative
    bend = np.square(_divided_differences(spectrum, derivative, order) * spread)
    return InfluenceFunction(along, axes, derivative, values - values.mean(), float(bend.sum() - np.trace(bend) / 2))


def _entropy_derivative(spectrum: np.ndarray, order: float) -> np.ndarray:
    """Derivative `[r]` of the entropy with respect to each eigenvalue."""
    if order == 1:
        return np.asarray(-np.log(spectrum))
    if math.isinf(order):
        return np.asarray(np.where(spectrum == spectrum[-1], -1 / spectrum[-1], 0.0))
    return np.asarray(order / (1 - order) * spectrum ** (order - 1) / (spectrum**order).sum())


def _divided_differences(spectrum: np.ndarray, derivative: np.ndarray, order: float) -> np.ndarray:
    """Divided differences `[r, r]` of the derivative over pairs of eigenvalues; its derivative where they coincide."""
    if math.isinf(order):
        return np.zeros((len(spectrum), len(spectrum)))
    second = -1 / spectrum if order == 1 else derivative * (order - 1) / spectrum
    gap = spectrum[:, None] - spectrum
    apart = np.abs(gap) > 1e-6 * np.maximum(spectrum[:, None], spectrum)
    mean = (second[:, None] + second) / 2
    return np.asarray(np.divide(derivative[:, None] - derivative, gap, out=mean, where=apart))

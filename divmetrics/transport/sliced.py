"""Sliced optimal transport: along a line transport is sorting, so average over many lines."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from divmetrics.dist import spread
from divmetrics.linalg import float64
from divmetrics.summaries import same_width

BLOCK = 2**23
"""Projected values held at a time, about 64 MB."""


def directions(d: int, count: int, seed: int) -> Tensor:
    """`count` unit vectors `[count, d]`, uniform on the sphere, float64, from a generator of their own."""
    drawn: Tensor = torch.randn(count, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(drawn, dim=1)


def line_costs(real: Tensor, fake: Tensor, lines: Tensor, p: float) -> Tensor:
    """W_p^p between `real` `[n, d]` and `fake` `[m, d]` projected on each of `lines` `[count, d]`; `[count]`."""
    same_width(real.shape[1], fake.shape[1])
    centre = float64(real).mean(0)
    x, y = float64(real) - centre, float64(fake) - centre  # the distance is that of the shifted sets, at full precision
    lines = lines.to(x.device)
    from_real, from_fake, mass = (torch.from_numpy(part).to(x.device) for part in _couple(len(x), len(y)))

    def costs(part: range) -> Tensor:
        found = torch.empty(len(part), dtype=torch.float64, device=x.device)
        step = max(1, BLOCK // (len(x) + len(y)))
        for start in range(0, len(part), step):
            some = lines[part.start + start : part.start + min(start + step, len(part))]
            near = (some @ x.T).sort(1).values[:, from_real]
            far = (some @ y.T).sort(1).values[:, from_fake]
            found[start : start + step] = (near - far).abs().pow(p) @ mass
        return found

    return spread(len(lines), costs)


def _couple(n: int, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which of n sorted values goes to which of m, and with what mass: the steps of both distributions, merged."""
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)  # in units of 1 / (n m), so exact
    return (ends - 1) // m, (ends - 1) // n, np.diff(ends, prepend=0) / (n * m)

"""Maps: two components of what is flat, columns as they are, nothing of what is all the same."""

import pytest
import torch

from divmetrics.errors import FeatureError
from divmetrics.inference.exhibits.maps import columns_plane, principal_plane, tsne_plane

ROWS = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))


def test_a_plane_in_many_dimensions_is_found_whatever_its_unit() -> None:
    axes = torch.linalg.qr(torch.randn(300, 2, generator=torch.Generator().manual_seed(1)))[0]
    flat = ROWS @ axes.T + 5
    for unit in (1.0, 1e30, 1e-30):
        plane = principal_plane(unit * flat, 0)
        assert plane.shares is not None
        assert sum(plane.shares) == pytest.approx(1, abs=1e-5)
        apart = torch.pdist(torch.tensor([plane.x, plane.y]).T)
        assert (apart / torch.pdist(ROWS)).std() / (apart / torch.pdist(ROWS)).mean() < 1e-3


def test_one_column_is_a_line_and_two_are_as_they_are() -> None:
    plane = columns_plane(ROWS, 0)
    assert plane.x == pytest.approx(ROWS[:, 0].tolist(), rel=1e-4)
    assert plane.y == pytest.approx(ROWS[:, 1].tolist(), rel=1e-4)
    line, other = columns_plane(ROWS[:, :1], 0), columns_plane(ROWS[:, :1], 1)
    assert line.x == plane.x == other.x
    assert line.y != other.y
    assert principal_plane(ROWS[:, :1], 0).y == (0.0,) * 40


def test_t_sne_is_the_same_for_the_same_seed() -> None:
    rows = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    assert tsne_plane(rows, 3).x == tsne_plane(rows, 3).x
    copies = rows[:3].repeat(10, 1)
    assert all(abs(value) < 1e4 for value in tsne_plane(copies, 0).x)


def test_equal_or_few_samples_are_refused() -> None:
    with pytest.raises(FeatureError, match="nothing to map"):
        principal_plane(torch.ones(10, 3), 0)
    with pytest.raises(FeatureError, match="t-SNE needs 5"):
        tsne_plane(ROWS[:4], 0)

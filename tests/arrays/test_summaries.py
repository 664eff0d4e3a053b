"""The merge law, for every summary: of(a ++ b) == of(a).merge(of(b)), associative, and order-free up to round-off.

"Equal" is equal in what metrics read: a shared tolerance against the spread of the state, rows and counts bit by bit.
"""

from collections.abc import Callable
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from divmetrics.arrays.summaries import SUMMARIES, ClassTally, Failed, Moments, Rows, Sample, Summary, UnitGram
from divmetrics.errors import FeatureError

READ: dict[str, Callable[[Summary], list[Tensor]]] = {
    "Rows": lambda s: [s.features, s.index],
    "Moments": lambda s: [s.mean, s.covariance],
    "UnitGram": lambda s: [torch.linalg.eigvalsh(s.similarity())],  # the rows it may hold are in no order
    "ClassTally": lambda s: [s.counts],
    "Sample": lambda s: [s.features, s.index],
}
"""What the metrics take from each summary."""
EVERY = pytest.mark.parametrize("name", sorted(SUMMARIES))
KINDS = settings(derandomize=True, deadline=None, max_examples=30)


def drawn(n: int, d: int, seed: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, d)))


def parts(name: str, rows: Tensor, cuts: list[int]) -> list[Summary]:
    """The rows cut at `cuts`, each non-empty piece summarised with its places in the whole."""
    edges = [0, *sorted(cuts), len(rows)]
    index = torch.arange(len(rows))
    spans = [slice(a, b) for a, b in pairwise(edges) if b > a]
    return [SUMMARIES[name].of(rows[span], index[span]) for span in spans]


def merged(summaries: list[Summary]) -> Summary:
    return reduce(lambda left, right: left.merge(right), summaries)


def assert_same(name: str, left: Summary, right: Summary) -> None:
    assert left.n == right.n
    for mine, theirs in zip(READ[name](left), READ[name](right), strict=True):
        assert mine.dtype == theirs.dtype
        if name in ("Rows", "ClassTally", "Sample"):
            assert torch.equal(mine, theirs)
        else:
            assert torch.allclose(mine, theirs, rtol=0, atol=1e-12 * float(theirs.abs().max()))


def test_every_summary_is_read_here() -> None:
    assert set(READ) == set(SUMMARIES)


@EVERY
@KINDS
@given(st.integers(2, 40), st.integers(1, 12), st.lists(st.integers(0, 40), max_size=5), st.integers(0, 99))
def test_merge_is_the_summary_of_all_rows(name: str, n: int, d: int, cuts: list[int], seed: int) -> None:
    rows = drawn(n, max(d, 2) if name == "ClassTally" else d, seed)  # logits of one class are refused
    pieces = parts(name, rows, [min(cut, n) for cut in cuts])
    assert_same(name, merged(pieces), SUMMARIES[name].from_array(rows))


@EVERY
@KINDS
@given(st.integers(3, 30), st.integers(1, 8), st.data())
def test_merge_is_associative(name: str, n: int, d: int, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(1, n - 1), min_size=2, max_size=2, unique=True))
    one, two, three = parts(name, drawn(n, d, 0), cuts)
    assert_same(name, one.merge(two).merge(three), one.merge(two.merge(three)))


@EVERY
@KINDS
@given(st.permutations(range(5)))
def test_merge_is_order_free(name: str, order: list[int]) -> None:
    pieces = parts(name, drawn(23, 4, 1), [2, 7, 8, 20])
    assert_same(name, merged([pieces[i] for i in order]), merged(pieces))


@EVERY
def test_rows_one_at_a_time(name: str) -> None:
    rows = drawn(50, 6, 2)
    assert_same(name, merged(parts(name, rows, list(range(1, 50)))), SUMMARIES[name].from_array(rows))


@pytest.mark.parametrize("offset", [1e3, 1e6])
@pytest.mark.parametrize("pieces", [1, 40])
def test_moments_of_float32_features_far_from_zero(offset: float, pieces: int) -> None:
    """Raw sums in float32 lose the variance altogether here; in float64 at 1e6 they would keep four digits of it."""
    rows = (drawn(400, 5, 3) + offset).float()
    truth = rows.numpy().astype(np.longdouble)
    moments = merged(parts("Moments", rows, [400 * i // pieces for i in range(1, pieces)]))
    assert isinstance(moments, Moments)
    centred = truth - truth.mean(0)
    covariance = (centred.T @ centred / 399).astype(float)
    assert np.allclose(moments.mean.numpy(), truth.mean(0).astype(float), rtol=1e-15)
    assert np.allclose(moments.covariance.numpy(), covariance, rtol=0, atol=1e-9 * covariance.max())


@pytest.mark.parametrize("offset", [1e3, 1e6])
def test_unit_gram_of_float32_features_far_from_zero(offset: float) -> None:
    rows = (drawn(60, 5, 3) + offset).float()
    exact = rows.numpy().astype(np.longdouble)
    units = exact / np.sqrt((exact**2).sum(1, keepdims=True))
    gram = (units.T @ units / 60).astype(float)
    similarity = merged(parts("UnitGram", rows, [10, 30])).similarity()
    assert np.allclose(similarity.numpy(), gram, rtol=1e-14)


def test_unit_gram_keeps_the_smaller_matrix() -> None:
    few, many = (UnitGram.from_array(drawn(n, 8, 0)) for n in (7, 8))
    assert (few.similarity().shape, many.similarity().shape) == ((7, 7), (8, 8))
    assert few.merge(many).similarity().shape == (8, 8)
    assert float(few.similarity().trace()) == pytest.approx(1)


def test_float_precision_of_rows_is_kept() -> None:
    assert Rows.from_array(drawn(3, 2, 0).float()).features.dtype == torch.float32
    assert Rows.from_array(drawn(3, 2, 0)).features.dtype == torch.float64
    assert Rows.from_array(drawn(3, 2, 0).half()).features.dtype == torch.float32


def test_tallies_of_unequal_width_line_up() -> None:
    left, right = ClassTally.from_array([0, 0, 2]), ClassTally.from_array([5])
    assert left.merge(right).counts.tolist() == [2, 0, 1, 0, 0, 1]
    assert right.merge(left).counts.tolist() == [2, 0, 1, 0, 0, 1]


@pytest.mark.parametrize("name", ["Rows", "Moments", "UnitGram"])
def test_unequal_widths_do_not_merge(name: str) -> None:
    with pytest.raises(FeatureError, match="3 columns on one side and 2"):
        SUMMARIES[name].from_array(drawn(4, 3, 0)).merge(SUMMARIES[name].from_array(drawn(4, 2, 0)))


# splitmix64 (Steele 2014) of the states 0, 1, 2 and -1; the first is what every implementation starts with at seed 0
DRAWS = {0: 0xE220A8397B1DCDAF, 1: 0x910A2DEC89025CC1, 2: 0x975835DE1C9756CE, -1: 0xE4D971771B652C20}


def images(n: int) -> Tensor:
    """Images that tell their place: `[n, 1, 2, 3]`, every value of image i is i."""
    return torch.arange(n, dtype=torch.float32)[:, None, None, None].expand(n, 1, 2, 3)


def test_draws_are_splitmix64() -> None:
    places = torch.tensor(list(DRAWS))
    sample = Sample.of(images(len(places)), places)
    found = {int(place): int(draw) % 2**64 for place, draw in zip(sample.index, sample.draw, strict=True)}
    assert found == DRAWS


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2]])
def test_a_sample_is_the_same_whatever_the_pieces(order: list[int]) -> None:
    pieces = parts("Sample", images(3000), [10, 900, 2500])
    sample = merged([pieces[i] for i in order])
    whole = Sample.from_array(images(3000))
    assert_same("Sample", sample, whole)
    assert isinstance(sample, Sample)
    assert sample.n == 3000
    assert torch.equal(sample.features[:, 0, 0, 0].long(), sample.index)
    assert sample.features.shape == (Sample.SIZE, 1, 2, 3)
    assert len(torch.unique(sample.index)) == Sample.SIZE


def test_a_sample_is_spread_over_the_whole_set() -> None:
    sample = Sample.from_array(images(4000))
    share = torch.bincount(sample.index * 4 // 4000) / Sample.SIZE
    assert share.sub(0.25).abs().max() < 0.1


def test_a_set_appended_to_another_keeps_its_share_of_the_sample() -> None:
    first, second = (Sample.from_array(images(1000)) for _ in range(2))
    moved = Sample(second.features, second.index + 1000, second.draw, second.count)
    both = first.merge(moved)
    assert int((both.index >= 1000).sum()) == Sample.SIZE // 2
    assert torch.equal(both.index, moved.merge(first).index)


def test_of_large_rows_a_sample_keeps_as_many_as_memory_allows() -> None:
    """They are the first of those that it would keep of small ones, in whatever parts they come."""
    few, rows = Sample.NUMBERS // 10**6, torch.zeros(1).expand(100, 10**6)  # 67 rows, in the memory of one number
    parted = Sample.of(torch.zeros(3, 10**6), torch.arange(3)).merge(
        Sample.of(torch.zeros(4, 10**6), torch.arange(3, 7))
    )
    assert parted.index.tolist() == Sample.chosen(torch.arange(7)).tolist()
    assert Sample._lowest(torch.arange(100), torch.arange(100, 0, -1), rows.shape[1:]).tolist() == [
        *range(99, 99 - few, -1)
    ]
    assert len(Sample._lowest(torch.arange(9), torch.arange(9), (2**60,))) == 2


def test_images_of_other_shapes_do_not_merge() -> None:
    with pytest.raises(FeatureError, match=r"shape \(1, 2, 3\) in one part and \(1, 3, 3\)"):
        Sample.from_array(images(3)).merge(Sample.from_array(torch.zeros(2, 1, 3, 3)))


def test_a_failed_summary_is_made_of_an_error_and_not_of_rows() -> None:
    with pytest.raises(TypeError, match=r"made by Failed\.of_error"):
        Failed.of(torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64))
    assert str(Failed.of_error(FeatureError("row 3 is all zeros.")).exception) == "row 3 is all zeros."

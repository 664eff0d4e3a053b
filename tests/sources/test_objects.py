"""Lists, Datasets, DataLoaders and other iterables: what is a batch, what is a sample, where labels come from."""

import io
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset, TensorDataset
from torchvision.datasets import FakeData, ImageFolder
from torchvision.transforms.functional import to_tensor

from divmetrics.errors import SourceError
from divmetrics.sources import Source, Stream, UnreadableSample, open_source

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 5, 7, 3), dtype=np.uint8)
TENSORS = torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 255
FEATURES = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
CLASSES = torch.tensor([2, 0, 1, 1, 0, 2])
NAMES = tuple("201102")


class Plain(Dataset):
    """A map-style Dataset over any list."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


class Once(IterableDataset):
    """An iterable Dataset of float images."""

    def __iter__(self):
        return iter(TENSORS)


def all_of(source):
    return np.stack(source.read(range(len(source))))


@pytest.mark.parametrize(
    "items",
    [
        [Image.fromarray(image) for image in IMAGES],
        tuple(Image.fromarray(image) for image in IMAGES),
        list(IMAGES),
        list(TENSORS),
        Plain([Image.fromarray(image) for image in IMAGES]),
        Plain(TENSORS),
        TensorDataset(TENSORS),
    ],
)
def test_items_without_labels(items):
    source = open_source(items)
    assert isinstance(source, Source)
    assert source.kind == "image"
    assert source.labels is None
    assert source.digest() is None
    assert source.path(4) == "#4"
    assert source.name == type(items).__name__
    np.testing.assert_array_equal(all_of(source), IMAGES)
    np.testing.assert_array_equal(source.read([5, 1]), IMAGES[[5, 1]])


@pytest.mark.parametrize(
    "items",
    [
        [(Image.fromarray(image), int(name)) for image, name in zip(IMAGES, NAMES, strict=True)],
        [[image, name] for image, name in zip(IMAGES, NAMES, strict=True)],
        Plain([(image, np.int64(name)) for image, name in zip(IMAGES, NAMES, strict=True)]),
        TensorDataset(TENSORS, CLASSES),
    ],
)
def test_items_that_are_pairs(items):
    source = open_source(items)
    assert source.labels == NAMES
    np.testing.assert_array_equal(all_of(source), IMAGES)


def test_targets_and_classes_are_labels_without_reading(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.fromarray(IMAGES[0]).save(tmp_path / name / "1.png")
    folder = ImageFolder(tmp_path)
    source = open_source(folder)
    assert source.labels == open_source(tmp_path).labels == ("cat", "dog")
    np.testing.assert_array_equal(all_of(source), all_of(open_source(tmp_path)))
    (tmp_path / "dog" / "1.png").unlink()
    assert open_source(folder).labels == ("cat", "dog")


@pytest.mark.parametrize("targets", [[0.5] * 6, [1, 2, 3], [[0, 1]] * 6])
def test_targets_that_are_no_classes_are_no_labels(targets):
    data = Plain(TENSORS)
    data.targets = targets
    assert open_source(data).labels is None


def test_a_tuple_of_one_image_is_one_sample():
    assert len(open_source((IMAGES[0],))) == 1


def test_torchvision_pairs_and_subsets():
    data = FakeData(4, (3, 8, 8), num_classes=3, transform=to_tensor)
    source = open_source(Subset(data, [2, 0]))
    assert source.labels == (str(int(data[2][1])), str(int(data[0][1])))
    assert source.read([1])[0].shape == (8, 8, 3)


def test_parts_of_a_dataset_have_its_class_names_without_reading():
    data = Plain([None] * 6)
    data.targets, data.classes = CLASSES.tolist(), ["cat", "dog", "owl"]
    whole = ("owl", "cat", "dog", "dog", "cat", "owl")
    assert open_source(Subset(Named(data), [5, 1])).labels == ("owl", "cat")
    assert open_source(Subset(Subset(Named(data), [5, 1, 2]), torch.tensor([2, 0]))).labels == ("dog", "owl")
    joined = ConcatDataset([Named(data), Subset(Named(data), [3])])
    assert open_source(joined).labels == (*whole, "dog")
    assert open_source(Subset(joined, [6, 0])).labels == ("dog", "owl")
    assert open_source(ConcatDataset([Named(data), TensorDataset(TENSORS)])).labels is None


class Named(Plain):
    """Images with the targets and classes of another Dataset."""

    def __init__(self, data):
        super().__init__(TENSORS)
        self.targets, self.classes = data.targets, data.classes


def test_targets_without_a_name_in_classes_stay_numbers():
    data = Plain(TENSORS)
    data.targets, data.classes = CLASSES.tolist(), ["cat", "dog"]
    assert open_source(data).labels == ("2", "cat", "dog", "dog", "cat", "2")
    data.targets = ["a", "b", "a", "b", "a", "b"]
    assert open_source(data).labels == tuple("ababab")


def test_paths_beside_the_images_are_no_classes():
    pairs = [(image, f"set/{i}.PNG") for i, image in enumerate(TENSORS)]
    assert open_source(Plain(pairs)).labels is None
    assert len(open_source(Plain(pairs)).read([5])) == 1
    assert open_source(Subset(Plain(pairs), [1, 2])).labels is None


def test_lists_of_mixed_sizes_and_modes():
    source = open_source([Image.new("L", (3, 4), 9), Image.new("RGBA", (5, 6)), np.zeros((2, 2), np.uint8)])
    assert [image.shape for image in source.read([0, 1, 2])] == [(4, 3, 3), (6, 5, 3), (2, 2, 3)]


def test_a_transparent_palette_in_memory_gives_no_warning():
    image = Image.new("P", (2, 2), 1)
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.info["transparency"] = bytes([0, 128])
    assert open_source([image]).read([0])[0][0, 0].tolist() == [40, 50, 60]


def test_an_unreadable_item_is_one_unreadable_sample(encode):
    data = encode(Image.fromarray(IMAGES[0]), "JPEG")
    images = [Image.fromarray(IMAGES[0]), Image.open(io.BytesIO(data[: len(data) - 60]))]
    with pytest.raises(UnreadableSample, match="#1: truncated"):
        open_source(images).read([1])

    class Files(Plain):
        def __getitem__(self, index):
            return Image.open(io.BytesIO(self.items[index])), index

    source = open_source(Files([data, b"junk"]))
    with pytest.raises(UnreadableSample, match="#1: not an image"):
        source.read([1])
    assert source.labels == ("0", "")


def test_rows_of_features():
    source = open_source(list(FEATURES))
    assert source.kind == "features"
    np.testing.assert_array_equal(all_of(source), FEATURES)


def test_items_are_picklable():
    source = open_source(TensorDataset(TENSORS, CLASSES))
    np.testing.assert_array_equal(all_of(pickle.loads(pickle.dumps(source))), IMAGES)  # noqa: S301


def test_a_batch_with_its_labels():
    for batch in ((TENSORS, CLASSES), [TENSORS, CLASSES.tolist()], (IMAGES, list(NAMES))):
        source = open_source(batch)
        assert isinstance(source, Source)
        assert source.labels == NAMES
        np.testing.assert_array_equal(all_of(source), IMAGES)


@pytest.mark.parametrize(
    "make",
    [
        lambda: DataLoader(TensorDataset(TENSORS), batch_size=4),
        lambda: DataLoader(Plain(TENSORS), batch_size=4),
        lambda: DataLoader(Plain(TENSORS), batch_size=None),
        lambda: DataLoader(Plain([Image.fromarray(image) for image in IMAGES]), batch_size=4, collate_fn=list),
        lambda: DataLoader(Plain(TENSORS), batch_size=1, collate_fn=list),
        lambda: DataLoader(Once(), batch_size=4),
        Once,
        lambda: iter(TENSORS),
        lambda: (image for image in IMAGES),
        lambda: (Image.fromarray(image) for image in IMAGES),
        lambda: (IMAGES[start : start + 4] for start in (0, 4)),
        lambda: ([Image.fromarray(image) for image in IMAGES[start : start + 5]] for start in (0, 5)),
        lambda: [TENSORS[:1], TENSORS[1:1], TENSORS[1:]],
        lambda: Plain([TENSORS[:4], TENSORS[4:]]),
    ],
)
def test_iterables_are_streams(make):
    stream = open_source(make())
    assert isinstance(stream, Stream)
    assert stream.kind == "image"
    samples, labels = zip(*stream, strict=True)
    np.testing.assert_array_equal(np.stack(samples), IMAGES)
    assert set(labels) == {None}


@pytest.mark.parametrize(
    "make",
    [
        lambda: DataLoader(TensorDataset(TENSORS, CLASSES), batch_size=4),
        lambda: zip(TENSORS, CLASSES, strict=True),
        lambda: zip([TENSORS[:4], TENSORS[4:]], [CLASSES[:4], list(NAMES[4:])], strict=True),
        lambda: zip([tuple(IMAGES[:1]), IMAGES[1:2], list(IMAGES[2:])], [2, "0", CLASSES[2:]], strict=True),
        lambda: DataLoader(TensorDataset(TENSORS, CLASSES), batch_size=4, collate_fn=list),
        lambda: DataLoader(Plain([(image, name) for image, name in zip(TENSORS, NAMES, strict=True)]), batch_size=4),
    ],
)
def test_streams_of_pairs_carry_labels(make):
    samples, labels = zip(*open_source(make()), strict=True)
    np.testing.assert_array_equal(np.stack(samples), IMAGES)
    assert labels == NAMES


def test_streams_of_features():
    for elements in (
        iter(FEATURES),
        DataLoader(TensorDataset(FEATURES), batch_size=4),
        iter([FEATURES[:4], FEATURES[4:]]),
    ):
        stream = open_source(elements)
        assert stream.kind == "features"
        np.testing.assert_array_equal(np.stack([sample for sample, _ in stream]), FEATURES)


def test_a_dataloader_gives_batches_even_of_three_gray_images():
    gray = torch.from_numpy(IMAGES[..., 0])
    samples = [sample for sample, _ in open_source(DataLoader(Plain(gray), batch_size=3))]
    np.testing.assert_array_equal(np.stack(samples)[..., 0], IMAGES[..., 0])


def test_a_stream_is_read_as_it_comes():
    """One element is looked at when the stream is opened, no more: a generator may hold a network."""
    drawn = []
    stream = open_source(drawn.append(i) or image for i, image in enumerate(IMAGES))
    assert drawn == [0]
    assert sum(1 for _ in stream) == 6


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "the list is empty"),
        (Plain([]), "the Plain is empty"),
        (iter([]), "gives no samples"),
        (b"real", "got a bytes"),
        (3, "got a int"),
        (None, "got a NoneType"),
        (Image.fromarray(IMAGES[0]), "got one Image; wanted a set of samples"),
        (["a.png", "b.png"], r"2 path\(s\) in .*: none is a file, a\.png for one; check the paths"),
        ((name for name in ["a.png"]), r"1 path\(s\) in .*: none is a file, a\.png"),
        ([(IMAGES[0], IMAGES[1])], "an item holds 2 samples; give one"),
        (DataLoader(TensorDataset(TENSORS, TENSORS), batch_size=2), r"images of shape \[2, 3, 5, 7\]"),
        ((IMAGES, CLASSES[:4]), "6 samples come with 4 labels"),
        (iter([(IMAGES, CLASSES[:4])]), "6 samples come with 4 labels"),
        ([torch.zeros(3, 8, 8) - 1], r"must lie in \[0, 1\]"),
        ([np.zeros((2, 8, 8, 8, 3))], "images of shape"),
        ([np.zeros((0, 8, 3), np.uint8)], r"images of shape \[0, 8, 3\] hold no pixels"),
    ],
)
def test_what_holds_no_samples_is_a_clear_error(value, message):
    with pytest.raises(SourceError, match=f"real: .*({message})"):
        open_source(value, side="real")


def test_sets_that_mix_are_clear_errors():
    for rows in ([FEATURES[0], FEATURES[1, :3]], [FEATURES[0], IMAGES[0]]):
        with pytest.raises(SourceError, match=r"mixes samples of shape \[4\] and"):
            open_source(rows).read([1])
        with pytest.raises(SourceError, match=r"mixes samples of shape \[4\] and"):
            list(open_source(iter(rows)))


def test_a_later_ambiguous_image_is_a_clear_error():
    items = [TENSORS[0], TENSORS[1] * 2 - 1]
    with pytest.raises(SourceError, match="must lie in"):
        open_source(items).read([1])
    with pytest.raises(SourceError, match="must lie in"):
        list(open_source(iter(items)))


def test_a_source_stays_as_it_is():
    source, stream = open_source(IMAGES), open_source(iter(IMAGES))
    assert open_source(source) is source
    assert open_source(stream) is stream


class WithTargets(Dataset):
    def __init__(self, targets):
        self.targets = targets

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return torch.zeros(3, 8, 8), self.targets[index]


BLANK = torch.zeros(4, 3, 8, 8)
COLUMN = torch.zeros(4, 1, dtype=torch.uint8)


@pytest.mark.parametrize(
    "make",
    [
        lambda: (BLANK, COLUMN),
        lambda: (BLANK, COLUMN.numpy()),
        lambda: WithTargets(COLUMN),
        lambda: WithTargets([torch.tensor([1])] * 4),
        lambda: DataLoader(TensorDataset(BLANK, COLUMN), batch_size=2),
    ],
)
def test_labels_in_a_column_are_refused(make):
    with pytest.raises(SourceError, match=r"labels have shape \[\d, 1\]; wanted one a sample"):
        open_source(make())


def test_items_of_more_pixels_than_allowed_are_unreadable(tmp_path):
    Image.new("RGB", (20, 10)).save(tmp_path / "1.png")
    lazy = [Image.open(tmp_path / "1.png"), Image.open(tmp_path / "1.png")]
    source = open_source(lazy).limited(199)
    with pytest.raises(UnreadableSample, match="#1: 200 pixels, more than --max-pixels allows"):
        source.read([1])
    assert source.limited(200).read([1])[0].shape == (10, 20, 3)

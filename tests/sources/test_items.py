"""Items with names, triples, data frames and columns; what a data set of the user raises."""

import io
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from divmetrics.errors import ForeignError, SourceError
from divmetrics.scoring.meter import Meter
from divmetrics.scoring.score import score
from divmetrics.sources import Source, UnreadableSample, open_source

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 5, 7, 3), dtype=np.uint8)
PICTURES = [Image.fromarray(image) for image in IMAGES]
TENSORS = torch.from_numpy(IMAGES).permute(0, 3, 1, 2)
ROWS = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
NAMES = tuple("201102")
NUMBERS = list(map(int, NAMES))


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "png")
    return file.getvalue()


class Given(Dataset[Any]):
    """A map-style Dataset; an exception among its items is raised."""

    def __init__(self, items: Any) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        if isinstance(item := self.items[index], BaseException):
            raise item
        return item


class Table:
    """A table of the library `datasets`, as far as it is used."""

    def __init__(self, rows: list[dict[str, Any]], names: list[str] | None = None) -> None:
        self.rows = rows
        self.column_names = list(rows[0])
        self.features = {"label": type("ClassLabel", (), {"names": names})()}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> Any:
        return [row[key] for row in self.rows] if isinstance(key, str) else self.rows[key]

    def __iter__(self) -> Any:
        return iter(self.rows)


class Frame:
    """A data frame, as far as it is used."""

    def __init__(self, **columns: Any) -> None:
        self.parts = columns
        self.columns = list(columns)

    def __getitem__(self, name: str) -> Any:
        values = list(self.parts[name])
        if isinstance(values[0], (str, Image.Image, np.ndarray)):
            column = np.empty(len(values), object)
            column[:] = values
            return column
        return np.asarray(values)

    def to_numpy(self) -> Any:
        raise AssertionError

    def __len__(self) -> int:
        return len(self.parts[self.columns[0]])


def content(samples: Any) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """The samples and labels of a source or stream."""
    source = open_source(samples)
    if isinstance(source, Source):
        return np.stack(source.read(range(len(source)))), None if source.labels is None else tuple(source.labels)
    pairs = list(source)
    labels = tuple(str(label) for _, label in pairs if label is not None)
    return np.stack([sample for sample, _ in pairs]), labels or None


WITH_LABELS = {
    "table": lambda: Table([{"image": p, "label": n} for p, n in zip(PICTURES, NUMBERS, strict=True)]),
    "undecoded": lambda: Table(
        [{"image": {"bytes": png(p), "path": None}, "label": n} for p, n in zip(PICTURES, NUMBERS, strict=True)]
    ),
    "dicts": lambda: [{"img": p, "fine_label": n} for p, n in zip(PICTURES, NUMBERS, strict=True)],
    "webdataset": lambda: iter(
        {"__key__": "k", "png": png(p), "cls": n} for p, n in zip(PICTURES, NUMBERS, strict=True)
    ),
    "columns": lambda: {"label": NUMBERS, "image": PICTURES},
    "columns of tensors": lambda: {"labels": torch.tensor(NUMBERS), "pixel_values": TENSORS},
    "pair of lists": lambda: (PICTURES, NUMBERS),
    "triples": lambda: Given([(p, n, i) for i, (p, n) in enumerate(zip(PICTURES, NUMBERS, strict=True))]),
    "path before the class": lambda: Given([(p, f"a/{n}.png", n) for p, n in zip(PICTURES, NUMBERS, strict=True)]),
    "loader of triples": lambda: DataLoader(
        Given([(t, n, i) for i, (t, n) in enumerate(zip(TENSORS, NUMBERS, strict=True))]), batch_size=4
    ),
    "loader of dicts": lambda: DataLoader(
        Given([{"image": t, "label": n} for t, n in zip(TENSORS, NUMBERS, strict=True)]), batch_size=4
    ),
    "generator of batches": lambda: ((TENSORS[i : i + 4], NUMBERS[i : i + 4]) for i in (0, 4)),
    "generator of dicts": lambda: ({"image": TENSORS[i : i + 4], "label": NUMBERS[i : i + 4]} for i in (0, 4)),
    "data frame": lambda: Frame(image=PICTURES, label=NUMBERS),
}


@pytest.mark.parametrize("make", WITH_LABELS.values(), ids=list(WITH_LABELS))
def test_images_with_classes_in_any_form(make: Any) -> None:
    images, labels = content(make())
    np.testing.assert_array_equal(images, IMAGES)
    assert labels == NAMES


FEATURES = {
    "columns": lambda: {"features": ROWS, "label": NUMBERS},
    "one column": lambda: {"whatever": ROWS},
    "data frame": lambda: Frame(a=ROWS[:, 0], b=ROWS[:, 1], c=ROWS[:, 2], d=ROWS[:, 3]),
    "data frame with classes": lambda: Frame(**{str(i): ROWS[:, i] for i in range(4)}, label=NUMBERS),
    "data frame of rows": lambda: Frame(embedding=list(ROWS)),
    "nested lists": ROWS.tolist,
    "pair of nested lists": lambda: (ROWS.tolist(), NUMBERS),
    "dicts": lambda: [{"embedding": row} for row in ROWS],
}


@pytest.mark.parametrize("make", FEATURES.values(), ids=list(FEATURES))
def test_features_in_any_form(make: Any) -> None:
    rows, labels = content(make())
    np.testing.assert_allclose(rows, ROWS, rtol=1e-6)
    assert labels in (None, NAMES)


def test_classes_of_a_table_have_its_names_and_a_mask_is_left_alone() -> None:
    table = Table(
        [{"image": p, "mask": p, "label": n} for p, n in zip(PICTURES, NUMBERS, strict=True)], ["a", "b", "c"]
    )
    assert content(table)[1] == tuple("cabbac")


def test_a_data_frame_of_paths(tmp_path: Any) -> None:
    paths = [str(tmp_path / f"{i}.png") for i in range(6)]
    for path, picture in zip(paths, PICTURES, strict=True):
        picture.save(path)
    images, labels = content(Frame(path=paths, label=NUMBERS))
    np.testing.assert_array_equal(images, IMAGES)
    assert labels == NAMES


@pytest.mark.parametrize(
    "item", [{"boxes": [1]}, torch.tensor([0, 1, 1]), torch.tensor([0.5, 0.5]), 0.7, None], ids=str
)
def test_what_is_no_class_is_left_out_with_a_warning(item: Any) -> None:
    with pytest.warns(UserWarning, match="no class|none is a class"):
        assert content(Given([(picture, item) for picture in PICTURES]))[1] is None


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (
            [{"a": p, "b": p} for p in PICTURES],
            r"got names 'a' \(Image\), 'b' \(Image\); wanted samples called 'image'",
        ),
        ({"train": Given(PICTURES), "test": Given(PICTURES)}, r"'train' \(Given\).*data\['train'\]"),
        ({}, "got names nothing"),
        (Given([(p, p) for p in PICTURES]), "an item holds 2 samples; give one"),
        (Given([(p, p, 3) for p in PICTURES]), "an item holds 2 samples; give one"),
        (Frame(a=ROWS[:, 0], name=list("abcdef")), "columns that hold no features, 'name'"),
        ([1.0, 2.0], "an item is a float"),
        (3, "got a int"),
        (b"abc", "got a bytes"),
    ],
)
def test_what_cannot_be_told_is_refused(samples: Any, message: str) -> None:
    with pytest.raises(SourceError, match=f"fake: .*{message}"):
        open_source(samples, side="fake")


@pytest.mark.parametrize(
    "error", [KeyError("label"), ValueError("bad"), SystemExit(0), EOFError(), ZeroDivisionError()]
)
@pytest.mark.parametrize("first", [True, False])
def test_what_a_dataset_raises_is_named_with_the_place(error: BaseException, first: bool) -> None:
    data = Given([error, *PICTURES] if first else [*PICTURES, error])
    what = (
        rf"fake: .*of the Given raised {type(error).__name__}.* at .*test_items\.py:\d+ in __getitem__; mend it there"
    )
    with pytest.raises(ForeignError, match=what):
        score(IMAGES, data, metrics="fid", extractor="pixels")
    stream = (data[i] for i in range(7))
    with pytest.raises(ForeignError, match=rf"fake: the generator raised {type(error).__name__}"):
        score(IMAGES, stream, metrics="fid", extractor="pixels")
    with pytest.raises(ForeignError, match="of the Given raised"):
        Meter("fid", "pixels").add("fake", data)


def test_what_a_worker_of_a_loader_raises_is_named_with_the_place() -> None:
    loader = DataLoader(Given([TENSORS[0], KeyError("label")]), batch_size=1, num_workers=1)
    with pytest.raises(
        ForeignError, match=r"the DataLoader raised KeyError: 'label' at .*test_items\.py:\d+ in __getitem__"
    ):
        list(open_source(loader))


def test_damaged_images_of_a_dataset_are_skipped_wherever_they_are() -> None:
    source = open_source(Given([OSError("truncated"), *PICTURES, png(PICTURES[0])[:60]]))
    assert isinstance(source, Source)
    assert len(source.read(range(1, 7))) == 6
    for place in (0, 7):
        with pytest.raises(UnreadableSample, match=f"#{place}"):
            source.read([place])
    with pytest.raises(SourceError, match="no item of the Given can be read"):
        open_source(Given([OSError("truncated")] * 2))


def test_a_source_without_classes_gives_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert content(Given(PICTURES))[1] is None

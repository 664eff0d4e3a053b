"""Which classes the names of files give: what folders mean, and the `dataset.json` of StyleGAN and EDM."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence

from divmetrics.errors import SourceError
from divmetrics.sources._base import UnreadableSample

MANIFEST = "dataset.json"
"""File of StyleGAN and EDM that names the classes, with paths relative to the folder it lies in."""
SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval"}
"""Names of folders that part a data set and are no classes."""
NUMBERED = re.compile(r"(\d{5,})/(?:.*\D)?(\d+)\.[^./]*")
"""A file in a folder with a number of five digits or more, and the number that the file's own name ends with."""
STEPS = (100, 500, 1000, 2000, 5000, 10_000)
"""Files to a folder where samplers and dataset tools start a new one."""


def labels_of(
    name: str, files: Sequence[str], every: Iterable[str], content: Callable[[str], bytes]
) -> tuple[str, ...] | None:
    """The class of each image.

    A `dataset.json` beside or above the images decides, also where it says that there are no classes. Otherwise the
    first folder names the class, if every image lies in one. Folders that hold all images or that part a data set
    (`train`, `test`) are passed over where there are others below them, and folders that only count images, such as
    `00000`, `00001`, name no class.

    Args:
        name: What messages call the samples.
        files: Relative names of the images.
        every: Relative names of all files.
        content: Reads a file.

    Returns:
        A name for each image, or None where there are no classes.

    Raises:
        SourceError: `dataset.json` is damaged, or leaves some images out.

    Example:
        >>> labels_of("set", ["cat/1.png", "dog/1.png"], [], lambda _: b"")
        ('cat', 'dog')
        >>> labels_of("set", ["00000/img00000000.png", "00001/img00001000.png"], [], lambda _: b"") is None
        True
    """
    shared = _shared(files)
    beside = {"/".join((*shared[:depth], MANIFEST)): depth for depth in range(len(shared) + 1)}
    for manifest in sorted(beside.keys() & set(every), key=len):
        try:
            found = _entries(f"{name}: {manifest}", content(manifest))
        except UnreadableSample as error:
            raise SourceError(f"{name}: {error}; make it again, or take it away.") from None
        if found is not None:
            top = manifest.removesuffix(MANIFEST)
            return _from_entries(f"{name}: {manifest}", found, [file.removeprefix(top) for file in files])
    return _of_folders(files, len(shared))


def _shared(files: Sequence[str]) -> tuple[str, ...]:
    """The folders that all files lie in, outermost first."""
    first, last = (file.split("/")[:-1] for file in (min(files), max(files)))
    shared = []
    for one, other in zip(first, last, strict=False):  # whatever lies between these two begins as both do
        if one != other:
            break
        shared.append(one)
    return tuple(shared)


def _of_folders(files: Sequence[str], shared: int) -> tuple[str, ...] | None:
    """The first folder of each file that is neither that of all files, if there are more, nor `train` or `test`."""
    below = [file.split("/")[shared:] for file in files]
    if all(len(parts) == 1 for parts in below):  # all in one folder: the other side tells whether it is a class
        return (files[0].split("/")[shared - 1],) * len(files) if shared else None
    if any(len(parts) == 1 for parts in below):
        return None
    if all(parts[0].lower() in SPLITS for parts in below) and all(len(parts) > 2 for parts in below):
        below = [parts[1:] for parts in below]
    if _are_numbered(["/".join(parts) for parts in below]):
        return None
    return tuple(parts[0] for parts in below)


def _are_numbered(files: Sequence[str]) -> bool:
    """Whether folders only count the files: image 12345 lies in `00012`, `012000` or the like."""
    found = [NUMBERED.fullmatch(file) for file in files]
    pairs = [(int(match[1]), int(match[2])) for match in found if match]
    if len(pairs) < len(files):
        return False
    return any(
        all(folder == number // step * times for folder, number in pairs) for step in STEPS for times in (1, step)
    )


def _entries(place: str, content: bytes) -> dict[str, object] | None:
    """Path -> label of a `dataset.json`, empty where it has no labels; None where it is another kind of file."""
    try:
        whole = json.loads(content)
    except (ValueError, RecursionError) as error:
        if b'"labels"' not in content:
            return None
        raise SourceError(f"{place} is not JSON ({str(error)[:100]}); make it again, or take it away.") from None
    if not isinstance(whole, dict) or "labels" not in whole:
        return None
    pairs = whole["labels"]
    if pairs is None:
        return {}
    if isinstance(pairs, dict):
        return {str(path): label for path, label in pairs.items()}
    if not isinstance(pairs, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs
    ):
        raise SourceError(f'{place}: "labels" is no list of pairs [path, class]; give that, or null.')
    return {pair[0].replace("\\", "/").removeprefix("./"): pair[1] for pair in pairs}


def _from_entries(place: str, entries: dict[str, object], files: Sequence[str]) -> tuple[str, ...] | None:
    """The class of each of `files`; None where `entries` are none, or are vectors that condition the generator."""
    if not entries:
        return None
    if absent := [file for file in files if entries.get(file) is None]:
        raise SourceError(f"{place} gives no class for {len(absent)} image(s), {absent[0]!r} for one; add them.")
    found = [_one_hot(entries[file]) for file in files]
    if any(label is None for label in found):
        return None
    return tuple(str(label) for label in found)


def _one_hot(label: object) -> object:
    """A label as a class: a whole number or a name, or the place of the 1 of a one-hot vector; else None."""
    if isinstance(label, list) and label.count(0) == len(label) - 1 and label.count(1) == 1:
        return label.index(1)
    return label if isinstance(label, (int, str)) and not isinstance(label, bool) else None

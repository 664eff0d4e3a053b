"""Encoders that this process has loaded, found again by the contents of the files that they were loaded from."""

from __future__ import annotations

import stat
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from threading import RLock
from typing import Any

from divmetrics.encoders._encoder import Encoder
from divmetrics.errors import Unavailable
from divmetrics.records.files import NO_FILE

LIMIT = 4
"""Encoders kept alive; the least recently asked for is forgotten first. A running `Meter` keeps its own."""

FileVersion = tuple[str, int, int, int, int]
"""Real path, inode, size, time of the last write, time of the last change of the inode (ns)."""

_loaded: OrderedDict[Hashable, Encoder] = OrderedDict()
_lock = RLock()  # one for all: networks that are initialised randomly share torch's generator


def load_once(
    name: str,
    function: Callable[..., Encoder],
    content: Callable[..., Hashable] | None,
    arguments: tuple[str, ...],
    options: Mapping[str, Any],
) -> Encoder:
    """The encoder that `function(*arguments, **options)` loads, or the one that it gave before.

    A call is answered from memory while the arguments are the same and no file among them has been written since.

    Args:
        name: Name of the extractor.
        function: Loads the encoder.
        content: Called with the same arguments, it gives what else the encoder depends on, such as further files.
        arguments: Positional arguments of `function`, for an extractor that names a family.
        options: Keyword arguments of `function`.

    Returns:
        The same object at every call, as long as it is among the last `LIMIT` encoders.
    """

    def key() -> Hashable:
        values = (*arguments, *options.values())
        files = file_versions(Path(value) for value in values if isinstance(value, str))
        further = None if content is None else content(*arguments, **options)
        return name, arguments, tuple(sorted(options.items())), files, further

    with _lock:
        before = key()
        if before not in _loaded:
            encoder = function(*arguments, **options)
            if key() != before:  # overwritten while it was read: the next call has to look again
                return encoder
            _loaded[before] = encoder
            if len(_loaded) > LIMIT:
                _loaded.popitem(last=False)
        _loaded.move_to_end(before)
        return _loaded[before]


def file_versions(paths: Iterable[Path]) -> tuple[FileVersion, ...]:
    """What tells the present contents of those `paths` that are files from their contents at another time.

    Raises Unavailable for pipes and devices: reading one may never end.
    """
    found = []
    for path in paths:
        try:
            state = path.stat()
        except (OSError, ValueError):  # no such file, or a text that cannot be a path
            continue
        if not (stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode)):
            raise Unavailable(f"{path} is {NO_FILE}; give a file with weights.")
        found.append((str(path.resolve()), state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns))
    return tuple(found)

"""`render`: a template of `assets/` as HTML, in one file or with its parts beside it. Jinja2 is imported here, late."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from divmetrics._version import __version__
from divmetrics.records.exhibits import Gallery
from divmetrics.records.printing import printable
from divmetrics.report.page import number

ASSETS = Path(__file__).parent / "assets"
MARK = "divmetrics"
"""What the meta element `generator` of our pages says, by which we know them again."""
Pictures = Mapping[tuple[str, int], str]
"""(side, number of the sample) -> its picture as a `data:` URI."""
MOST_PICTURES = 8_500_000
"""Characters of the pictures in a page of one file; those of the table of all points are left out beyond."""
_TYPES = {"image/webp": "webp", "image/jpeg": "jpg", "image/png": "png", "image/gif": "gif"}


@dataclass
class Parts:
    """What a page refers to: nothing where it stands in one file, else files beside it."""

    beside: bool
    files: dict[str, bytes] = field(default_factory=dict)
    """Path relative to the page -> content."""
    spent: int = 0
    """Characters of the pictures so far."""
    omitted: int = 0
    """Pictures that were left out, since the page would have become too large."""

    def add(self, name: str, content: bytes) -> str:
        """Keep a file under a name that changes with its content; returns the name."""
        stem, _, suffix = name.rpartition(".")
        path = f"{stem}-{sha256(content).hexdigest()[:16]}.{suffix}"
        self.files[path] = content
        return path

    def is_full(self, uri: str) -> bool:
        """Whether a page in one file would become too large with one more picture."""
        return not self.beside and self.spent + len(uri) > MOST_PICTURES

    def picture(self, uri: str) -> str:
        """The address of a picture: the `data:` URI itself, or the file that it becomes.

        Raises:
            ValueError: It is no picture of a known kind.
        """
        head, _, body = uri.partition(",")
        kind = head.removeprefix("data:").removesuffix(";base64")
        if kind not in _TYPES or head != f"data:{kind};base64":
            raise ValueError(f"no picture: {uri[:40]!r}")
        self.spent += len(uri)
        return self.add(f"images/i.{_TYPES[kind]}", b64decode(body)) if self.beside else uri


def render(template: str, *, beside: bool = False, **content: Any) -> tuple[str, Mapping[str, bytes]]:
    """A page as HTML.

    Args:
        template: Name of a file in `assets/` that extends `base.html`.
        beside: Whether style, script and pictures are files beside the page; else they stand in it.
        **content: What the template shows. Texts are escaped there, whatever they hold. `pictures`, where given, is a
            mapping (side, number) -> `data:` URI; templates get it as a function `picture(side, number)`. A page of
            several sets of samples makes such a function of each by `pictured(pictures)`.

    Returns:
        The HTML, and the files beside it: relative path -> content.
    """
    parts = Parts(beside)
    pictures: Pictures = content.pop("pictures", {})
    style, script = (_asset(name) for name in ("style.css", "script.js"))

    def picture(side: str, index: int, *, spare: bool = False, of: Pictures = pictures) -> str | None:
        uri = of.get((side, index))
        if uri is not None and spare and parts.is_full(uri):
            parts.omitted += 1
            return None
        return None if uri is None else parts.picture(uri)

    given = {
        "picture": picture,
        "pictured": lambda of: partial(picture, of=of, spare=True),
        "parts": parts,
        "generator": f"{MARK} {__version__}",
        "beside": beside,
        "style": parts.add("style.css", style.encode()) if beside else _markup(style),
        "script": parts.add("script.js", script.encode()) if beside else _markup(script),
        "script_hash": b64encode(sha256(script.encode()).digest()).decode(),
    }
    text = _environment().get_template(template).render(**given, **content)
    return text, parts.files


@cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _markup(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)  # noqa: S704  our own style and script


@cache
def _environment() -> Any:
    """The templates. Everything that they print is made printable, then escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def safe(value: Any) -> Any:
        return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=safe,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["brief"] = lambda value: number(value, 2)
    environment.filters["explained"] = explained
    return environment


def explained(gallery: Gallery) -> str:
    """What the numbers below the samples of a gallery are, by the example of the first; empty where there are none."""
    shown = (one for row in gallery.rows for one in (*row.real, *row.fake) if one.value is not None and one.caption)
    first = next(shown, None)
    return f"The number with a sample, such as {number(first.value, 2)}: {first.caption}." if first is not None else ""

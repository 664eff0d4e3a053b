"""Docstrings in the Google style as Markdown: sections become bold headings, their entries lists, examples code."""

import inspect
import re
from textwrap import dedent

SECTION = re.compile(r"^(Args|Returns|Yields|Raises|Example):\n", re.MULTILINE)
HEADINGS = {"Args": "Arguments", "Returns": "Returns", "Yields": "Yields", "Raises": "Raises", "Example": "Example"}


def markdown(part: object) -> str:
    """The docstring of a function or class as Markdown."""
    text, *sections = SECTION.split(inspect.getdoc(part) or "")
    blocks = [text.strip()]
    for name, body in zip(sections[::2], sections[1::2], strict=True):
        content = dedent(body).strip()
        if name in ("Args", "Raises"):
            content = "\n".join(
                _entry(*entry) for entry in re.findall(r"^(\w+): ((?:.|\n(?= ))*)", content, re.MULTILINE)
            )
        elif name == "Example":
            content = f"```python\n{content}\n```"
        blocks.append(f"**{HEADINGS[name]}**\n\n{content}")
    return "\n\n".join(blocks)


def _entry(name: str, text: str) -> str:
    return f"- `{name}`: " + " ".join(text.split())

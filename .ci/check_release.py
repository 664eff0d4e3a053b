"""Whether TAG may be released: it is the version, and changelog, citation and the project's addresses are ready.

usage: python .ci/check_release.py v1.2.3

Prints one line for each thing that is missing and exits with 1; needs nothing but Python.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def version_of(root: Path) -> str:
    """The version that `divmetrics/_version.py` states, the one place where it is written down."""
    (version,) = re.findall(r'^__version__ = "(.+)"$', (root / "divmetrics" / "_version.py").read_text(), re.MULTILINE)
    return version


def changelog_sections(root: Path) -> list[tuple[str, str | None, str]]:
    """(version or `Unreleased`, date or None, text) of each section of the changelog, newest first."""
    parts = re.split(r"^## \[(.+?)\](?: - (\S+))?$", (root / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    return list(zip(parts[1::3], parts[2::3], parts[3::3], strict=True))


def citation_field(root: Path, name: str) -> str | None:
    """A one-line field of CITATION.cff, without its quotes."""
    found = re.search(rf"^{name}: \"?(.+?)\"?$", (root / "CITATION.cff").read_text(), re.MULTILINE)
    return found and found[1]


def missing(tag: str, root: Path = ROOT) -> list[str]:
    """What must change before `tag` may be released, one sentence each; empty where nothing must."""
    version = version_of(root)
    problems = []
    if tag != f"v{version}":
        problems.append(f"The tag is {tag} and divmetrics/_version.py says {version}; tag v{version}.")
    (first, _, unreleased), *dated = changelog_sections(root)
    if first != "Unreleased":
        problems.append("CHANGELOG.md does not begin with [Unreleased]; keep that section, empty, on top.")
    elif unreleased.strip():
        problems.append(f"CHANGELOG.md has unreleased changes; move them into the section of {version}.")
    released, date, _ = dated[0] if dated else (None, None, "")
    if released != version or date is None:
        problems.append(f"The newest section of CHANGELOG.md is not [{version}] - YEAR-MONTH-DAY; add it.")
    if (citation_field(root, "version"), citation_field(root, "date-released")) != (version, date):
        problems.append(f"CITATION.cff must say version {version} and date-released {date}.")
    urls = tomllib.loads((root / "pyproject.toml").read_text())["project"]["urls"]
    if any(".invalid/" in url for url in urls.values()):
        problems.append("[project.urls] in pyproject.toml are placeholders; name the project's home.")
    return problems


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit("\n".join(missing(sys.argv[1])) or 0)

"""Pages made from the code when the site is built: one for each metric record, and the README as the start page."""

import inspect
from pathlib import Path

from mkdocs.structure.files import File, Files

from divmetrics.declare import METRICS, Laws, Metric

LAWS = {
    "row_order": "the order of the rows does not matter",
    "translation": "moving both sides by one vector changes nothing",
    "rotation": "rotating both sides by one matrix changes nothing",
}


def on_files(files: Files, config) -> Files:
    """Add the generated pages."""
    readme = Path(config["config_file_path"]).parent / "README.md"
    pages = {"index.md": readme.read_text().replace("(docs/", "("), "metrics/index.md": overview()}
    pages |= {f"metrics/{metric.name}.md": page(metric) for metric in METRICS}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def overview() -> str:
    rows = [
        f"| [{m.name}]({m.name}.md) | {m.better} | {_range(m)} | {', '.join(m.presets) or '-'} | {m.summary} |"
        for m in METRICS
    ]
    head = "# Metrics\n\nMade from the records in `divmetrics/metrics/`; `divmetrics list metrics` prints the same.\n\n"
    return head + "| name | better | range | presets | quantity |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n"


def page(metric: Metric) -> str:
    needs = [f"`{need.summary.__name__}` of {' or '.join(need.layers)}" for need in (metric.real, metric.fake) if need]
    sides = f"real: {needs[0]}; fake: {needs[1]}" if len(needs) == 2 else f"fake: {needs[0]}"
    options = "".join(f"| `{o.name}` | `{o.default}` |\n" for o in metric.options.values())
    table = f"\n| option | default |\n|---|---|\n{options}" if options else ""
    held = [text for name, text in LAWS.items() if getattr(metric.laws, name)] + _scaling(metric.laws)
    laws = "".join(f"- {law}\n" for law in held)
    return (
        f"# {metric.name}\n\n{inspect.getdoc(metric.function)}\n\n"
        f"| | |\n|---|---|\n| better | {metric.better} |\n| range | {_range(metric)} |\n| reads | {sides} |\n"
        f"| source | {metric.cite} |\n{table}\n"
        f"Laws, measured by `tests/test_laws.py`:\n\n{laws}"
    )


def _range(metric: Metric) -> str:
    low, high = metric.range
    return f"[{low:g}, {high:g}]".replace("inf", "∞")


def _scaling(laws: Laws) -> list[str]:
    if laws.scaling is None:
        return []
    if laws.scaling == 0:
        return ["it is free of scale"]
    return [f"scaling both sides by c multiplies it by c^{laws.scaling:g}"]

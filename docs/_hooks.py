"""Pages made from the code when the site is built: one for each metric record, and those at the root."""

import json
from pathlib import Path

import _report_card
import _trained_models
import _zoo
from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files
from scipy.stats import binom

from divmetrics.records.metric import METRICS, Laws, Metric

LAWS = {
    "row_order": "the order of the rows does not matter",
    "translation": "moving both sides by one vector changes nothing",
    "rotation": "rotating both sides by one matrix changes nothing",
}


def on_files(files: Files, config) -> Files:
    """Add the generated pages."""
    root = Path(config["config_file_path"]).parent
    at_root = {"index.md": "README.md"} | {name: name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")}
    pages = {name: (root / file).read_text().replace("(docs/", "(") for name, file in at_root.items()}
    pages["metrics/index.md"] = overview()
    pages["api/metrics.md"] = families()
    pages["calibration.md"] = calibration()
    pages["report-card.md"] = _report_card.page() + "\n" + _trained_models.section(_report_card.validation())
    pages |= {f"metrics/{metric.name}.md": page(metric) for metric in METRICS}
    pages["zoo-entries.md"] = _zoo.page()
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def overview() -> str:
    rows = [
        f"| [{m.name}]({m.name}.md) | {m.better} | {_range(m)} | {', '.join(m.presets) or '-'} | {_cell(m.summary)} |"
        for m in METRICS
    ]
    head = "# Metrics\n\nMade from the records in `divmetrics/metrics/`; `divmetrics list metrics` prints the same.\n\n"
    return head + "| name | better | range | presets | quantity |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _cell(text: str) -> str:
    """`text` in a cell of a table, where a bar would begin the next one."""
    return text.replace("|", "\\|")


LEAST = 0.93
"""Share of intervals of 95 % that hold the truth, below which a case is listed."""
FAMILIES = {
    "moments": "Means and covariances",
    "kernels": "Kernels",
    "neighbours": "Nearest neighbours",
    "densities": "Densities",
    "transport": "Optimal transport",
    "classes": "Classes of a classifier",
    "clusters": "Clusters and modes",
    "copies": "Copies and duplicates",
    "others": "Others",
}


def families() -> str:
    """The metrics by family, each a line with a link to its page."""
    of_family: dict[str, list[Metric]] = {}
    for metric in METRICS:
        of_family.setdefault(metric.function.__module__.split(".")[2], []).append(metric)
    parts = [
        "# Metrics by family",
        "`divmetrics.metrics.NAME(...)` takes `[n, d]` arrays, tensors or summaries; `help(divmetrics.metrics.NAME)` "
        "shows what the page of the metric shows: signature, arguments, errors, an example.",
    ]
    for family in (*FAMILIES, *sorted(of_family.keys() - FAMILIES)):
        parts.append(f"## {FAMILIES.get(family, family)}")
        parts.append("\n".join(f"- [{m.name}](../metrics/{m.name}.md): {m.summary}" for m in of_family.get(family, ())))
    return "\n\n".join(parts) + "\n"


def _reference(metric: Metric) -> str:
    """Signature and docstring of the function, set by mkdocstrings."""
    function = f"{metric.function.__module__}.{metric.function.__qualname__}"
    return f"::: {function}\n    options:\n      heading: In Python\n      toc_label: In Python\n      heading_level: 2"


def calibration() -> str:
    """What the calibration run measured, all metrics in two tables."""
    parts = [
        "# Do intervals and nulls hold?\n\nMade from `benchmarks/results/intervals.jsonl` and `nulls.jsonl`. The real "
        "samples are a mixture of five modes; the fake ones are shifted, lack a mode, or have a shrunken one. In "
        "`unequal` the modes have weights from .5 to .05, among the fakes .7 to .01; in `heavy` rows have the tails of "
        "Student's t with 5 degrees of freedom; in `flat` they lie near a space of three axes; in both the fakes are "
        "shifted. The true value of an interval is the mean over all draws, that of `c_t` over those with the same "
        "training set. For nulls both sides come from one "
        "distribution.",
        "## Intervals of 95 %\n\n`python benchmarks/calibration.py intervals`: share of draws whose interval holds "
        "the truth; 92 to 98 % is the goal, and what misses it beyond binomial error (99 %) is bold. In "
        "brackets, where they were counted: how many lie above the truth + how many below it. Those below are too "
        "optimistic of a distance, those above of a score. "
        f"{_draws(_rows('intervals'))}\n\n" + _coverage(_rows("intervals")),
        _below(_rows("intervals")),
        "## Nulls\n\n`python benchmarks/calibration.py nulls`: share of draws with p at most 1 % and 5 %; bold where "
        "it is beyond binomial error (99 %). A smaller share is conservative: a count that "
        "hardly varies has few values to be rare.\n\n" + _tails(_rows("nulls")),
    ]
    return "\n\n".join([*parts, _caveats()]) + "\n"


def _caveats() -> str:
    """What misses, in the words of its own results."""
    lines = [f"- [{m.name}](metrics/{m.name}.md): {m.uncertainty.caveat}." for m in METRICS if m.uncertainty.caveat]
    head = "## What misses\n\nEvery result that shows the interval or the band of such a metric carries this caveat."
    return head + "\n\n" + ("\n".join(lines) or "None.")


def _below(rows: list[dict]) -> str:
    """The cases whose intervals held the truth in fewer than `LEAST` of the draws, metric by metric."""
    missed: dict[str, list[str]] = {}
    for row in rows:
        if row["covered"] < LEAST:
            case = f"{row['world']} n={row['n']} d={row['d']}: {100 * row['covered']:.1f} % of {row['draws']}"
            missed.setdefault(row["metric"], []).append(case)
    lines = [f"| [{metric}](metrics/{metric}.md) | {'; '.join(cases)} |" for metric, cases in sorted(missed.items())]
    share = f"{100 * LEAST:.0f} %"
    head = (
        f"### Below {share}\n\nAll cases in which fewer than {share} of the intervals held the truth. An interval "
        "that holds in 95 % is among them with a probability of 8 % if the case stands on 200 draws, 13 % on 100 and "
        "27 % on 36. So small shares, and those of many draws, are misses; the others may be chance."
    )
    return "\n".join([head, "", "| metric | cases |", "|---|---|", *lines])


def _coverage(rows: list[dict]) -> str:
    cases = sorted({(row["n"], row["d"], row["world"]) for row in rows})
    table = {(row["metric"], row["n"], row["d"], row["world"]): row for row in rows}
    lines = ["| metric | " + " | ".join(f"{world} n={n} d={d}" for n, d, world in cases) + " |"]
    lines.append("|---|" + "---|" * len(cases))
    for metric in sorted({row["metric"] for row in rows}):
        cells = [_covered(table.get((metric, *case))) for case in cases]
        lines.append(f"| [{metric}](metrics/{metric}.md) | {' | '.join(cells)} |")
    return "\n".join(lines)


def _draws(rows: list[dict]) -> str:
    draws = [row["draws"] for row in rows] or [0]
    return f"A case stands on {min(draws)} to {max(draws)} draws; from 30 a share near 95 % has an error of 4 points."


def _covered(row: dict | None) -> str:
    if row is None:
        return "-"
    text = f"{100 * row['covered']:.0f}"
    tails = f" ({100 * row['above']:.0f} + {100 * row['below']:.0f})" if "above" in row else ""
    hits, draws = round(row["covered"] * row["draws"]), row["draws"]
    missed = binom.cdf(hits, draws, 0.92) < 0.005 or binom.sf(hits - 1, draws, 0.98) < 0.005
    return (f"**{text}**" if missed else text) + tails


def _tails(rows: list[dict]) -> str:
    if not rows:
        return "Not run in full yet: the command above takes about an hour on two cores."
    lines = ["| metric | n, d | draws | p <= 1 % | p <= 5 % | outside the band of 95 % |", "|---|---|---|---|---|---|"]
    for row in rows:
        tails = [f"{100 * row[f'p<={t}']:.1f} %" for t in (0.01, 0.05)]
        tails = [t if row[f"holds {tail}"] else f"**{t}**" for t, tail in zip(tails, (0.01, 0.05), strict=True)]
        cells = [f"{row['n']}, {row['d']}", str(row["draws"]), *tails, f"{100 * row['outside']:.1f} %"]
        lines.append(f"| [{row['metric']}](metrics/{row['metric']}.md) | {' | '.join(cells)} |")
    return "\n".join(lines)


def _rows(name: str) -> list[dict]:
    file = Path(__file__).parent.parent / "benchmarks" / "results" / f"{name}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def page(metric: Metric) -> str:
    """The page of a metric: definition, what changes it, options, uncertainty, invariances, source."""
    options = "".join(f"| `{o.name}` | `{o.default}` |\n" for o in metric.options.values())
    table = f"\n| option | default |\n|---|---|\n{options}" if options else ""
    held = [text for name, text in LAWS.items() if getattr(metric.laws, name)] + _scaling(metric.laws)
    laws = "".join(f"- {law}\n" for law in [*held, f"when the fake samples collapse it gets {metric.laws.on_collapse}"])
    return (
        f"# {metric.name}\n\n{_formula(metric)}{_reference(metric)}\n\n"
        f"| | |\n|---|---|\n| better | {metric.better} |\n| range | {_range(metric)} |\n| reads | {_reads(metric)} |\n"
        f"| source | {metric.cite} |\n{_about(metric)}{table}\n"
        f"{_uncertainty(metric)}\n{_report_card.card(metric.name)}{_trained_models.card(metric.name)}"
        f"Laws, measured by `tests/metrics/test_laws.py`:\n\n{laws}"
    )


def _reads(metric: Metric) -> str:
    needs = metric.needs.items()
    return "; ".join(f"{side}: `{need.summary.__name__}` of {' or '.join(need.layers)}" for side, need in needs)


def _formula(metric: Metric) -> str:
    return f"{convert(metric.about.formula, display='block')}\n\n" if metric.about else ""


def _about(metric: Metric) -> str:
    if metric.about is None:
        return ""
    names = {"sees": "sees", "blind": "blind to", "bias": "sample size", "cost": "cost"}
    return "".join(f"| {name} | {_cell(getattr(metric.about, field))} |\n" for field, name in names.items())


def _uncertainty(metric: Metric) -> str:
    """How the interval and the null band are found, and what the calibration run measured of them."""
    uncertainty, one_sample = metric.uncertainty, metric.real is None
    known = uncertainty.interval or uncertainty.variance
    spread = known.method if known else "half-samples"
    null = (
        "closed form"
        if uncertainty.null
        else "none, it has one side"
        if one_sample
        else "permutation of the pooled samples"
    )
    lines = [f"Interval: {spread}. Null band: {null}."]
    if metric.equal_n:
        lines.append(
            "Comparable at equal sizes only: the larger side is cut to a seeded subset, and the result records it."
        )
    if uncertainty.caveat:
        lines.append(f"**Caveat:** {uncertainty.caveat}. Every result that shows one of them carries it.")
    measured = [text for name in ("intervals", "nulls") if (text := _measured(name, metric.name))]
    return "\n\n".join([*lines, *measured]) + "\n"


def _measured(name: str, metric: str) -> str:
    """One sentence on the rows of `benchmarks/results/NAME.jsonl` that are about `metric`."""
    rows = [row for row in _rows(name) if row["metric"] == metric]
    if not rows:
        return ""
    draws = f"{min(row['draws'] for row in rows)} to {max(row['draws'] for row in rows)} draws a case"
    if name == "nulls":
        tails = "; ".join(f"d = {r['d']}: {r['p<=0.01']:.1%} and {r['p<=0.05']:.1%}" for r in rows)
        return f"Measured, {draws}: p falls below 1 % and 5 % in {tails} of null draws."
    low, high = (f(row["covered"] for row in rows) for f in (min, max))
    missed = [r for r in rows if not 0.92 <= r["covered"] <= 0.98]
    cases = ", ".join(f"{r['world']} d={r['d']} n={r['n']}: {r['covered']:.0%}" for r in missed)
    text = f"Measured, {draws}: intervals of 95 % hold the truth in {low:.0%} to {high:.0%} of draws."
    return f"{text} Outside 92 to 98 %: {cases}." if missed else text


def _range(metric: Metric) -> str:
    low, high = metric.range
    return f"[{low:g}, {high:g}]".replace("inf", "∞")


def _scaling(laws: Laws) -> list[str]:
    if laws.scaling is None:
        return []
    if laws.scaling == 0:
        return ["it is free of scale"]
    return [f"scaling both sides by c multiplies it by c^{laws.scaling:g}"]

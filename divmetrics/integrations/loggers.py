"""Reports in TensorBoard and Weights & Biases: the values as curves, and the verdict with the table as text."""

from __future__ import annotations

from typing import Any

from divmetrics.records.results import Report
from divmetrics.report.markdown import render
from divmetrics.report.page import report_page


def log_to_tensorboard(writer: Any, report: Report, step: int | None = None, *, prefix: str = "") -> None:
    """Write a report to TensorBoard: a curve for each value, and the verdict with the table as text.

    Args:
        writer: A `torch.utils.tensorboard.SummaryWriter`, or one that is called like it.
        report: The report.
        step: Step or epoch of the training.
        prefix: What the names begin with, such as `"divmetrics/"`.
    """
    for name, value in report.scalars().items():
        writer.add_scalar(f"{prefix}{name}", value, step)
    writer.add_text(f"{prefix}verdict", verdict_markdown(report), step)


def log_to_wandb(run: Any, report: Report, step: int | None = None, *, prefix: str = "") -> None:
    """Log a report to Weights & Biases: the values, the state of the verdict, and the sentence that explains it.

    All goes into one call of `run.log`. `verdict` and `verdict/text` of the summary are those of the last report.

    Args:
        run: What `wandb.init` returned.
        report: The report.
        step: Step of the run; None is that of its next call of `log`.
        prefix: What the names begin with, such as `"divmetrics/"`.
    """
    values = {**report.scalars(), **verdict_texts(report)}
    run.log({f"{prefix}{name}": value for name, value in values.items()}, step=step)


def verdict_texts(report: Report) -> dict[str, str]:
    """The state of the verdict, and its sentence followed by those of the findings; nothing where there is none.

    Args:
        report: The report.
    """
    if report.verdict is None:
        return {}
    texts = [report.verdict.text or report.verdict.state, *(finding.text for finding in report.verdict.findings)]
    whole = " ".join(text if text.endswith(".") else f"{text}." for text in texts)
    return {"verdict": report.verdict.state, "verdict/text": whole}


def verdict_markdown(report: Report) -> str:
    """The verdict and the table of a report as Markdown."""
    return render(report_page(report, title=f"verdict: {report.verdict.state}" if report.verdict else "divmetrics"))

"""From the sources that a user names to a report: plan the metrics, collect summaries, measure."""

from typing import TYPE_CHECKING

from divmetrics.records.lazy import lazy_exports as _lazy_exports

if TYPE_CHECKING:
    from divmetrics.scoring.collected import Collected, EncoderInfo
    from divmetrics.scoring.meter import Meter
    from divmetrics.scoring.plan import Plan

__all__ = ["Collected", "EncoderInfo", "Meter", "Plan"]

if not TYPE_CHECKING:  # `score` and `gate` are modules here; the functions are in `divmetrics`
    __getattr__, __dir__ = _lazy_exports(
        __name__,
        {
            "Collected": "scoring.collected",
            "EncoderInfo": "scoring.collected",
            "Meter": "scoring.meter",
            "Plan": "scoring.plan",
        },
    )

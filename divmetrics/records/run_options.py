"""The options of a run, each declared once; see `divmetrics.records.keywords` for what follows from a declaration."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from divmetrics.records.extractor import ExtractorChoice
from divmetrics.records.keywords import DeviceLike, Help, OptionRecord

Names = str | Sequence[str]
PathLike = str | os.PathLike[str]
MAX_PIXELS = 89_478_485
"""Pillow's bound, whatever the process has set: a quarter of a GiB as 8-bit RGB."""

LEAST_ALPHA = 0.001
"""Least false-alarm rate of a verdict: 999 permutations give no smaller p-value."""
CI_LEVELS = 0.01, 0.999999
"""Least and greatest level of an interval: beyond, quantiles of the normal distribution are 0 or have no digits."""


@dataclass(frozen=True)
class RunOptions(OptionRecord):
    """Where and how fast features are computed, which samples may be missing, and what is kept between runs."""

    device: Annotated[
        str | DeviceLike,
        Help(
            "Device that runs the networks; auto takes CUDA before MPS before the CPU.",
            "auto|cpu|cuda[:i]|mps",
            in_python="Or a `torch.device`.",
        ),
    ] = "auto"
    batch_size: Annotated[int | Literal["auto"], Help("Images shown to the network at once.", at_least=1)] = "auto"
    workers: Annotated[
        int | Literal["auto"], Help("Threads or processes that decode images; 0 decodes in this process.", at_least=0)
    ] = "auto"
    max_skipped: Annotated[
        float,
        Help(
            "Share of unreadable samples that is skipped and listed; a larger share is an error.",
            "SHARE",
            at_least=0,
            at_most=1,
        ),
    ] = 0.01
    max_pixels: Annotated[
        int,
        Help(
            "Pixels of an image at most; a larger one is skipped and listed, before it is decoded.",
            "N",
            at_least=1,
        ),
    ] = MAX_PIXELS
    precision: Annotated[
        Literal["float32", "fast"],
        Help("fast computes features in float16 on a GPU and in bfloat16 on a CPU that has it; signatures record it."),
    ] = "float32"
    jpeg: Annotated[
        Literal["pillow", "device"],
        Help(
            "Decoder of JPEG files. device decodes them where the network runs, which changes pixels by a grey level "
            "or two; signatures record it."
        ),
    ] = "pillow"
    cache: Annotated[
        bool | PathLike,
        Help(
            "Folder that keeps features between runs, in place of the one in DIVMETRICS_CACHE or where this system "
            "keeps caches.",
            "DIR",
            in_python="True takes the usual folder, False keeps nothing.",
        ),
    ] = True
    progress: Annotated[bool, Help("Show a progress bar on stderr where that is a terminal.", command_line=False)] = (
        False
    )
    distributed: Annotated[
        bool,
        Help(
            "Share the work among the ranks of the torch.distributed process group, each of which makes the same "
            "calls; every rank gets the same result. Without it each process works alone.",
            command_line=False,
        ),
    ] = False


@dataclass(frozen=True)
class Questions(OptionRecord):
    """What is asked about two sets of samples besides the values of the metrics."""

    ci_level: Annotated[
        float,
        Help(
            "Level of confidence intervals and null bands; 0 leaves out the intervals.",
            "SHARE",
            at_least=CI_LEVELS[0],
            at_most=CI_LEVELS[1],
            or_zero=True,
        ),
    ] = 0.95
    null: Annotated[
        bool,
        Help("Give each metric its null band: the values it takes where real and fake come from one distribution."),
    ] = True
    alpha: Annotated[
        float,
        Help(
            "False-alarm rate of the verdict: how often a faithful generator is accused of anything.",
            "SHARE",
            at_least=LEAST_ALPHA,
            below=0.5,
        ),
    ] = 0.01
    tolerance: Annotated[
        float,
        Help(
            "Loss of diversity that a healthy generator may have: 0.1, or 10%.",
            "SHARE",
            at_least=0.001,
            below=1,
            in_python="In Python a number.",
        ),
    ] = 0.1
    modes: Annotated[
        int | None,
        Help(
            "Number of clusters of the real samples that serve as modes. Without it the classes do; where there are no "
            "classes, as many clusters as the real samples show.",
            "N|auto",
            at_least=1,
        ),
    ] = None
    mode_table: Annotated[
        bool,
        Help("Make the table of modes where neither a preset nor a metric asks for it, too.", command_line=False),
    ] = False
    samples: Annotated[
        bool,
        Help("Fill `report.samples` with everything known about single samples, one value each.", command_line=False),
    ] = False
    exhibits: Annotated[
        bool,
        Help(
            "Add to the report what its page shows: galleries of samples, maps, curves, and the modes by themselves.",
        ),
    ] = False
    confusion: Annotated[
        Any,
        Help(
            "Confusion matrix of the classifier that gave the classes, [classes, classes], row = true class, classes "
            "in sorted order: an array, or a .npy or .csv file. The shares of the modes are corrected for its errors.",
            "PATH",
        ),
    ] = None


@dataclass(frozen=True)
class MetricOptions(OptionRecord):
    """Which metrics are measured."""

    metrics: Annotated[
        Names,
        Help(
            "Metrics or a preset, see `divmetrics list metrics` and `list presets`: quick, or fid,recall:k=3.",
            "NAME[:opt=value],...",
            short="-m",
        ),
    ] = "default"


@dataclass(frozen=True)
class ExtractorOptions(OptionRecord):
    """Which networks turn samples into features, and the seed of every draw."""

    extractor: Annotated[
        ExtractorChoice,
        Help(
            "Network that turns images into features, see `divmetrics list extractors`; options follow as a query: "
            "'pixels?size=32'.",
            "NAME[,NAME]",
            short="-e",
            in_python="Or a torch module, a function from images [b, 3, h, w] to features [b, d], an `Encoder`, a "
            "list of these.",
        ),
    ] = "efficientnet-lite0"
    weights: Annotated[PathLike | None, Help("Weights file for the extractor, in place of its own.", "PATH")] = None
    seed: Annotated[int, Help("Seed of every random draw.", "N", at_least=0)] = 0


@dataclass(frozen=True)
class SampleOptions(OptionRecord):
    """Which samples of a source are taken, and their classes."""

    num: Annotated[
        int | None, Help("Draw N samples from each side, without replacement, by the seed.", "N", at_least=1)
    ] = None
    labels: Annotated[
        PathLike | None, Help("Class names of the samples: a csv file with the columns path,label.", "PATH")
    ] = None


SOURCE = (
    "a folder, .zip, .tar, .npy, .npz, .pt or .dms file (several .dms joined by +), a pattern such as 'real/*.png', a "
    "list of paths, an array or tensor of images "
    "[n, h, w, c] or of features [n, d], a torch Dataset or DataLoader, or an iterable of batches"
)


@dataclass(frozen=True)
class _Pair:
    real: Annotated[Any, Help(f"The reference samples: {SOURCE}.")]
    fake: Annotated[Any, Help("The samples to be judged, as `real`.")]


@dataclass(frozen=True)
class _Several:
    real: Annotated[Any, Help(f"The reference samples: {SOURCE}.")]
    fakes: Annotated[
        Any,
        Help(
            "The generators: a mapping of names to their samples, each as `real`; or a list of paths, which are named "
            "after their files and folders. Keys that are whole numbers are steps of a training run."
        ),
    ]


@dataclass(frozen=True)
class StepOptions(OptionRecord):
    """Whether generators are checkpoints."""

    steps: Annotated[
        bool,
        Help(
            "The generators are checkpoints of one run: their names hold the step (step_001000/), a pattern stands for "
            "all that match, and the first step at which diversity fell is named."
        ),
    ] = False


@dataclass(frozen=True)
class _HeldOut:
    held_out: Annotated[
        Any,
        Help(
            "Real samples that the generator was not trained on; `real` is then its training set. c_t and fld need "
            "them.",
            "SOURCE",
        ),
    ] = None


@dataclass(frozen=True)
class _Extraction:
    source: Annotated[Any, Help(f"The samples: {SOURCE}.")]
    out: Annotated[PathLike, Help("The .dms file to be written, whole or not at all.")]


@dataclass(frozen=True)
class _SavedMeter:
    path: Annotated[PathLike, Help("The .dms file that `Meter.save` wrote.")]


# The requests. Fields of the last base come first.


@dataclass(frozen=True)
class PlanRequest(Questions, ExtractorOptions, MetricOptions):
    """Arguments of `Plan.of`: what is to be measured, whatever the samples and the machine."""


@dataclass(frozen=True)
class MeterRequest(RunOptions, PlanRequest):
    """Arguments of `Meter`."""


@dataclass(frozen=True)
class LoadRequest(RunOptions, Questions, MetricOptions, _SavedMeter):
    """Arguments of `Meter.load`."""


@dataclass(frozen=True)
class ExtractRequest(RunOptions, SampleOptions, ExtractorOptions, _Extraction):
    """Arguments of `extract`."""


@dataclass(frozen=True)
class ScoreRequest(RunOptions, Questions, _HeldOut, SampleOptions, ExtractorOptions, MetricOptions, _Pair):
    """Arguments of `score`."""


@dataclass(frozen=True)
class CompareRequest(
    RunOptions, Questions, StepOptions, _HeldOut, SampleOptions, ExtractorOptions, MetricOptions, _Several
):
    """Arguments of `compare`."""

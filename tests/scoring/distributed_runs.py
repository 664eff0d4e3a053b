"""What `test_distributed.py` starts on each rank: runs of `score` and `Meter`, their results as plain JSON.

`python distributed_runs.py RANK RANKS FOLDER`; FOLDER holds the samples, and takes `RANK-of-RANKS.json`.
"""

import json
import sys
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from torch import distributed as td
from torch.utils.data import DistributedSampler

import divmetrics as dm
from divmetrics.arrays.pairs import _distances
from divmetrics.scoring.collected import Collected
from divmetrics.scoring.score import extract
from divmetrics.sources import open_source

QUIET = {"device": "cpu", "workers": 0, "distributed": True}
FEATURES = "fid,recall:k=3,kid,intra_fid,modes_found"
SMALL = "pixels?size=8"
LARGE = {"metrics": "fid,ms_ssim:pairs=40", "extractor": "pixels", "ci_level": 0, "null": False}
RANKS = 4
"""Batches are dealt to at most so many ranks."""


def said(report: dm.Report) -> dict[str, Any]:
    """Everything in a report but what depends on time and on the number of processes."""
    whole = json.loads(report.to_json())
    for result in whole["metrics"].values():
        del result["seconds"]
    kept = {name: whole[name] for name in ("real", "fake", "held_out", "metrics", "modes") if name in whole}
    samples = {side: {name: list(map(str, values)) for name, values in c.items()} for side, c in report.samples.items()}
    return {**kept, "samples": samples}


def images(folder: Path, **options: Any) -> dict[str, Any]:
    """Folders of images with classes, some of which cannot be read."""
    given = {"metrics": "fid,precision,modes_found", "extractor": SMALL, "max_skipped": 0.5, **QUIET}
    return said(dm.score(folder / "real", folder / "fake", **{**given, **options}))


def arrays(folder: Path) -> dict[str, Any]:
    """Arrays of features, with held-out samples, cut down by the seed, every sample described."""
    real, fake, held_out = (folder / f"{name}.npy" for name in ("real", "fake", "held_out"))
    options = {
        "metrics": "fid,recall:k=3,c_t:cells=1,duplicate_fraction",
        "num": 40,
        "seed": 3,
        "samples": True,
        **QUIET,
    }
    return said(dm.score(real, fake, held_out=held_out, **options))


def batches(folder: Path, rank: int, ranks: int) -> dict[str, Any]:
    """A training loop: each rank adds its own batches with their classes; one of them adds none."""
    meter = dm.Meter(FEATURES, **QUIET)
    for side in ("real", "fake"):
        rows = np.load(folder / f"{side}.npy")
        labels = [f"class {i % 3}" for i in range(len(rows))]
        cuts = np.linspace(0, len(rows), 4 * RANKS + 1).astype(int)
        share = range(4 * RANKS * rank // ranks, 4 * RANKS * (rank + 1) // ranks)
        for start, end in [(cuts[i], cuts[i + 1]) for i in share]:
            meter.add(side, rows[start:end], labels=labels[start:end])
    return said(meter.results())


def streams(folder: Path, rank: int, ranks: int) -> dict[str, Any]:
    """Samples that come once: each rank has a stream of its own."""
    meter = dm.Meter("fid,recall:k=3,kid", samples=True, **QUIET)
    for side in ("real", "fake"):
        rows = np.load(folder / f"{side}.npy")
        own = rows[len(rows) * rank // ranks : len(rows) * (rank + 1) // ranks]
        meter.take(side, open_source((own[i : i + 5] for i in range(0, len(own), 5)), side=side))
    report = said(meter.results())
    for columns in report["samples"].values():
        for name in (
            "path",
            "nearest_real",
            "nearest_fake",
            "covered_by",
        ):  # named by the place in the rank's own stream
            columns.pop(name, None)
    return report


def files(folder: Path, rank: int, ranks: int) -> dict[str, Any]:
    """Files of features, one after the other, then a source that the ranks share; saved and loaded again."""
    for name in ("real", "fake"):
        extract(folder / name, folder / f"{ranks}-{name}.dms", extractor=SMALL, max_skipped=0.5, **QUIET)
    meter = dm.Meter("fid,recall:k=3,precision", SMALL, max_skipped=0.5, **QUIET)
    wait_for_all(ranks)
    real, fake = (Collected.load(folder / f"{ranks}-{name}.dms") for name in ("real", "fake"))
    meter.take("real", real)
    meter.take("fake", fake)
    meter.take("fake", real)
    meter.take("fake", open_source(folder / "real", side="fake"))
    meter.save(folder / f"{ranks}-meter.dms")
    wait_for_all(ranks)
    loaded = dm.Meter.load(folder / f"{ranks}-meter.dms", "fid,recall:k=3,precision", **QUIET)
    merged = dm.Meter("fid,recall:k=3,precision", SMALL, **QUIET)
    merged.merge(loaded)
    return {"meter": said(meter.results()), "loaded": said(loaded.results()), "merged": said(merged.results())}


def padded(folder: Path, rank: int, ranks: int) -> list[str]:
    """What is said of samples that a padding sampler deals out: in batches, as a stream, and without padding."""
    rows = np.load(folder / "real.npy")[: 8 * ranks + 1]
    sampler: Any = DistributedSampler(rows, ranks, rank, shuffle=True, seed=3)  # type: ignore[arg-type]
    dealt = rows[list(sampler)]
    meter = dm.Meter("fid", **QUIET)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for start in range(0, len(dealt), 4):
            meter.add("real", dealt[start : start + 4])
        meter.take("fake", open_source((dealt[i : i + 4] for i in range(0, len(dealt), 4)), side="fake"))
        meter.add("held_out", rows[rank::ranks])
        meter.results()
        meter.results()
    return [str(warning.message) for warning in caught]


def compared(folder: Path) -> list[Any]:
    """Two generators against the same real samples, with the differences between them."""
    fakes = {"a": folder / "fake.npy", "b": folder / "held_out.npy"}
    found = dm.compare(folder / "real.npy", fakes, metrics="recall:k=3", null=False, **QUIET)
    return [ranking.to_json() for ranking in found.ranking]


def own_rows(folder: Path, side: str, rank: int) -> np.ndarray:
    return np.load(folder / f"{side}.npy")[10 * rank : 10 * rank + 10]


def wait_for_all(ranks: int) -> None:
    """Until rank 0 has written its file."""
    if ranks > 1:
        td.barrier()


RULES = ({"rules": {"fid": {"max": 9.0}}}, {"rules": {"fid": {"most": 9.0}}})


def refused(run: Callable[[], Any]) -> list[str]:
    """How a run fails: type and sentence."""
    try:
        run()
    except Exception as error:
        return [type(error).__name__, str(error)]
    return ["no error"]


def refusals(folder: Path, rank: int) -> dict[str, list[str]]:
    """Runs in which one rank asks for something else, or fails alone, at each step on the way."""
    real, fake = np.load(folder / "real.npy"), np.load(folder / "fake.npy")
    last = rank == td.get_world_size() - 1
    other = real + 1 if last else real
    broken = np.where(np.arange(len(real))[:, None] == len(real) - 1, np.nan, real)  # in the share of the last rank
    return {
        "another metric": refused(lambda: dm.Meter("fid" if last else "kid", **QUIET)),
        "another option": refused(lambda: dm.Meter("recall:k=3" if last else "recall:k=4", **QUIET)),
        "another extractor": refused(lambda: dm.Meter("fid", "pixels?size=8" if last else "pixels", **QUIET)),
        "another seed": refused(lambda: dm.score(real, fake, metrics="fid", seed=int(last), **QUIET)),
        "another level": refused(lambda: dm.score(real, fake, metrics="fid", ci_level=0.9 if last else 0.5, **QUIET)),
        "another size": refused(lambda: dm.score(real[: 40 + last], fake, metrics="fid", **QUIET)),
        "other samples": refused(lambda: dm.score(other, fake, metrics="fid", **QUIET)),
        "a typing error": refused(lambda: dm.Meter("recal" if last else "recall", **QUIET)),
        "no such folder": refused(lambda: dm.score(folder / ("absent" if last else "real"), folder / "fake", **QUIET)),
        "a row that is NaN": refused(lambda: dm.score(broken, fake, metrics="fid", **QUIET)),
        "too many unreadable": refused(lambda: images(folder, max_skipped=0.0)),
        "too many unreadable without a cache": refused(lambda: images(folder, max_skipped=0.0, cache=False)),
        "a level out of range": refused(lambda: dm.score(real, fake, metrics="fid", ci_level=2.0 * last, **QUIET)),
        "an unknown keyword": refused(lambda: dm.Meter(**QUIET, **{"metrisc" if last else "metrics": "fid"})),
        "an unknown rule": refused(lambda: dm.gate(real, fake, config=RULES[last], **QUIET)),
        "an unknown keyword of load": refused(
            lambda: dm.Meter.load(folder / "no.dms", **QUIET, **({"n": 1} if last else {}))
        ),
        "too few samples": refused(lambda: dm.score(real[:3], fake, metrics="recall", **QUIET)),
        "a refused batch": gives_up(broken if last else real, come=not last),
        "two refused batches, and all come": gives_up(broken, come=True),
    }


def gives_up(rows: np.ndarray, *, come: bool) -> list[str]:
    """A rank that is refused a batch, and does not come to the collective call of the others."""
    meter = dm.Meter("fid", **QUIET)
    added = refused(lambda: meter.add("real", rows))
    return refused(meter.results) if come else added


def absent(rank: int, ranks: int) -> list[str]:
    """A rank that does not come, without a word."""
    meter = dm.Meter("fid", **QUIET)
    store = td.distributed_c10d._get_default_store()
    before = store.timeout
    store.set_timeout(timedelta(seconds=0.5))
    try:
        return refused(meter.results) if rank < ranks - 1 else ["Unavailable", f"rank {ranks - 1} has not come"]
    finally:
        store.set_timeout(before)


def main(rank: int, ranks: int, folder: Path) -> None:
    if ranks > 1:
        td.init_process_group("gloo", init_method=f"file://{folder}/meeting-{ranks}", rank=rank, world_size=ranks)
    _distances.BLOCK = 16  # several blocks a rank
    found: dict[str, Any] = {
        "images": images(folder),
        "images without a cache": images(folder, cache=False, **LARGE),
        "arrays": arrays(folder),
        "batches": batches(folder, rank, ranks),
        "streams": streams(folder, rank, ranks),
        "files": files(folder, rank, ranks),
        "compared": compared(folder),
    }
    if ranks > 1:
        report = dm.score(np.load(folder / "real.npy"), np.load(folder / "fake.npy"), metrics="fid", **QUIET)
        meter = dm.Meter("fid", **QUIET)
        meter.add("real", own_rows(folder, "real", rank))
        meter.add("fake", own_rows(folder, "fake", rank))
        found["world size"] = [report.meta["world_size"], meter.results().meta["world_size"]]
        found["padded"] = padded(folder, rank, ranks)
        found["refusals"] = refusals(folder, rank)
        found["absent"] = absent(rank, ranks)
        alone = {**QUIET, "distributed": False}
        own = np.load(folder / "real.npy")[rank:], np.load(folder / "fake.npy")
        found["alone"] = dm.score(*own, metrics="fid", **alone)["fid"].value == dm.metrics.fid(*own)
        td.destroy_process_group()
    (folder / f"{rank}-of-{ranks}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))

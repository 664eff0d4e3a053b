"""Peak memory of runs on large images: 16 PNGs of 88 megapixels and 64 JPEGs of 12 megapixels on each side.

    python benchmarks/large_images.py              ten minutes on two cores
    python benchmarks/large_images.py --quick      a few smaller images, to see that everything runs

Each line is a process of its own; the figure is the most memory that it has held, libraries included, in 10^9 bytes.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

MEASURED = """
import sys
from divmetrics.cli._main import run
try:
    code = run(sys.argv[1:])
except SystemExit as ended:
    code = ended.code
print("rc", code, "VmHWM", *[line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")], "kB")
"""
METER = """
import sys
import divmetrics as dm
from divmetrics.sources import open_source
meter = dm.Meter("fid", cache=False)
meter.take("real", open_source(sys.argv[1]))
meter.take("fake", open_source(sys.argv[2]))
meter.results()
print("rc 0 VmHWM", *[line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")], "kB")
"""
CASES: dict[str, tuple[str, ...]] = {
    "default": ("--no-cache",),
    "default, a new cache": ("--cache", "CACHE"),
    "default, the cache of the run before": ("--cache", "CACHE"),
    "pixels?size=256 -m ms_ssim": ("--no-cache", "-e", "pixels?size=256", "-m", "ms_ssim"),
    "pixels, refused": ("--no-cache", "-e", "pixels", "-m", "ms_ssim"),
    "--jpeg device": ("--no-cache", "--jpeg", "device"),
}


def make(folder: Path, kind: str, number: int, width: int, height: int) -> None:
    """Images of coloured blocks, which take little on disk."""
    rng = np.random.default_rng(len(folder.as_posix()))
    folder.mkdir(parents=True)
    for i in range(number):
        small = rng.integers(0, 256, (height // 200, width // 200, 3), dtype=np.uint8)
        image = Image.fromarray(small).resize((width, height), Image.Resampling.NEAREST)
        image.save(folder / f"{i}.{kind}", compress_level=1, quality=85)


def peak(program: str, arguments: list[str]) -> tuple[int, float]:
    """Exit code and most memory of a run, in GB."""
    command = [sys.executable, "-c", program, *arguments]
    found = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    code, kilobytes = re.search(r"rc (\d+) VmHWM (\d+) kB", found.stdout).groups()
    return int(code), int(kilobytes) * 1024 / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="4 images of 12 and of 3 megapixels on each side")
    parser.add_argument("--kind", choices=("png", "jpg"), help="only these")
    quick = parser.parse_args().quick
    sets = {
        "png": (4, 3400, 3400) if quick else (16, 9400, 9400),
        "jpg": (4, 2000, 1500) if quick else (64, 4000, 3000),
    }
    table = Table("images a side", "run", "exit code", "GB")
    for kind, (number, width, height) in sets.items():
        if kind != (parser.parse_args().kind or kind):
            continue
        with TemporaryDirectory() as name:
            sides = [Path(name) / side for side in ("real", "fake_")]
            for side in sides:
                make(side, kind, number, width, height)
            what, paths = f"{number} {kind}, {width * height / 1e6:.0f} megapixels", [str(side) for side in sides]
            for case, options in CASES.items():
                filled = [option.replace("CACHE", f"{name}/cache") for option in options]
                code, gigabytes = peak(MEASURED, ["score", *paths, "--quiet", *filled])
                table.add_row(what, case, str(code), f"{gigabytes:.2f}")
                sys.stderr.write(f"{what}; {case}: {code}, {gigabytes:.2f} GB\n")
            code, gigabytes = peak(METER, paths)
            table.add_row(what, "Meter", str(code), f"{gigabytes:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()

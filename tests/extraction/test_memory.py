"""Memory that large images and hostile files take, as the system counts it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MEASURED = r"""
import re, resource, sys
from pathlib import Path
import divmetrics as dm
_, folder, out, options = sys.argv
dm.score(folder, folder, ci_level=0, null=False, workers=2, **{"metrics": "fid", **eval(options)})
status = Path("/proc/self/status")
if status.exists():  # ru_maxrss counts what the parent held before this program was loaded, too
    print(1024 * int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]))
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow  # 88 megapixels are resized in seconds
@pytest.mark.parametrize(
    ("side", "number", "kind", "options"),
    [
        (9400, 3, "png", "dict(cache=False)"),
        (3500, 8, "png", "dict(extractor='pixels?size=32', cache=out)"),
        (3500, 24, "jpg", "dict(extractor='pixels?size=32', jpeg='device', cache=False)"),
        (1640, 12, "png", "dict(extractor='pixels', metrics='ms_ssim:pairs=8', cache=False)"),
    ],
)
def test_large_images_take_less_than_two_gigabytes(
    tmp_path: Path, side: int, number: int, kind: str, options: str
) -> None:
    """16 PNGs of 88 megapixels, 4 MB on disk, took 10.2 GB, 64 JPEGs of 12 megapixels 3.2 GB, MS-SSIM at 2.7 3 to 4."""
    (tmp_path / "set").mkdir()
    image = np.full((side, side, 3), (10, 200, 30), np.uint8)
    for i in range(number):
        image[:, i] += 1  # of equal images one is read
        Image.fromarray(image).save(tmp_path / "set" / f"{i}.{kind}", compress_level=1)
    command = [sys.executable, "-c", MEASURED, tmp_path / "set", tmp_path / "cache", options]
    found = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    assert float(found.stdout) < 2e9

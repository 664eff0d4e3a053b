"""Memory that large images and hostile files take, as the system counts it."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

MEASURED = r"""
import re, resource, sys
from pathlib import Path
import divmetrics as dm
dm.extract(sys.argv[1], sys.argv[2], cache=False, workers=2)
status = Path("/proc/self/status")
if status.exists():  # ru_maxrss counts what the parent held before this program was loaded, too
    print(1024 * int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]))
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow  # 88 megapixels are resized in seconds
@pytest.mark.parametrize(("side", "number"), [(9400, 3), (3500, 16)])
def test_large_images_take_less_than_two_gigabytes(tmp_path: Path, side: int, number: int) -> None:
    """16 PNGs of 88 megapixels, 4 MB on disk, took 10.2 GB, and 64 JPEGs of 12 megapixels 3.2 GB."""
    (tmp_path / "set").mkdir()
    Image.new("RGB", (side, side), (10, 200, 30)).save(tmp_path / "set" / "0.png")
    for i in range(1, number):
        (tmp_path / "set" / f"{i}.png").hardlink_to(tmp_path / "set" / "0.png")
    command = [sys.executable, "-c", MEASURED, tmp_path / "set", tmp_path / "set.dms"]
    found = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    assert float(found.stdout) < 2e9

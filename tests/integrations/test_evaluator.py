"""`Evaluator`: what it measures, that a training does not notice it, and what it says of mistakes."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import divmetrics as dm
from divmetrics.integrations import Evaluator
from divmetrics.integrations._undisturbed import undisturbed

QUICK = {"ci_level": 0, "null": False, "metrics": "recall:k=3"}
IMAGES = {**QUICK, "extractor": "pixels?size=4"}


def normal(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


def sample(_model: Any, n: int) -> Tensor:
    return torch.randn(n, 2)


def measured(evaluator: Evaluator, model: Any = None) -> dm.Report:
    report = evaluator(model)
    assert report is not None
    return report


class Generator(nn.Module):
    """Dropout and batch normalisation behave differently in training; `frozen` is in evaluation mode always."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen = nn.BatchNorm1d(4).eval()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.4), nn.Linear(8, 2))

    def forward(self, noise: Tensor) -> Tensor:
        return self.net(self.frozen(noise))

    def sample(self, n: int) -> Tensor:
        assert not any(part.training for part in self.modules())
        assert not torch.is_grad_enabled()
        return self(torch.randn(n, 4)) + random.random() + np.random.rand()  # noqa: NPY002


def trained(evaluator: Evaluator | None) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    """Weights after a training that draws from every generator of random numbers, and what was measured."""
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    model, found = Generator(), []
    optimizer = torch.optim.Adam(model.parameters(), 0.05)
    if evaluator is not None:
        evaluator.prepare(model)
    for _ in range(4):
        for batch in torch.utils.data.DataLoader(normal(64), batch_size=16, shuffle=True):
            noise = torch.randn(16, 4) + random.random() + np.random.rand()  # noqa: NPY002
            loss = (model(noise).mean(0) - batch.mean(0)).square().sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if evaluator is not None:
            found.append(measured(evaluator, model).scalars())
    return model.state_dict(), found


def test_a_training_ends_in_the_same_bits_with_and_without_it() -> None:
    with_it, found = trained(Evaluator(normal(80), "sample", num=60, samples_per_call=25, **QUICK))
    without, _ = trained(None)
    assert with_it.keys() == without.keys()
    assert all(torch.equal(with_it[name], without[name]) for name in without)
    assert len(found) == 4
    assert len({values["recall/features"] for values in found}) > 1  # the model changes


def test_modes_and_random_numbers_come_back_also_after_an_error() -> None:
    def state() -> tuple[Any, ...]:
        numpy = np.random.get_state()[1].tolist()  # noqa: NPY002
        return torch.get_rng_state().tolist(), random.getstate(), numpy, [part.training for part in model.modules()]

    def raising(_model: Any, n: int) -> Tensor:
        raise ZeroDivisionError(torch.randn(n), random.random(), np.random.rand())  # noqa: NPY002

    model = Generator()
    before = state()
    with pytest.raises(ZeroDivisionError) as raised:
        Evaluator(normal(20), raising, num=10, **QUICK)(model)
    assert raised.value.__notes__ == ["raised by sample, which divmetrics asked for 10 samples"]
    assert state() == before
    assert torch.is_grad_enabled()


def test_random_numbers_of_gpus_in_use_are_seeded_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for a machine with two of them."""
    calls: list[Any] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: ["first", "second"])
    for name in ("manual_seed_all", "set_rng_state_all"):
        monkeypatch.setattr(torch.cuda, name, calls.append)
    with undisturbed(None, 7):
        assert calls == [7]
    assert calls == [7, ["first", "second"]]
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    with undisturbed(None, 7):
        pass
    assert len(calls) == 2, "a generator that was never used has no state"


def test_a_module_that_changes_its_weights_with_the_mode_is_asked_to_change_them_back() -> None:
    class Merging(nn.Linear):
        merged = False

        def train(self, mode: bool = True) -> "Merging":
            self.merged = not mode
            return super().train(mode)

    model = Merging(2, 2)
    with undisturbed(model, 0):
        assert model.merged
    assert not model.merged


def test_it_measures_what_score_measures_and_the_same_each_time() -> None:
    options = {"num": 60, "metrics": "recall:k=3", "null": False}
    evaluator = Evaluator(normal(80), sample, **options)
    first, again = measured(evaluator), measured(evaluator)
    assert first.scalars() == again.scalars()
    with undisturbed(None, 0):
        drawn = sample(None, 60)
    wanted = dm.score(normal(80), drawn, **options)
    assert (first["recall"].value, first["recall"].ci) == (wanted["recall"].value, wanted["recall"].ci)
    assert measured(Evaluator(normal(80), sample, seed=1, **options)).scalars() != first.scalars()


@pytest.mark.parametrize(
    ("real", "taken"),
    [
        (normal(30), 20),
        (normal(12), 12),
        ((row.numpy() for row in normal(30)), 20),
        (torch.utils.data.DataLoader(normal(30), batch_size=8, shuffle=True), 20),
    ],
    ids=["tensor", "few", "stream", "loader"],
)
def test_at_most_as_many_real_samples_are_taken(real: Any, taken: int) -> None:
    evaluator = Evaluator(real, sample, num=20, **QUICK)
    for _ in range(2):  # a stream is read once
        report = measured(evaluator)
        assert (report.real.n, report.fake.n) == (taken, 20)


def test_held_out_samples_and_files_of_features(tmp_path: Path) -> None:
    dm.extract(normal(40), tmp_path / "real.dms")
    options = {**QUICK, "metrics": "c_t:cells=1", "held_out": normal(30, 1)}
    report = measured(Evaluator(tmp_path / "real.dms", sample, num=30, **options))
    assert report.held_out is not None
    assert report["c_t"].value is not None


@pytest.mark.parametrize("returned", [3, 64])
def test_a_function_may_return_fewer_or_more_than_it_is_asked_for(returned: int) -> None:
    asked = []

    def stubborn(_model: Any, n: int) -> Tensor:
        asked.append(n)
        return torch.randn(returned, 2)

    assert measured(Evaluator(normal(20), stubborn, num=10, samples_per_call=5, **QUICK)).fake.n == 10
    assert max(asked) == 5


MISTAKES: dict[str, tuple[Callable[[Any, int], Any] | str, str]] = {
    "tuple": (lambda _m, n: (torch.rand(n, 3, 4, 4), 1), "sample returned a tuple; return images [n, c, h, w]"),
    "none": (lambda _m, n: None, "sample returned a NoneType; return images"),
    "scalar": (lambda _m, n: torch.tensor(1.0), "sample returned a Tensor; return images"),
    "empty": (lambda _m, n: torch.rand(0, 3, 4, 4), "was asked for 2 samples and returned none"),
    "features": (lambda _m, n: torch.rand(n, 5), "the model makes features [n, d], and the real samples are images"),
    "one image": (lambda _m, n: torch.rand(3, 16, 16), "give one image as [1,c,h,w]"),
    "tanh": (lambda _m, n: 2 * torch.rand(n, 3, 4, 4) - 1, "give (x + 1) / 2"),
    "nan": (lambda _m, n: torch.full((n, 3, 4, 4), torch.nan), "these hold NaN or Inf"),
    "no method": ("smaple", "there is no method Generator.smaple; write one that returns n samples"),
}


@pytest.mark.parametrize(("wrong", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_function_is_told_before_the_training(wrong: Any, words: str) -> None:
    with pytest.raises(dm.DivmetricsError) as told:
        Evaluator(torch.rand(8, 3, 4, 4), wrong, **IMAGES).prepare(Generator())
    assert words in str(told.value)


def test_samples_that_cannot_be_measured_may_be_a_warning() -> None:
    def diverged(_model: Any, n: int) -> Tensor:
        return torch.full((n, 2), torch.nan)

    evaluator = Evaluator(normal(20), diverged, num=10, on_error="warn", **QUICK)
    with pytest.warns(UserWarning, match=r"divmetrics measured nothing: fake: .*NaN"):
        assert evaluator(None) is None
    with pytest.raises(dm.MeasureError):
        evaluator.prepare(None)
    with pytest.raises(dm.UsageError):
        Evaluator(normal(20), lambda _m, n: None, num=10, on_error="warn", **QUICK)(None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num": 0}, "num is 0"),
        ({"samples_per_call": True}, "samples_per_call is True"),
        ({"nmu": 3}, "unknown argument of Evaluator 'nmu'. Did you mean 'num'"),
        ({"sead": 3}, "Did you mean 'seed'"),
        ({"metrics": "recal"}, "Did you mean 'recall'"),
        ({"on_error": "wran"}, "Did you mean 'warn'"),
        ({"sample": 3}, "sample is a int"),
    ],
)
def test_wrong_options_are_refused_at_once(options: dict[str, Any], words: str) -> None:
    with pytest.raises(dm.UsageError) as refused:
        Evaluator(normal(9), **{"sample": "sample", **options})
    assert words in str(refused.value)

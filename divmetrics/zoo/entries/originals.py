"""The digits of scikit-learn unchanged and without repetition, a finite source."""

import numpy as np

from divmetrics.records.generator import zoo_model
from divmetrics.zoo.targets import Digits, target


@zoo_model(
    "digits-originals",
    family="target",
    target="digits",
    knob="none: the images as they are",
    cite="scikit-learn",
    support=1797,
)
def originals(n: int, seed: int) -> np.ndarray:
    """`n` of the 1,797 images in random order, without replacement."""
    owner = target("digits")
    assert isinstance(owner, Digits)  # noqa: S101
    images = np.concatenate([owner.originals.drawn, owner.originals.references])
    chosen: np.ndarray = images[np.random.default_rng(seed).permutation(len(images))[:n]].reshape(n, -1)
    return chosen

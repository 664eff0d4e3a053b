"""The digits of scikit-learn as they are, none twice: a source that has an end."""

import numpy as np

from divmetrics.declare import zoo_model
from divmetrics.errors import SourceError
from divmetrics.targets import Digits, target


@zoo_model(
    "digits-originals", family="target", target="digits", knob="none: the images as they are", cite="scikit-learn"
)
def originals(n: int, seed: int) -> np.ndarray:
    """`n` of the 1,797 images in random order, without replacement."""
    owner = target("digits")
    assert isinstance(owner, Digits)  # noqa: S101
    images = np.concatenate([owner.originals.drawn, owner.originals.judges])
    if n > len(images):
        raise SourceError(f"digits-originals has {len(images)} images and none twice, n={n} is more; lower n.")
    chosen: np.ndarray = images[np.random.default_rng(seed).permutation(len(images))[:n]].reshape(n, -1)
    return chosen

"""A generator too small for its task."""

from divmetrics.gans import Gan
from divmetrics.trained import trained
from divmetrics.training import Data

trained(
    "grid-25-soft-gan-weak-generator",
    Gan(Data("grid-25-soft"), 4000, width=6, latent=2),
    family="gan",
    knob="generator of width 6",
    cite="field notes 2.4",
)

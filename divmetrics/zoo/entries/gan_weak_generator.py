"""GANs whose generator is too small."""

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.gans import Gan
from divmetrics.zoo.models.training import Data

trained(
    "grid-25-soft-gan-weak-generator",
    Gan(Data("grid-25-soft"), 4000, width=6, latent=2),
    family="gan",
    knob="generator of width 6",
    cite="field notes 2.4",
)

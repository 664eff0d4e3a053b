"""Plain GANs: with a critic that keeps up, and with one that learns too slowly, so that modes are visited in turn."""

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.gans import Gan
from divmetrics.zoo.models.training import Data

CITE = "Goodfellow 2014, arXiv:1406.2661"

trained("ring-8-gan", Gan(Data("ring-8"), 2500), family="gan", knob="none: non-saturating loss", cite=CITE)
trained("grid-25-soft-gan", Gan(Data("grid-25-soft"), 6000), family="gan", knob="none: non-saturating loss", cite=CITE)
trained(
    "ring-8-gan-slow",
    Gan.slow(Data("ring-8"), 2500),
    family="gan",
    knob="critic at a tenth of the generator's learning rate",
    cite="Metz 2017, arXiv:1611.02163, rates of the toy",
)

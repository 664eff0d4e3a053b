"""GANs with the least-squares loss in place of the logistic one."""

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.gans import Gan
from divmetrics.zoo.models.training import Data

CITE = "Mao 2017, arXiv:1611.04076"

trained(
    "grid-25-soft-gan-least-squares",
    Gan(Data("grid-25-soft"), 4000, loss="least-squares"),
    family="gan",
    knob="least-squares loss",
    cite=CITE,
)
trained(
    "ring-8-gan-least-squares",
    Gan.slow(Data("ring-8"), 2500, loss="least-squares"),
    family="gan",
    knob="least-squares loss, critic at a tenth of the generator's learning rate",
    cite=CITE,
    untreated="ring-8-gan-slow",
)

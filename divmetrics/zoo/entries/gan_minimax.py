"""The minimax loss, whose gradient vanishes where the critic is confident."""

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.gans import Gan
from divmetrics.zoo.models.training import Data

CITE = "Goodfellow 2014, eq. 1"

trained("ring-8-gan-minimax", Gan(Data("ring-8"), 2500, loss="minimax"), family="gan", knob="minimax loss", cite=CITE)
trained(
    "ring-8-gan-minimax-slow",
    Gan.slow(Data("ring-8"), 2500, loss="minimax"),
    family="gan",
    knob="minimax loss, critic at a tenth of the generator's learning rate",
    cite="Metz 2017, arXiv:1611.02163",
)
trained(
    "grid-25-soft-gan-minimax",
    Gan(Data("grid-25-soft"), 4000, loss="minimax"),
    family="gan",
    knob="minimax loss",
    cite=CITE,
)

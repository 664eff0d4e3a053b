"""Spectral normalisation, which bounds the Lipschitz constant of the critic."""

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.gans import Gan
from divmetrics.zoo.models.training import Data

trained(
    "ring-8-gan-spectral",
    Gan.slow(Data("ring-8"), 2500, loss="hinge", spectral=True),
    family="gan",
    knob="cure: spectral norm on the critic, hinge loss",
    cite="Miyato 2018, arXiv:1802.05957",
    untreated="ring-8-gan-slow",
)

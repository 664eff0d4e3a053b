"""Minibatch discrimination: the critic sees how close the samples of a batch are to each other."""

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.gans import Gan
from divmetrics.zoo.models.training import Data

trained(
    "ring-8-gan-minibatch",
    Gan.slow(Data("ring-8"), 1000, minibatch=8, batch=128),
    family="gan",
    knob="cure: minibatch discrimination",
    cite="Salimans 2016, arXiv:1606.03498",
    untreated="ring-8-gan-slow",
)

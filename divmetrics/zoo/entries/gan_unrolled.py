"""Unrolled GANs: the generator is trained against the critic as it will be some steps later."""

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.gans import Gan
from divmetrics.zoo.models.training import Data

trained(
    "ring-8-gan-unrolled",
    Gan.slow(Data("ring-8"), 1500, unroll=5, batch=128),
    family="gan",
    knob="cure: critic unrolled for 5 steps",
    cite="Metz 2017, arXiv:1611.02163",
    untreated="ring-8-gan-slow",
)

"""Normalising flows: maximum likelihood covers all modes and bridges them, reverse KL seeks single modes."""

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.training import Data
from divmetrics.zoo.models.vae_flow import Flow

CITE = "Dinh 2016, arXiv:1605.08803"

trained(
    "grid-25-soft-flow",
    Flow(Data("grid-25-soft"), 2500),
    family="flow",
    knob="forward KL: the likelihood of the data",
    cite=CITE,
)
trained(
    "grid-25-soft-flow-reverse",
    Flow(Data("grid-25-soft"), 1500, reverse=True),
    family="flow",
    knob="reverse KL, which seeks modes",
    cite=CITE,
)

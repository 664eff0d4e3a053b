"""A critic that is too strong, so that the generator receives no useful gradient."""

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.gans import Gan
from divmetrics.zoo.models.training import Data

trained(
    "grid-25-soft-gan-strong-critic",
    Gan(Data("grid-25-soft"), 1200, loss="minimax", critic_steps=8, critic_width=128),
    family="gan",
    knob="8 steps of a critic of twice the width for one of the generator, minimax loss",
    cite="Arjovsky 2017, arXiv:1701.04862",
)

"""Wasserstein GANs with weight clipping, and with a gradient penalty as the cure."""

from dataclasses import replace

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.gans import Gan
from divmetrics.zoo.models.training import Data

CLIPPED = Gan(Data("ring-8"), 1000, loss="wasserstein", clip=0.03, critic_steps=5, rate=5e-4)
GRID = replace(CLIPPED, data=Data("grid-25-soft"))

for name, clipped in (("ring-8", CLIPPED), ("grid-25-soft", GRID)):
    trained(
        f"{name}-gan-clipped",
        clipped,
        family="gan",
        knob="Wasserstein loss, critic's weights clipped to 0.03",
        cite="Arjovsky 2017, arXiv:1701.07875",
    )
    trained(
        f"{name}-gan-gradient-penalty",
        replace(clipped, clip=0.0, penalty=0.1),
        family="gan",
        knob="Wasserstein loss, gradient penalty",
        cite="Gulrajani 2017, arXiv:1704.00028",
        untreated=f"{name}-gan-clipped",
    )

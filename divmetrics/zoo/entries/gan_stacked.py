"""Convolutional GANs on a thousand modes, from no mode found to most of them."""

from dataclasses import replace

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.gans import Gan
from divmetrics.zoo.models.training import Data

NAME, CITE = "stacked-digits-gan", "Radford 2015, arXiv:1511.06434; Metz 2017"
PLAIN = Gan(
    Data("stacked-digits", 20_000),
    3000,
    body="convolution",
    batch=64,
    latent=32,
    width=16,
    critic_width=16,
    rate=1e-3,
    ratio=0.5,
    batch_norm=True,
)

trained(NAME, PLAIN, family="gan", knob="none: DCGAN with batch norm", cite=CITE)
trained(
    f"{NAME}-packed",
    replace(PLAIN, pack=2),
    family="gan",
    knob="cure: critic sees 2 images at once",
    cite="Lin 2018, arXiv:1712.04086",
    untreated=NAME,
)
trained(
    f"{NAME}-no-norm",
    replace(PLAIN, steps=1000, batch_norm=False),
    family="gan",
    knob="no batch norm, stopped after 1000 steps",
    cite=CITE,
)
for steps in (300, 700, 1000):
    trained(
        f"{NAME}-stopped-{steps}",
        replace(PLAIN, steps=steps),
        family="gan",
        knob=f"stopped after {steps} steps",
        cite=CITE,
    )

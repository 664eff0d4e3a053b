"""Convolutional GANs on digits: collapse without batch norm, cures, and small training sets with their cures."""

from dataclasses import replace

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.gans import Gan
from divmetrics.zoo.models.training import Data

PLAIN = Gan(
    Data("digits"), 1000, body="convolution", batch=64, latent=32, width=16, critic_width=16, rate=1e-3, ratio=0.5
)
NORMED = replace(PLAIN, batch_norm=True)
FEW = replace(NORMED, data=Data("digits", rows=50))

trained("digits-gan", PLAIN, family="gan", knob="convolutions without norm", cite="Radford 2015, arXiv:1511.06434")
trained(
    "digits-gan-batch-norm",
    NORMED,
    family="gan",
    knob="cure: batch norm",
    cite="Radford 2015, arXiv:1511.06434",
    untreated="digits-gan",
)
trained(
    "digits-gan-growing",
    replace(NORMED, growing=True),
    family="gan",
    knob="cure: grown from 4 x 4 to 8 x 8",
    cite="Karras 2017, arXiv:1710.10196",
    untreated="digits-gan-batch-norm",
)
trained(
    "digits-gan-recurrent",
    replace(NORMED, body="recurrent"),
    family="gan",
    knob="generator draws row by row",
    cite="Gregor 2015, arXiv:1502.04623",
)
trained(
    "digits-gan-small-data",
    FEW,
    family="gan",
    knob="50 training images",
    cite="Karras 2020, arXiv:2006.06676",
    copies=True,
)
trained(
    "digits-gan-dropout",
    replace(FEW, dropout=0.3),
    family="gan",
    knob="cure: 50 training images, dropout of 0.3 in the critic",
    cite="Srivastava 2014",
    copies=True,
    untreated="digits-gan-small-data",
)
trained(
    "digits-gan-augmented",
    replace(FEW, augment=True),
    family="gan",
    knob="cure: 50 training images, critic sees them moved and in other brightness",
    cite="Zhao 2020, arXiv:2006.10738",
    copies=True,
    untreated="digits-gan-small-data",
)

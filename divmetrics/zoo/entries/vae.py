"""Variational autoencoders with increasing weight of the prior, up to posterior collapse."""

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.training import Data
from divmetrics.zoo.models.vae_flow import Vae

CITE = "Kingma 2013, arXiv:1312.6114; Higgins 2017"

for beta in (0.1, 1.0, 30.0):
    trained(
        f"grid-25-soft-vae-beta-{beta:g}",
        Vae(Data("grid-25-soft"), 2500, beta=beta),
        family="vae",
        knob=f"beta {beta:g}",
        cite=CITE,
    )

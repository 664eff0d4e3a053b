"""Variational autoencoders, from one that copies its data through to one that forgets them."""

from divmetrics.likelihoods import Vae
from divmetrics.trained import trained
from divmetrics.training import Data

CITE = "Kingma 2013, arXiv:1312.6114; Higgins 2017"

for beta in (0.1, 1.0, 30.0):
    trained(
        f"grid-25-soft-vae-beta-{beta:g}",
        Vae(Data("grid-25-soft"), 2500, beta=beta),
        family="vae",
        knob=f"beta {beta:g}",
        cite=CITE,
    )

"""Variance-preserving diffusion, trained and sampled as in DDPM."""

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.score_models import ScoreModel
from divmetrics.zoo.models.training import Data

CITE = "Ho 2020, arXiv:2006.11239"

trained(
    "grid-25-soft-diffusion",
    ScoreModel(Data("grid-25-soft"), 3000, sampling=500),
    family="score",
    knob="none: 500 steps of sampling",
    cite=CITE,
)
trained(
    "grid-25-soft-diffusion-few-steps",
    ScoreModel(Data("grid-25-soft"), 3000, sampling=30),
    family="score",
    knob="30 steps of sampling",
    cite=CITE,
)

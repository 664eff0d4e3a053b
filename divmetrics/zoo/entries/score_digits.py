"""Diffusion on digits: fully connected layers, attention between patches, colour channels denoised independently."""

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.score_models import ScoreModel
from divmetrics.zoo.models.training import Data

trained(
    "digits-diffusion",
    ScoreModel(Data("digits"), 2500, batch=128, width=128),
    family="score",
    knob="none: residual layers",
    cite="Ho 2020, arXiv:2006.11239",
)
trained(
    "digits-diffusion-attention",
    ScoreModel(Data("digits"), 1500, batch=64, width=32, attention=True),
    family="score",
    knob="cure: attention between 16 patches",
    cite="Peebles 2022, arXiv:2212.09748",
    untreated="digits-diffusion",
)
trained(
    "stacked-digits-diffusion",
    ScoreModel(Data("stacked-digits", 20_000), 4000, batch=128, width=128, apart=True),
    family="score",
    knob="none: residual layers, colour by colour",
    cite="Ho 2020, arXiv:2006.11239",
)

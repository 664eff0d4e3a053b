"""Denoising score matching with enough noise levels, and with too few for the sampler to move between modes."""

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.score_models import ScoreModel
from divmetrics.zoo.models.training import Data

DATA, CITE = Data("grid-25-soft"), "Song 2019, arXiv:1907.05600"

trained(
    "grid-25-soft-score-one-level",
    ScoreModel(DATA, 2500, kind="noise levels", levels=1, smallest=0.05, sampling=200),
    family="score",
    knob="one noise level in place of ten",
    cite=CITE,
)
trained(
    "grid-25-soft-score-three-levels",
    ScoreModel(DATA, 2500, kind="noise levels", levels=3, sampling=60),
    family="score",
    knob="three noise levels in place of ten",
    cite=CITE,
    untreated="grid-25-soft-score-one-level",
)
trained(
    "grid-25-soft-score",
    ScoreModel(DATA, 3000, kind="noise levels", sampling=30),
    family="score",
    knob="none: ten noise levels",
    cite=CITE,
    untreated="grid-25-soft-score-one-level",
)
trained(
    "grid-25-soft-score-stopped",
    ScoreModel(DATA, 150, kind="noise levels", sampling=30),
    family="score",
    knob="stopped after 150 steps",
    cite=CITE,
)

"""Ensembles of score models that each miss some modes: samples in turn, or averaged scores."""

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.score_models import ScoreModel
from divmetrics.zoo.models.training import Data

DATA, CITE = Data("grid-25-soft"), "field notes 0.8"

trained(
    "grid-25-soft-score-short",
    ScoreModel(DATA, 2000, kind="noise levels", sampling=30, lost=4),
    family="score",
    knob="a quarter of the modes is not in the training set",
    cite=CITE,
)
trained(
    "grid-25-soft-score-mixed",
    ScoreModel(DATA, 4500, kind="noise levels", sampling=30, lost=4, members=3),
    family="score",
    knob="cure: three such models, each short of other modes, draw in turn",
    cite=CITE,
    untreated="grid-25-soft-score-short",
)
trained(
    "grid-25-soft-score-averaged",
    ScoreModel(DATA, 4500, kind="noise levels", sampling=30, lost=4, members=3, together="averaged"),
    family="score",
    knob="the mean of the scores of three such models",
    cite=CITE,
    untreated="grid-25-soft-score-short",
)

"""Score models trained on imbalanced modes, and with a loss that balances them."""

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.score_models import ScoreModel
from divmetrics.zoo.models.training import Data

DATA = Data("grid-25-soft", imbalance=1.0)

trained(
    "grid-25-soft-score-imbalanced",
    ScoreModel(DATA, 2500, kind="noise levels", sampling=30),
    family="score",
    knob="mode i weighs 1 / i in the training set",
    cite="field notes 2.3",
)
trained(
    "grid-25-soft-score-reweighted",
    ScoreModel(DATA, 2500, kind="noise levels", sampling=30, balance=True),
    family="score",
    knob="cure: rows weigh in the loss as much as their mode is rare",
    cite="field notes 2.3",
    untreated="grid-25-soft-score-imbalanced",
)

"""Score models with few training samples, which replay them."""

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.score_models import ScoreModel
from divmetrics.zoo.models.training import Data

DATA = Data("grid-25-soft", rows=60)

trained(
    "grid-25-soft-score-memorising",
    ScoreModel(DATA, 4000, kind="noise levels", levels=12, smallest=0.005, sampling=30),
    family="score",
    knob="60 training samples",
    cite="Gu 2023, arXiv:2310.02664",
    copies=True,
)
trained(
    "grid-25-soft-score-noise-injected",
    ScoreModel(DATA, 4000, kind="noise levels", levels=12, smallest=0.005, sampling=30, injected=0.03),
    family="score",
    knob="cure: 60 training samples, fresh noise on them at every step",
    cite="field notes 2.3",
    copies=True,
    untreated="grid-25-soft-score-memorising",
)

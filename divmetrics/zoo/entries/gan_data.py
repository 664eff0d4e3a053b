"""Faults of the training data: missing modes, imbalance, too few samples."""

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.gans import Gan
from divmetrics.zoo.models.training import Data

CITE = "field notes 2.3 and 2.4"
TARGET = "ring-8"

trained(
    f"{TARGET}-gan-low-diversity",
    Gan(Data(TARGET, kept=0.5), 2500),
    family="gan",
    knob="half of the modes are not in the training set",
    cite=CITE,
)
trained(
    f"{TARGET}-gan-imbalanced",
    Gan(Data(TARGET, imbalance=1.5), 2500),
    family="gan",
    knob="mode i weighs i^-1.5 in the training set",
    cite=CITE,
)
trained(
    f"{TARGET}-gan-small-data",
    Gan(Data(TARGET, rows=32), 2500),
    family="gan",
    knob="32 training samples",
    cite=CITE,
    copies=True,
)

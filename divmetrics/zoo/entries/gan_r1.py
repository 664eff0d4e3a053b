"""GANs with the R1 penalty: the squared gradient of the critic at real samples."""

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.gans import Gan
from divmetrics.zoo.models.training import Data

trained(
    "ring-8-gan-r1",
    Gan.slow(Data("ring-8"), 2500, r1=10.0),
    family="gan",
    knob="cure: R1 penalty, gamma 10",
    cite="Mescheder 2018, arXiv:1801.04406",
    untreated="ring-8-gan-slow",
)

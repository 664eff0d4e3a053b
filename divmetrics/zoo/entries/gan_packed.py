"""PacGAN: the critic sees several samples at once and so detects a generator that repeats itself."""

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.gans import Gan
from divmetrics.zoo.models.training import Data

trained(
    "ring-8-gan-packed",
    Gan.slow(Data("ring-8"), 2500, pack=3, batch=255),
    family="gan",
    knob="cure: critic sees 3 samples at once",
    cite="Lin 2018, arXiv:1712.04086",
    untreated="ring-8-gan-slow",
)

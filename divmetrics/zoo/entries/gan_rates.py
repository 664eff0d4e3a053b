"""Learning rate of the generator relative to that of the critic, the most common cause of collapse."""

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.gans import Gan
from divmetrics.zoo.models.training import Data

for ratio in (0.1, 0.3, 3.0, 5.0, 10.0):
    trained(
        f"grid-25-soft-gan-ratio-{ratio:g}",
        Gan(Data("grid-25-soft"), 4000, ratio=ratio),
        family="gan",
        knob=f"generator's learning rate {ratio:g} times the critic's",
        cite="field notes 2.4",
    )

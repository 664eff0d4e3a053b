"""GANs whose training was stopped too early."""

from divmetrics.zoo.models.entry import trained
from divmetrics.zoo.models.gans import Gan
from divmetrics.zoo.models.training import Data

for steps in (100, 500):
    trained(
        f"grid-25-soft-gan-stopped-{steps}",
        Gan(Data("grid-25-soft"), steps),
        family="gan",
        knob=f"stopped after {steps} steps",
        cite="field notes 2.3",
    )

"""What findings follow from which significant tests, whatever made these significant."""

import numpy as np

from divmetrics.arrays.summaries import Rows
from divmetrics.inference.verdict.findings import Found, findings
from divmetrics.inference.verdict.statistics import EMPTIEST_LEADING, Statistic, all_statistics, assignments
from divmetrics.inference.verdict.structures import Structures
from divmetrics.inference.verdict.tested import Tested as AllTests

RNG = np.random.default_rng(0)
CENTRES = 9 * np.eye(4)


def found(**sizes: float) -> list[Found]:
    """The findings where all tests are normal on permutations, and `sizes` on the data; 0 where none is given."""
    sides = (Rows.from_array(CENTRES[np.arange(100) % 4] + RNG.normal(size=(100, 4))) for _ in range(2))
    structures, called = Structures.of(*sides, 0), assignments(100, 100, 199, 0)
    rng = np.random.default_rng(1)
    statistics = []
    for statistic in all_statistics(structures, called):
        values = np.clip(rng.normal(size=200), None, 4.0)
        values[0] = sizes.get(statistic.name, 0)
        if 0 < values[0] < 4:
            values[1:] = np.minimum(values[1:], values[0] - 0.1)  # by itself it is the greatest
        statistics.append(Statistic(statistic.name, values))
    return findings(AllTests(structures, called, statistics, 0.01))


def test_nothing_is_found_where_nothing_is_significant() -> None:
    assert found() == []


def test_clusters_of_leading_components_show_modes_by_themselves() -> None:
    (fault,) = found(**{EMPTIEST_LEADING: 9.0})
    assert (fault.kind, fault.tests) == ("thinned_modes", (EMPTIEST_LEADING,))
    assert fault.partition == "8 leading clusters"


def test_avoided_regions_are_modes_where_shares_tell_by_themselves_and_else_none() -> None:
    (modes,) = found(avoided_16=9.0, thin_clusters=3.0)
    assert (modes.kind, modes.partition, modes.tests) == ("thinned_modes", "clusters", ("avoided_16",))
    (none,) = found(avoided_16=9.0)
    assert (none.kind, none.partition, none.tests) == ("narrow", "", ("avoided_16",))
    assert "though no mode is missing" in none.text
    assert found(avoided_16=9.0, far=9.0)[0].kind == "low_fidelity", "fakes farther out leave the middle empty"
    assert len(found(avoided_16=9.0, far=9.0)) == 1

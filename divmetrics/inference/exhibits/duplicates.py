"""Groups of fake samples that nearly repeat each other, read off the neighbour graph of the verdict."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from divmetrics.inference.verdict.findings import own_distances, repeated_samples
from divmetrics.inference.verdict.statistics import TWIN
from divmetrics.inference.verdict.tested import Tested


def duplicate_groups(tested: Tested) -> tuple[list[list[int]], list[int]]:
    """Groups of near-duplicates, the largest first, and all samples that nearly repeat another one.

    A sample that nearly repeats another belongs together with its nearest fake neighbour and with those that are as
    near, on a logarithmic scale, as this one is rather than as its fifth is; and with those thirty times as near as the
    nearest real sample.

    Args:
        tested: The tests of the verdict.

    Returns:
        Places in the pool: of each group the samples, those nearest to another one first, and of all of them.
    """
    structures = tested.structures
    side = tested.fake[0].astype(np.uint8)
    first, ranked, other = own_distances(tested)
    _, flagged = repeated_samples(tested)
    reach = np.maximum((first + ranked) / 2, other - TWIN)[flagged, None]
    reach = np.maximum(reach, first[flagged, None])  # at least the nearest one
    neighbours, logs = structures.neighbours[flagged], structures.log_distance[flagged]
    joined = (logs <= reach) & (side[neighbours] == 1)
    source = np.repeat(flagged, joined.sum(1))
    total = structures.total
    graph = coo_array((np.ones(len(source), bool), (source, neighbours[joined])), shape=(total, total))
    _, label = connected_components(graph, directed=False)
    members = np.unique(np.concatenate([source, neighbours[joined]]))
    groups: dict[int, list[int]] = {}
    for place in members[np.argsort(first[members], kind="stable")].tolist():
        groups.setdefault(int(label[place]), []).append(place)
    return sorted((group for group in groups.values() if len(group) > 1), key=len, reverse=True), members.tolist()

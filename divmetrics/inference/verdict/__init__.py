"""The verdict: whether a generator is diverse or has collapsed, from one permutation test of many statistics.

`structures` -> `statistics` on data and permutations -> `tested`, with p-values for all together -> `findings`, and
`equivalence`, the claims of a healthy generator -> `judging`.
"""

from divmetrics.inference.verdict.judging import Judged, Naming, Question, drawn_positions, judge
from divmetrics.inference.verdict.report_modes import ModesOfSamples

__all__ = ["Judged", "ModesOfSamples", "Naming", "Question", "drawn_positions", "judge"]

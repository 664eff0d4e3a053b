"""The verdict: whether a generator is diverse or has collapsed, from one permutation test of many statistics.

`structures` -> `statistics` on data and permutations -> `tested`, with p-values for all together -> `findings`, and
`equivalence`, the claims of a healthy generator -> `judging`.
"""

from divmetrics.inference.verdict.judging import Naming, Question, verdict_of

__all__ = ["Naming", "Question", "verdict_of"]

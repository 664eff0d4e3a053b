"""Sanity checks: sample pairs on which the correct response of a metric is known, from Raisa 2025 and others."""

from divmetrics.validation.checks import dimensions, gaussians, mixtures, others, outliers, refills, sizes, supports
from divmetrics.validation.checks._check import CHECKS, ROLES, Check, Curve, Role, SamplePair

__all__ = [
    "CHECKS",
    "ROLES",
    "Check",
    "Curve",
    "Role",
    "SamplePair",
    "dimensions",
    "gaussians",
    "mixtures",
    "others",
    "outliers",
    "refills",
    "sizes",
    "supports",
]

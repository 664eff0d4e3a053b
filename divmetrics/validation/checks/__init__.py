"""Recipes whose right answer is known, one group a file: the checks of Raisa 2025 and of others."""

from divmetrics.validation.checks import dimensions, gaussians, mixtures, others, outliers, refills, sizes, supports
from divmetrics.validation.checks._check import CHECKS, ROLES, Check, Curve, Drawn, Role

__all__ = [
    "CHECKS",
    "ROLES",
    "Check",
    "Curve",
    "Drawn",
    "Role",
    "dimensions",
    "gaussians",
    "mixtures",
    "others",
    "outliers",
    "refills",
    "sizes",
    "supports",
]

"""Extractors, one network family a file. Their record loads an `Encoder` when called with its options."""

from divmetrics.declare import EXTRACTORS

EXTRACTORS.load()

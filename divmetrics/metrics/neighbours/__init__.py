"""Metrics of k-nearest-neighbour balls: precision, recall, density, coverage and their relatives."""

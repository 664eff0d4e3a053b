"""Metrics of Gaussian fits: the Frechet distance and its relatives."""

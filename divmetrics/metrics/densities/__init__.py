"""Metrics of estimated supports and densities: probabilistic, topological, alpha-precision and their recall twins."""

"""Arithmetic that several metric families share: summaries, pairs of samples, splits, clusters, linear algebra."""

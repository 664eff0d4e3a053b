"""Metrics that look for copies and repeats: near-duplicates, data copying, held-out likelihood."""

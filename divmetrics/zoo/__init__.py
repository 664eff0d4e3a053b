"""Generators whose collapse is known. `divmetrics zoo list` shows them, `zoo:NAME` is a source of their samples."""

"""Generators whose collapse is known, one idea a file. `divmetrics zoo list` shows them, `zoo:NAME` is a source."""

"""Validate the metrics on samples with known ground truth: sanity checks, ladders, calibration, report cards."""

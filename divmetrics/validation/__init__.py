"""Metrics on trial: sanity checks, ladders of known collapse, calibration, and the report card that follows."""

"""Metrics of samples counted in clusters: bins, PRD curves, Gaussian modes."""

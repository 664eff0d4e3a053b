"""Metrics of no larger family: MS-SSIM, the classifier two-sample test."""

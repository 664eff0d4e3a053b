"""Metrics of copies and repeats: near-duplicates, the data-copying test, held-out likelihood, nearest-image PSNR."""

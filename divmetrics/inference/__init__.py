"""Statistical inference on results: replicates, confidence intervals, null bands, and which modes are missing."""

"""Metrics of class counts and class probabilities: Inception Score, AM and mode score, modes found, unseen mass."""

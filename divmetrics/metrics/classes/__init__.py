"""Metrics of class counts and class probabilities: Inception Score, modes found, unseen mass."""

"""Kinds of trained generators (GANs, VAEs, flows, score models), their training and their checkpoints."""

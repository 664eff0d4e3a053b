"""What a part says of itself and what comes out of a run: records, registries, results, files. Loads no torch."""

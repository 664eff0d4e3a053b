"""The zoo's entries, one generator family a file; each applies `@zoo_model`."""

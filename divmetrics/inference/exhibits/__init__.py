"""What a report shows: which samples, maps, curves and modes in detail; by places in pools, without names."""

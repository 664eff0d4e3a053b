"""Records: what metrics, extractors and zoo models declare, options, and the results of a run. Loads no torch."""

"""The gate: rules over a report, and the judgement that becomes an exit code."""

"""Rules over a report, and the judgement that becomes an exit code."""

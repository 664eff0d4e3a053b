"""The road from what a user names to a report: plan, collect, measure."""

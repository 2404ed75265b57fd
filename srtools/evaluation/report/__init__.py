"""Room evaluation.report."""

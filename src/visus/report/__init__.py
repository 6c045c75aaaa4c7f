"""The report of a run: one HTML page with curves, tables and images."""

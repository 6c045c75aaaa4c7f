"""Data sets in memory: what the readers have in common once the files are parsed."""

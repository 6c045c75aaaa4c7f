"""Readers of data sets, one file for each name of ``visus list datasets``."""

"""Checks that report everything that is wrong with a data set at once."""

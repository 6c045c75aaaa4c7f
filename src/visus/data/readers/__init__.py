"""Readers of data sets, one in a file. `visus.data.entry` says what their arguments mean and what they raise."""

"""Readers of data sets, one file each: the reader and a writer of a miniature copy in the real layout."""

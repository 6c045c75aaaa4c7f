"""Conversion of annotations from one format to another."""

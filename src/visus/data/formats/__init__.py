"""The file formats that readers share: annotation files, tables, lists of names."""

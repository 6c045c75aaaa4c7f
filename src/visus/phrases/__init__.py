"""Scene graphs in words."""

"""visus: one library for every visual-perception problem, in pure PyTorch."""

__version__ = "0.1.0"

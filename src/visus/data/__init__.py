"""Data sets, augmentation, batches and checks."""

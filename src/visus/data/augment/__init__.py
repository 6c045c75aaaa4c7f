"""Random changes of training samples and batches."""

"""From samples to batches: samplers, collation, loaders."""

"""What the verbs train, evaluate and reproduce do, as functions."""

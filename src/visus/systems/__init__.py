"""The systems: a room for each problem, with the same doors in each."""

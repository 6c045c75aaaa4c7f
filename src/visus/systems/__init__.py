"""The systems: a package for each problem, each with its `PROBLEM`."""

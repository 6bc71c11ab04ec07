"""Benchmarks of convx beside NumPy and SciPy, for asv."""

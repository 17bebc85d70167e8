"""Numeric kernels: what NumPy and SciPy have no fast form of."""

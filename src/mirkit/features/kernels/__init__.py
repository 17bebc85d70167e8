"""Numeric kernels: operations for which NumPy and SciPy have no fast function."""

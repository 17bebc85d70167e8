"""Functions on data sets: statistics, duplicates, splits, verification, status."""

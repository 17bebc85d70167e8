"""Bundles that a trainer loads without changes: the plan, the writers and validators of all targets, the check."""

"""Export of bundles that a trainer loads as they are: the plan, and a writer and a validator for each target."""

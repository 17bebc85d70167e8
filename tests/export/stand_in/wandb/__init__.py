"""Stand-in for wandb in tests: the trainer imports it, and writes to it only with a logger of that kind."""

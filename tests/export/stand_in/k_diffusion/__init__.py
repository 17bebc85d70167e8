"""Stand-in for k_diffusion in tests: the trainer imports it for samplers, which no training step uses."""

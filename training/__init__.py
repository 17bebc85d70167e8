"""Training of the embedded separator: material, rendering, network, evaluation. Not part of the installed package."""

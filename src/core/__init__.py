"""Names that the user manual imports from; the code is in mirkit."""

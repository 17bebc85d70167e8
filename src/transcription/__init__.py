"""Scripts of the user manual; the code is in mirkit."""

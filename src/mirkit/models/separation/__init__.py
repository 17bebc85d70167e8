"""What all separation networks share: applying them to a track in bounded memory.

``overlap_add`` cuts a signal into overlapping segments and joins their outputs. ``inputs`` converts a file to the input
of a network, and stems back to the format of the file. ``network`` is what a network offers, and decides on the
precision. ``separator`` combines them.
"""

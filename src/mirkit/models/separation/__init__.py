"""What all separating networks share: how they are applied to a track in bounded memory.

``lanes`` cuts a signal into overlapping segments and joins what comes out of them, ``sound`` brings a file to what
networks hear and stems back to what the file is, ``precision`` fits the work to the device, and
``separator`` puts them together.
"""

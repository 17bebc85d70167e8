"""Drums from sound to notes, arrays and values only.

What hears the hits differs (``embedded`` here, networks in ``mirkit.models``); how they are picked, how loud they are
and where they stand against the beats is the same for all.
"""

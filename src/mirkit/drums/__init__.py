"""Drums from sound to notes, arrays and values only.

The transcribers differ (``embedded`` here, networks in ``mirkit.models``). How hits are picked from activations, how
loud they are, and where they lie on the beat grid is the same for all.
"""

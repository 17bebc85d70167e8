"""Stand-in for audiotools in tests: the trainer imports it for losses of autoencoders."""


class AudioSignal:
    """Unused."""

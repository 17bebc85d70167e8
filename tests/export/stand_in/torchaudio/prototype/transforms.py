"""Names that release 0.0.20 of the trainer imports for losses of autoencoders."""

from torchaudio.transforms import _Unused


class ChromaSpectrogram(_Unused):
    """Would be made for a discriminator."""

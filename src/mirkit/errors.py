"""The one tree of errors. A message says what, of which track, and how to mend it."""


class MirkitError(Exception):
    """Anything that mirkit reports in one line and that ends a track, or a command, without a traceback."""


class AudioError(MirkitError):
    """Sound that cannot be opened, decoded or written."""


class InfoError(MirkitError):
    """A sidecar file (``.INFO``, grid, curves, provenance) that cannot be read or written."""


class MissingInput(MirkitError):  # noqa: N818 (reads as what it says)
    """A file that a stage needs is not there: a stem, a grid, a track."""


class MissingExtra(MirkitError):  # noqa: N818
    """A package that a backend needs is not installed."""


class WeightsError(MirkitError):
    """Model weights are missing, damaged, or not allowed."""


class ModelError(MirkitError):
    """A model that was loaded and could not do its work: no memory on the card."""


class SettingsError(MirkitError):
    """A wrong option or settings file: bad usage, exit status 2."""

"""The errors of mirkit. A message says what happened, with which file or track, and what to do."""


class MirkitError(Exception):
    """Base class: mirkit reports it in one line, without a traceback, and the track or the command fails."""


class AudioError(MirkitError):
    """Audio cannot be opened, decoded or written, or an array is not valid audio."""


class InfoError(MirkitError):
    """A sidecar (``.INFO``, beat grid, curves, provenance) cannot be read or written."""


class MissingInput(MirkitError):  # noqa: N818 (the name says what is wrong)
    """A file that a stage needs does not exist: a stem, a beat grid, a track."""


class MissingExtra(MirkitError):  # noqa: N818
    """A package that a backend needs is not installed, or a device is not available."""


class WeightsError(MirkitError):
    """Weights of a model are missing, damaged, or refused because of their license."""


class ModelError(MirkitError):
    """A model was loaded and could not compute, for instance because the GPU has no memory left."""


class SettingsError(MirkitError):
    """An option, an argument or a settings file is wrong: exit status 2."""

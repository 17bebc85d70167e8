"""``mirkit.analyze``: the features of a track."""

from collections.abc import Mapping

from mirkit.api.source import AudioInput, Source
from mirkit.catalog import GROUPS, MEASURED, stage, with_needs
from mirkit.errors import SettingsError
from mirkit.features.types import InfoValue, Unknown
from mirkit.stages import Result, stage_function
from mirkit.store import round6
from mirkit.store.compiled import with_kernels


class Features(dict[str, float | int | str | None]):
    """Features and descriptors by name; None where one is unknown. Created by ``analyze``.

    Attributes
    ----------
    reasons : dict of str to str
        Name of each feature that is None -> why.
    metadata : dict of str to dict
        Metadata, such as ``pulse`` and ``bandwidth`` -> ``{"value": ..., "confidence": ...}``.
    """

    def __init__(self, values: Mapping[str, InfoValue], metadata: Mapping[str, dict[str, object]]) -> None:
        super().__init__({name: _plain(value) for name, value in values.items()})
        self.reasons = {name: value.reason for name, value in values.items() if isinstance(value, Unknown)}
        self.metadata = dict(metadata)

    def __reduce__(self) -> tuple[object, ...]:
        # An explicit constructor call, so that pickling and copying keep the attributes.
        return Features, ({**self, **{name: Unknown(why) for name, why in self.reasons.items()}}, self.metadata)


def analyze(audio: AudioInput, group: str = "extract", *, backends: Mapping[str, str] | None = None) -> Features:
    """Measure the features of a track. Nothing is stored.

    Parameters
    ----------
    audio : path or (array, int)
        A track folder, its mix, or a loose audio file; or samples, floating point with full scale 1, shape=(channels,
        n) or (n,), and their sample rate in Hz. Stems beside a file are used; an array is a mix without stems.
    group : str
        Name of a stage or group: ``"rhythm"``, ``"loudness"``, ... (docs/reference/feature_list.md lists them);
        ``"extract"`` runs all of them.
    backends : mapping of str to str, optional
        Task (``"beats"``, ``"classification"``, ``"aesthetics"``) -> name of a backend. The default, ``"auto"`` unless
        the settings name one, is the first whose package and weights are installed, else the embedded one.

    Returns
    -------
    Features
        A dict: name of a feature or descriptor, as in ``.INFO`` -> value, or None where it is unknown; with the
        attributes ``reasons`` (why a value is None) and ``metadata``. Units are those of
        docs/reference/feature_list.md.

    Raises
    ------
    SettingsError
        There is no such group, task or backend.
    MirkitError
        The audio cannot be read, the array is not valid, or a backend cannot be used.

    Examples
    --------
    A click every half second is 120 beats per minute:

    >>> import numpy as np
    >>> import mirkit
    >>> rate = 44100
    >>> clicks = np.zeros(20 * rate, np.float32)
    >>> for time in np.arange(0.5, 20, 0.5):
    ...     clicks[round(time * rate) :][:441] = np.hanning(441)
    >>> features = mirkit.analyze((clicks, rate), "tempo", backends={"beats": "embedded"})
    >>> round(features["bpm"], 1)
    120.0

    What is unknown has a reason:

    >>> silence = mirkit.analyze((np.zeros((2, 5 * rate), np.float32), rate), "loudness")
    >>> silence["lufs"], silence.reasons["lufs"], silence.reasons["lufs_drums"]
    (None, 'silent', 'stem missing')
    """
    named = {name: (name,) for name in MEASURED} | {row.name: row.stages for row in GROUPS}
    if group not in named:
        raise SettingsError(f"no feature group named {group!r}; there are {', '.join(named)}")
    source = Source.of(audio, backends)
    rows = [stage(name) for name in with_needs(named[group])]
    analysis = source.measure(rows)
    results: list[Result] = []
    for row in rows:
        analysis.known = {name: _plain(value) for result in results for name, value in result.values.items()}
        results.append(with_kernels(lambda row=row: stage_function(row)(analysis, source.settings)))  # type: ignore[misc]
    source.report([*analysis.notes, *(note for result in results for note in result.notes)])
    values = {name: value for result in results for name, value in result.values.items()}
    metadata = {name: entry for result in results for name, entry in result.facts.items()}
    return Features(values, metadata)


def _plain(value: InfoValue) -> float | int | str | None:
    """Round a value as in ``.INFO``."""
    if isinstance(value, Unknown):
        return None
    return round6(value) if isinstance(value, float) else value

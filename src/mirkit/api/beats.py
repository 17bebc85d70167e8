"""``mirkit.track_beats``: beats, downbeats and tempo."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mirkit.api.source import AudioInput, Source
from mirkit.catalog import stage
from mirkit.features.types import Unknown
from mirkit.stages import stage_function
from mirkit.store import round6
from mirkit.store.compiled import with_kernels


@dataclass(frozen=True, eq=False)
class BeatEstimate:
    """Beats of a track.

    Attributes
    ----------
    bpm : float or None
        Tempo in beats per minute; None where there is no steady pulse.
    beats : array, float64, shape=(n,)
        Beat times in seconds, ascending.
    downbeats : array, float64, shape=(m,)
        The beats that begin a bar, in seconds.
    confidence : array, float64, shape=(n,)
        Confidence of each beat, 0 to 1.
    time_signature : str or None
        Such as ``"4/4"``; ``"other"`` where none explains the bars, and None where there is no steady pulse.
    time_signature_confidence : float
        0 to 1.
    reasons : dict of str to str
        ``"bpm"`` -> why it is None.
    """

    bpm: float | None
    beats: npt.NDArray[np.float64] = field(repr=False)
    downbeats: npt.NDArray[np.float64] = field(repr=False)
    confidence: npt.NDArray[np.float64] = field(repr=False)
    time_signature: str | None
    time_signature_confidence: float
    reasons: dict[str, str]


def track_beats(
    audio: AudioInput,
    *,
    backend: str | None = None,
    bpm: float | None = None,
    bpm_range: tuple[float, float] | None = None,
    device: str | None = None,
) -> BeatEstimate:
    """Track the beats of a mix. Nothing is stored.

    Parameters
    ----------
    audio : path or (array, int)
        A track folder, its mix, or a loose audio file; or samples, floating point with full scale 1, shape=(channels,
        n) or (n,), and their sample rate in Hz. The drums stem beside a file is used too.
    backend : str, optional
        ``"embedded"``, ``"beat_this"``, or ``"auto"``: the first whose package and weights are installed. The default
        is the one that the settings name, else ``"auto"``. Weights of a backend that is named here are fetched.
    bpm : float, optional
        Tempo known beforehand, in beats per minute; it decides between a tempo, its half and its double.
    bpm_range : (float, float), optional
        Lowest and highest tempo to look for, in beats per minute.
    device : str, optional
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"``: where a network computes.

    Returns
    -------
    BeatEstimate
        Times in seconds, tempo, time signature.

    Raises
    ------
    SettingsError
        An argument is wrong.
    WeightsError, MissingExtra
        The backend cannot be used.
    MirkitError
        The audio cannot be read, or the array is not valid.

    Examples
    --------
    >>> import numpy as np
    >>> import mirkit
    >>> rate = 44100
    >>> clicks = np.zeros(20 * rate, np.float32)
    >>> for time in np.arange(0.5, 20, 0.5):
    ...     clicks[round(time * rate) :][:441] = np.hanning(441)
    >>> estimate = mirkit.track_beats((clicks, rate), backend="embedded")
    >>> round(estimate.bpm, 1)
    120.0
    >>> bool(np.abs(estimate.beats[:4] - [0.5, 1.0, 1.5, 2.0]).max() < 0.02)
    True
    """
    values = {"rhythm.bpm": bpm, "rhythm.bpm_range": bpm_range, "run.device": device}
    source = Source.of(audio, {"beats": backend} if backend else None, values)
    row = stage("beats")
    analysis = source.measure([row])
    result = with_kernels(lambda: stage_function(row)(analysis, source.settings))
    source.report([*analysis.notes, *result.notes])
    tempo, beats = result.values["bpm"], analysis.beats
    return BeatEstimate(
        bpm=None if isinstance(tempo, Unknown) else round6(float(tempo)),
        beats=np.asarray(beats.times, np.float64),
        downbeats=np.asarray(beats.downbeats, np.float64),
        confidence=np.asarray(beats.confidence, np.float64),
        time_signature=beats.meter,
        time_signature_confidence=round(float(beats.meter_confidence), 3),
        reasons={"bpm": tempo.reason} if isinstance(tempo, Unknown) else {},
    )

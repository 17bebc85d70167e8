"""``mirkit.transcribe_drums``: drum hits."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mirkit.api.source import AudioInput, Source
from mirkit.catalog import stage
from mirkit.drums.drum_hits import Hits, velocities
from mirkit.drums.tempo_map import tempo_map
from mirkit.stages.transcription import transcribe
from mirkit.store.compiled import with_kernels
from mirkit.store.midi import format_midi


@dataclass(frozen=True, eq=False)
class DrumTranscription:
    """Drum hits of a track, by instrument.

    Attributes
    ----------
    times : dict of str to array, float64, shape=(n,)
        Instrument -> times of its hits in seconds, ascending.
    velocities : dict of str to array, int64, shape=(n,)
        Instrument -> MIDI velocity of each hit, 1 to 127.
    notes : dict of str to int
        Instrument -> its note on the drum channel of General MIDI.
    source : str
        ``"drums"`` where the stem was transcribed, ``"full_mix"`` for the mix.
    """

    times: dict[str, npt.NDArray[np.float64]]
    velocities: dict[str, npt.NDArray[np.int64]]
    notes: dict[str, int]
    source: str
    _hits: Hits = field(repr=False)

    def to_midi(self, beats: npt.ArrayLike = (), downbeats: npt.ArrayLike = ()) -> bytes:
        """Convert the hits to a Standard MIDI file.

        Parameters
        ----------
        beats, downbeats : array, shape=(n,)
            Times in seconds, for example of :func:`mirkit.track_beats`, that become the quarter notes and bars of the
            file. Without them, the file has 120 quarter notes per minute.

        Returns
        -------
        bytes
        """
        return format_midi(self._hits, tempo_map(np.asarray(beats, np.float64), np.asarray(downbeats, np.float64)))


def transcribe_drums(audio: AudioInput, *, backend: str | None = None, device: str | None = None) -> DrumTranscription:
    """Transcribe the drums of a track. Nothing is stored.

    Parameters
    ----------
    audio : path or (array, int)
        A track folder, its mix, or a loose audio file; or samples, floating point with full scale 1, shape=(channels,
        n) or (n,), and their sample rate in Hz. The drums stem beside a file is transcribed instead of the mix; an
        array may be either.
    backend : str, optional
        ``"embedded"``, ``"adtof"``, ``"drumsep"``, or ``"auto"``: the first whose package and weights are installed.
        The default is the one that the settings name, else ``"auto"``. Weights of a backend that is named here are
        fetched.
    device : str, optional
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"``: where a network computes.

    Returns
    -------
    DrumTranscription
        Times in seconds and velocities of each instrument that the backend distinguishes.

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
    Four low thumps, like those of a bass drum:

    >>> import numpy as np
    >>> import mirkit
    >>> rate = 44100
    >>> t = np.arange(rate // 4) / rate
    >>> thump = (0.8 * np.sin(2 * np.pi * (50 * t - 4 * np.exp(-t / 0.02))) * np.exp(-t / 0.08)).astype(np.float32)
    >>> kicks = np.zeros(4 * rate, np.float32)
    >>> for time in (0.5, 1.2, 2.0, 3.0):
    ...     kicks[round(time * rate) :][: len(thump)] = thump
    >>> drums = mirkit.transcribe_drums((kicks, rate), backend="embedded")
    >>> [round(float(time), 1) for time in drums.times["kick"]], drums.notes["kick"]
    ([0.5, 1.2, 2.0, 3.0], 36)
    """
    source = Source.of(audio, {"drums": backend} if backend else None, {"run.device": device})
    analysis = source.measure([stage("drums")])
    result = with_kernels(lambda: transcribe(analysis, source.settings))
    # An array never has stems, so the note on a missing stem is dropped.
    source.report([*analysis.notes, *(result.notes if source.track else ())])
    hits = result.hits
    names = [instrument.name for instrument in hits.instruments]
    return DrumTranscription(
        times={name: np.asarray(times, np.float64) for name, times in zip(names, hits.times, strict=True)},
        velocities={name: velocities(levels) for name, levels in zip(names, hits.levels, strict=True)},
        notes={instrument.name: instrument.note for instrument in hits.instruments},
        source=result.source,
        _hits=hits,
    )

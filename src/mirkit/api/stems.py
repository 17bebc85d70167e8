"""``mirkit.separate``: the four stems of a mix."""

from contextlib import closing

import numpy as np
import numpy.typing as npt

from mirkit import models, separation
from mirkit.analysis import damage_notes
from mirkit.api.source import AudioInput, Source
from mirkit.audio import HOLD_SECONDS
from mirkit.catalog import STEMS
from mirkit.features.types import ANALYSIS_RATE, FloatArray
from mirkit.stages.separation import neural_stems, presence_of, with_rests
from mirkit.store.compiled import with_kernels
from mirkit.track import REST


def separate(
    audio: AudioInput,
    *,
    backend: str | None = None,
    model: str | None = None,
    device: str | None = None,
    two_stems: str | None = None,
) -> dict[str, npt.NDArray[np.float32]]:
    """Separate a mix into four stems. Nothing is stored.

    The stems are held in memory: four times the size of the mix.

    Parameters
    ----------
    audio : path or (array, int)
        A track folder, its mix, or a loose audio file; or samples, floating point with full scale 1, shape=(channels,
        n) or (n,), and their sample rate in Hz.
    backend : str, optional
        ``"embedded"`` (signal processing, no download), ``"demucs"``, ``"roformer"``, or ``"auto"``: the first whose
        package and weights are installed. The default is the one that the settings name, else ``"auto"``. Weights of a
        backend that is named here are fetched.
    model : str, optional
        Name of one of the backend's models, or a file of weights; default: the backend's own choice.
    device : str, optional
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"``: where a network computes.
    two_stems : str, optional
        One of the stems: only this stem and the rest of the mix are returned.

    Returns
    -------
    dict of str to array, float32, shape=(channels, n)
        ``"drums"``, ``"bass"``, ``"other"`` and ``"vocals"``, or with ``two_stems="vocals"`` the keys ``"vocals"`` and
        ``"no_vocals"``, with the sample rate, the channels and the length of the
        mix. The embedded stems add up to the mix to float32 rounding.

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
    A bass note of 80 Hz is found in the bass stem, and the stems add up to the mix:

    >>> import numpy as np
    >>> import mirkit
    >>> rate = 44100
    >>> note = (0.3 * np.sin(2 * np.pi * 80 * np.arange(4 * rate) / rate)).astype(np.float32)
    >>> stems = mirkit.separate((note, rate), backend="embedded")
    >>> sorted(stems), stems["bass"].shape
    (['bass', 'drums', 'other', 'vocals'], (1, 176400))
    >>> max(stems, key=lambda name: np.square(stems[name]).sum())
    'bass'
    >>> bool(np.allclose(sum(stems.values()), note, atol=1e-6))
    True
    """
    values = {"separation.model": model, "separation.two_stems": two_stems, "run.device": device}
    source = Source.of(audio, {"stems": backend} if backend else None, values)
    method = source.settings.backends.stems
    if method in separation.METHODS:
        mix = source.open(None)
        presence = with_kernels(lambda: presence_of(source.open(ANALYSIS_RATE), method))
        notes = list(presence.notes)
        blocks = with_kernels(lambda: list(separation.separate(mix.blocks(), mix.rate, mix.channels, method, presence)))
    else:
        mix = source.open(None, hold_seconds=HOLD_SECONDS)  # kept in memory: models read it twice, first for its level
        run, stems = neural_stems(mix, source.settings, models.load_separator("stems", source.settings))
        with closing(stems):
            blocks = list(stems)
        notes = list(run.notes)
    source.report([*notes, *damage_notes("full_mix", mix.damage)])
    wanted = source.settings.separation.two_stems
    if wanted:
        blocks = list(with_rests(iter(blocks), mix, (wanted,)))
    names = (wanted, f"{REST}{wanted}") if wanted else STEMS
    return {name: _joined([block[name] for block in blocks], mix.channels) for name in names}


def _joined(blocks: list[FloatArray], channels: int) -> npt.NDArray[np.float32]:
    return np.concatenate([np.zeros((channels, 0), np.float32), *blocks], axis=1, dtype=np.float32)

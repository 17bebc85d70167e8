"""Key, mode and atonality: which of the 24 major and minor keys the pitch classes fit best, and how well.

*Measured*: the key is judged by the mean chroma, the mean chroma of the bass, and how long each major and minor triad
sounds, compared with what is usual in each key; atonality by the correlation of the mean chroma with key profiles,
weighed by how much the pitch classes stand out. *Reading*: the key's ``confidence`` is about the share of such
judgments that is right; there is no key where nothing pitched sounds. ``atonality`` is above 0.9 for noise and
twelve-tone rows, 0.1 to 0.4 for mixes, below 0.2 for a cadence. *Source*: profiles for atonality by Á. Faraldo, S.
Jordà and P. Herrera, "A multi-profile method for key estimation in EDM", AES Semantic Audio 2017; the weights of the
key are fitted on rendered music (``benchmarks/fit_key.py``, docs/how_good/key.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mirkit.features.harmony.chroma import FRAME_RATE, ChromaCurve, mean_chroma
from mirkit.features.harmony.key_weights import PITCHED, WEIGHTS
from mirkit.features.stft import frames_in
from mirkit.features.types import SHORTEST_MUSIC, SILENT, TOO_SHORT, FloatArray, Unknown, Value, Window

PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
NOT_PITCHED = Unknown("no pitched sound")
FEW_PITCHES = Unknown("fewer than three pitch classes")

# Mean pitch class profiles of recorded music ("braw": Faraldo, Jordà, Herrera, "A multi-profile method for key
# estimation in EDM", AES Semantic Audio 2017), from the tonic up. Profiles from scores or from listeners do not include
# overtones and noise.
_MAJOR = (1.0, 0.1573, 0.42, 0.157, 0.5296, 0.3669, 0.1632, 0.7711, 0.1676, 0.3827, 0.2113, 0.2965)
_MINOR = (1.0, 0.233, 0.3615, 0.3905, 0.2925, 0.3777, 0.1961, 0.7425, 0.2701, 0.2161, 0.4228, 0.2272)

#: Standard deviation / mean of a chroma that counts as fully pitched: mixes 0.2 to 0.6, drums 0.2, noise below 0.03.
_FULL_CONTRAST = 0.25
#: Length of the sections that vote for a key (s): much longer than a chord, much shorter than the part in one key.
_PART = 30.0
#: Frames per chord (0.46 s), and sharpness of the decision for one of the 24 triads.
_CHORD_FRAMES, _CHORD_SHARPNESS = 10, 6.0
#: Weight of the triads beside the mean chroma.
_CHORD_WEIGHT = 3.0
#: Frames that a held note keeps its chroma (0.14 s), and the correlation that counts as kept.
_HELD_FRAMES, _HELD = 3, 0.9
#: Least mean of the third strongest pitch class relative to the strongest: a drone has fewer classes, and a tuned drum,
#: whose pitch glides, has little beside them.
_LEAST_THIRD_STEADY, _LEAST_THIRD, _STEADY_TUNING = 0.05, 0.2, 0.95
#: Least log odds of pitched sound, below 0 because loud drums hide the notes of a mix; what lies between this and 0 has
#: a key only with this confidence.
_LEAST_ODDS, _SURE_ODDS, _SURE = -1.5, 0.0, 0.45
#: A single stem tells whether anything pitched sounds if its level is at most this far below that of the source (dB).
_AUDIBLE_DB = 20.0


@dataclass(frozen=True)
class KeyEstimate:
    """A key with the evidence for it.

    Attributes
    ----------
    key : str or Unknown
        Tonic, ``C`` to ``B`` with sharps.
    mode : str or Unknown
        ``major`` or ``minor``.
    confidence : float
        0 to 1; of keys with a confidence near 0.8, eight in ten are right. 0 where the key is unknown.
    """

    key: str | Unknown
    mode: str | Unknown
    confidence: float


def key_fit(chroma: FloatArray) -> FloatArray:
    """Compute how well a chroma vector fits the 24 keys.

    The fit is the correlation with each key's profile, weighted by the contrast of the chroma, because even a flat
    chroma correlates with some profile.

    Parameters
    ----------
    chroma : array, shape=(12,)
        Strength of C, C#, ... B; the scale does not matter.

    Returns
    -------
    fit : array, shape=(2, 12), -1 to 1
        Major and minor, tonics C to B.

    Examples
    --------
    The notes of C major fit C major best, and a flat chroma fits nothing:

    >>> notes = np.array([1, 0, 0.6, 0, 0.8, 0.6, 0, 0.9, 0, 0.6, 0, 0.5])
    >>> int(key_fit(notes).argmax()), bool(abs(key_fit(np.ones(12))).max() < 1e-9)
    (0, True)
    """
    centered = chroma - chroma.mean()
    scale = np.sqrt(_PROFILE_SQUARES * np.square(centered).sum())
    contrast = chroma.std() / max(float(chroma.mean()), 1e-12)
    fit: FloatArray = (_PROFILES * centered).sum(axis=2) / np.maximum(scale, 1e-12)
    fit *= min(1.0, contrast / _FULL_CONTRAST)
    return fit


def _turned(rows: FloatArray) -> FloatArray:
    """Rotate rows of twelve classes to each tonic, shape=(12, ..., 12)."""
    return np.stack([np.roll(rows, tonic, axis=-1) for tonic in range(12)])


#: Profiles of the keys without their means, shape=(2, 12, 12), and the sums of their squares.
_PROFILES = _turned(np.array((_MAJOR, _MINOR)) - np.mean((_MAJOR, _MINOR), axis=1, keepdims=True)).swapaxes(0, 1).copy()
_PROFILE_SQUARES = np.square(_PROFILES).sum(axis=2)


def key(curve: ChromaCurve, window: Window, stems: Sequence[ChromaCurve] = ()) -> KeyEstimate:
    """Key of a window, by a vote of its parts of about 30 s: the key that most of the music is in.

    A mean over a piece that modulates may fit neither of its keys.

    Parameters
    ----------
    curve : ChromaCurve
        Of the source.
    window : Window
        Seconds from the beginning of the curve.
    stems : sequence of ChromaCurve
        Single stems of the source: a voice that shouts or speaks hides the notes of a guitar in the sum of both, but
        not in the guitar's stem.

    Returns
    -------
    KeyEstimate
        ``too short`` below 2 s, ``silent`` without an active frame, ``no pitched sound`` for drums, noise and
        speech, ``fewer than three pitch classes`` for a drone.

    Examples
    --------
    C, F, G, C:

    >>> from mirkit.features.harmony.chroma import ChromaExtractor
    >>> times = np.arange(22050) / 44100
    >>> def chord(*notes):
    ...     return sum(0.2 * np.sin(2 * np.pi * 440 * 2 ** ((note - 69) / 12) * times) for note in notes)
    >>> cadence = (chord(60, 64, 67), chord(65, 69, 72), chord(67, 71, 74), chord(60, 64, 67))
    >>> extractor = ChromaExtractor()
    >>> extractor.push(np.concatenate(6 * cadence).astype(np.float32))
    >>> curve = extractor.finish()
    >>> estimate = key(curve, Window(0, 12))
    >>> estimate.key, estimate.mode, estimate.confidence > 0.6
    ('C', 'major', True)
    """
    frames = frames_in(window, FRAME_RATE, len(curve.chroma))
    if frames.start >= frames.stop or window.duration < SHORTEST_MUSIC:
        return KeyEstimate(TOO_SHORT, TOO_SHORT, 0.0)
    active = curve.active[frames]
    chroma, bass = (part[frames][active].astype(np.float32) / 255 for part in (curve.chroma, curve.bass))
    if not len(chroma):
        return KeyEstimate(SILENT, SILENT, 0.0)
    odds = max(_odds(chroma, curve.agreement), _odds_of_stems(curve, stems, frames))
    if odds < _LEAST_ODDS:
        return KeyEstimate(NOT_PITCHED, NOT_PITCHED, 0.0)
    strongest = np.sort(chroma.mean(axis=0))
    least = _LEAST_THIRD_STEADY if curve.agreement >= _STEADY_TUNING else _LEAST_THIRD
    if strongest[-3] < least * strongest[-1]:
        return KeyEstimate(FEW_PITCHES, FEW_PITCHES, 0.0)
    count = max(1, round(len(chroma) / (_PART * FRAME_RATE)))
    votes = np.zeros((2, 12))
    for part, low in zip(np.array_split(chroma, count), np.array_split(bass, count), strict=True):
        fit = _fits(key_evidence(part, low))
        vote = np.exp(fit - fit.max())
        votes += vote / vote.sum() / count
    if odds < _SURE_ODDS and votes.max() < _SURE:
        return KeyEstimate(NOT_PITCHED, NOT_PITCHED, 0.0)
    mode, tonic = np.unravel_index(int(votes.argmax()), votes.shape)
    return KeyEstimate(PITCH_CLASSES[tonic], ("major", "minor")[mode], float(votes.max()))


def _odds(chroma: FloatArray, agreement: float) -> float:
    """Log odds that active frames are pitched."""
    return float(pitched_evidence(chroma, agreement) @ PITCHED[1:]) + PITCHED[0]


def _odds_of_stems(curve: ChromaCurve, stems: Sequence[ChromaCurve], frames: slice) -> float:
    """Largest log odds of an audible stem that is surely pitched, else minus infinity."""
    level = np.median(curve.level_db[frames][curve.active[frames]])
    found = [-np.inf]
    for stem in stems:
        active = stem.active[frames]
        if active.any() and np.median(stem.level_db[frames][active]) > level - _AUDIBLE_DB:
            found.append(_odds(stem.chroma[frames][active].astype(np.float32) / 255, stem.agreement))
    return max((odds for odds in found if odds >= _SURE_ODDS), default=-np.inf)


def key_evidence(chroma: FloatArray, bass: FloatArray) -> FloatArray:
    """Compute what the key is judged by, each row from C to B.

    Parameters
    ----------
    chroma, bass : array, shape=(frames, 12)
        0 to 1, active frames only.

    Returns
    -------
    array, shape=(4, 12)
        Mean chroma, mean chroma of the bass, share of the major triads and of the minor triads, times three.
    """
    whole = len(chroma) // _CHORD_FRAMES
    chords = chroma[: whole * _CHORD_FRAMES].reshape(whole, -1, 12).mean(axis=1) if whole else chroma.mean(axis=0)[None]
    centered = chords - chords.mean(axis=1, keepdims=True)
    fit = np.einsum("tc,mkc->tmk", centered, _CENTERED_TRIADS)
    fit /= np.maximum(np.sqrt(np.square(centered).sum(axis=1)), 1e-9)[:, None, None]
    share = np.exp(_CHORD_SHARPNESS * fit)
    share /= share.sum(axis=(1, 2), keepdims=True)
    evidence: FloatArray = np.concatenate(
        (chroma.mean(axis=0)[None], bass.mean(axis=0)[None], _CHORD_WEIGHT * share.mean(axis=0))
    )
    return evidence


def pitched_evidence(chroma: FloatArray, agreement: float) -> FloatArray:
    """Compute by what pitched sound is told from drums, noise and speech.

    Parameters
    ----------
    chroma : array, shape=(frames, 12)
        0 to 1, active frames only.
    agreement : float
        See :class:`~mirkit.features.harmony.chroma.ChromaCurve`.

    Returns
    -------
    array, shape=(6,)
        Agreement on the tuning; contrast of the mean chroma; median of the frames' means (low where few classes sound);
        median correlation of frames 0.14 s apart, and share of those that hardly change; entropy of the strongest
        class.
    """
    mean = chroma.mean(axis=0)
    centered = chroma - chroma.mean(axis=1, keepdims=True)
    unit = centered / np.maximum(np.sqrt(np.square(centered).sum(axis=1, keepdims=True)), 1e-9)
    held = (unit[_HELD_FRAMES:] * unit[:-_HELD_FRAMES]).sum(axis=1) if len(unit) > _HELD_FRAMES else np.zeros(1)
    top = np.bincount(chroma.argmax(axis=1), minlength=12) / len(chroma)
    entropy = -float((top[top > 0] * np.log(top[top > 0])).sum())
    contrast = float(mean.std()) / max(float(mean.mean()), 1e-9)
    kept = float(np.mean(held > _HELD))
    return np.array([agreement, contrast, np.median(chroma.mean(axis=1)), np.median(held), kept, entropy])


#: Classes of the triads: major and minor, roots C to B, shape=(2, 12, 12).
_TRIADS = np.array([[np.roll(np.isin(np.arange(12), t), k) for k in range(12)] for t in ((0, 4, 7), (0, 3, 7))], float)


_CENTERED_TRIADS = _TRIADS - _TRIADS.mean(axis=2, keepdims=True)
#: Weights of the evidence for each mode and tonic, shape=(2, 12, evidence * 12).
_KEY_WEIGHTS = _turned(np.array(WEIGHTS)).swapaxes(0, 1).reshape(2, 12, -1)


def _fits(evidence: FloatArray) -> FloatArray:
    """How well the evidence fits each key, shape=(2, 12): the logarithm of its probability, except for a constant."""
    fit: FloatArray = _KEY_WEIGHTS @ evidence.ravel()
    return fit


#: Shortest window (s); shorter ones hold too few notes.
ATONALITY_MIN_SECONDS = 10.0


def atonality(curve: ChromaCurve, window: Window) -> Value:
    """Atonality of a window, 0 to 1: 1 - max(r, 0) · min(1, c / 0.25).

    r is the largest correlation of the mean chroma with the 24 key profiles, c the standard deviation of that chroma
    over its mean. White noise and twelve-tone rows above 0.9, drums 0.6 to 0.85, mixes 0.1 to 0.4, a cadence below 0.2.
    Unknown below 10 s.

    Parameters
    ----------
    curve : ChromaCurve
        Of the source.
    window : Window
        Seconds from the beginning of the curve.

    Returns
    -------
    float
        0 to 1. ``too short`` below 10 s, ``silent`` without an active frame.

    Examples
    --------
    >>> from mirkit.features.harmony.chroma import ChromaExtractor
    >>> times = np.arange(22050) / 44100
    >>> def chord(*notes):
    ...     return sum(0.2 * np.sin(2 * np.pi * 440 * 2 ** ((note - 69) / 12) * times) for note in notes)
    >>> cadence = (chord(60, 64, 67), chord(65, 69, 72), chord(67, 71, 74), chord(60, 64, 67))
    >>> extractor = ChromaExtractor()
    >>> extractor.push(np.concatenate(6 * cadence).astype(np.float32))
    >>> curve = extractor.finish()
    >>> atonality(curve, Window(0, 12)) < 0.1
    True
    """
    if window.duration < ATONALITY_MIN_SECONDS:
        return TOO_SHORT
    mean = mean_chroma(curve, window)
    if isinstance(mean, Unknown):
        return mean
    return 1 - max(0.0, float(key_fit(mean).max()))

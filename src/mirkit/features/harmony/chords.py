"""Chords of a track: major, minor, dominant, minor and major seventh on twelve roots, or none.

*Measured*: by how much each pitch class stands out in the middle register, in the lowest octaves and in the bass, in
steps of half beats; a conditional random field finds the most probable chords, which change at downbeats rather than at
other beats, and there rather than in between. *Reading*: of chords with a ``confidence`` near 0.8, about eight in ten
are right. *Sources*: J. Lafferty, A. McCallum and F. Pereira, "Conditional random fields", ICML 2001; A. Sheh and D.
Ellis, "Chord segmentation and recognition using EM-trained hidden Markov models", ISMIR 2003; M. Mauch and S. Dixon,
"Approximate note transcription for the improved identification of difficult chords", ISMIR 2010 (the spectrum is
compared with its surroundings). The weights are fitted to rendered music (docs/how_good/chords.md).
"""

import numpy as np
import numpy.typing as npt

from mirkit.features.harmony.chord_list import Chord, Chords
from mirkit.features.harmony.chord_steps import Sound, Steps, chord_steps, sound_of
from mirkit.features.harmony.chord_symbols import NONE
from mirkit.features.harmony.chord_weights import BIAS, NO_CHORD, SCALE, STAY, WEIGHTS
from mirkit.features.harmony.chroma import ChromaCurve
from mirkit.features.harmony.key import PITCH_CLASSES
from mirkit.features.rhythm.beats.grid import Beats
from mirkit.features.types import FloatArray

QUALITIES = ("maj", "min", "7", "min7", "maj7")
#: States: 12 roots of each quality, then no chord.
STATES = 12 * len(QUALITIES) + 1
_NONE = STATES - 1
#: Intervals of the products of two pitch classes (semitones).
_WITHIN, _FROM_BASS = range(7), range(12)
#: Added to the length of the pitch classes of a step before they are divided by it: steps without peaks stay small.
_SOFT = 0.1
_LOUD = 8.0
#: Steps that are scored at once, which bounds the memory.
_BLOCK = 2048
_IMPOSSIBLE = -1e4
#: Log weight of a change to one of the other states.
_CHANGE = -float(np.log(STATES - 1))


def chords(tonal: ChromaCurve, bass: ChromaCurve | None, beats: Beats, duration: float) -> Chords:
    """Find the chords of a track.

    Parameters
    ----------
    tonal : ChromaCurve
        Of all pitched sound: of bass, other and vocals, or of the mix.
    bass : ChromaCurve or None
        Of the bass stem, where there is one.
    beats : Beats
        Without beats, chords are found in steps of half a second.
    duration : float
        Seconds.

    Returns
    -------
    tuple of Chord
        From 0 to ``duration``, without gaps.

    Examples
    --------
    C major and A minor, four seconds each:

    >>> from mirkit.features.harmony.chroma import ChromaExtractor
    >>> from mirkit.features.rhythm.beats.grid import NO_BEATS
    >>> times = np.arange(4 * 44100) / 44100
    >>> def chord(*notes):
    ...     tones = [440 * 2 ** ((note - 69) / 12) * k for note in notes for k in (1, 2, 3)]
    ...     return sum(0.1 * np.sin(2 * np.pi * hz * times) for hz in tones)
    >>> extractor = ChromaExtractor()
    >>> extractor.push(np.concatenate((chord(36, 60, 64, 67), chord(33, 60, 64, 69))).astype(np.float32))
    >>> [(chord.symbol, chord.start, chord.end) for chord in chords(extractor.finish(), None, NO_BEATS, 8.0)]
    [('C:maj', 0.0, 4.0), ('A:min', 4.0, 8.0)]
    """
    if duration <= 0:
        return ()
    steps = chord_steps(beats, duration)
    sound = sound_of(steps, tonal, bass)
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(steps.kinds), _BLOCK)]
    scores = SCALE * np.concatenate([_scores(*evidence(_part(sound, block))) for block in blocks])
    scores[~sound.active, :_NONE] = _IMPOSSIBLE
    stay = SCALE * np.array(STAY)[steps.kinds]
    path = best_path(scores, stay)
    sure = probabilities(scores, stay)[np.arange(len(path)), path]
    return _joined(steps, path, sure)


def evidence(sound: Sound) -> tuple[FloatArray, FloatArray]:
    """Compute what chords are judged by.

    Parameters
    ----------
    sound : Sound

    Returns
    -------
    classes : array, shape=(steps, channels, 12)
        From C to B: turned with the root, every chord of a quality has the same weights.
    overall : array, shape=(steps, 10)
        Numbers that do not depend on the root, by which no chord is told from a chord.
    """
    middle, low, bass = (_unit(np.sqrt(sound.classes[:, i])) for i in range(3))
    channels = [
        *(middle, bass, low, sound.classes[:, 0] / _LOUD, sound.classes[:, 2] / _LOUD),
        *(middle * np.roll(middle, -interval, axis=1) for interval in _WITHIN),
        *(bass * np.roll(middle, -interval, axis=1) for interval in _FROM_BASS),
    ]
    strongest = np.sort(middle, axis=1)[:, ::-1]
    overall = [
        *np.log1p(np.square(sound.classes).sum(axis=2)).T,
        *(strongest[:, i] for i in (0, 1, 2, 3, 5)),
        *(sound.loudness, np.square(sound.loudness)),
    ]
    return np.stack(channels, axis=1), np.stack(overall, axis=1)


def _part(sound: Sound, block: slice) -> Sound:
    return Sound(sound.classes[block], sound.loudness[block], sound.active[block])


def _unit(classes: FloatArray) -> FloatArray:
    unit: FloatArray = classes / (np.sqrt(np.square(classes).sum(axis=1, keepdims=True)) + _SOFT)
    return unit


def _scores(classes: FloatArray, overall: FloatArray) -> FloatArray:
    """Score of every state in every step, shape=(steps, 61)."""
    weights = np.stack([np.roll(np.array(WEIGHTS), root, axis=2) for root in range(12)], axis=1)
    of_chords = np.einsum("tc,qrc->tqr", classes.reshape(len(classes), -1), weights.reshape(*weights.shape[:2], -1))
    of_chords += np.array(BIAS)[:, np.newaxis]
    of_none = overall @ np.array(NO_CHORD[1:]) + NO_CHORD[0]
    return np.concatenate((of_chords.reshape(len(classes), -1), of_none[:, np.newaxis]), axis=1)


def best_path(scores: FloatArray, stay: FloatArray) -> npt.NDArray[np.int64]:
    """Find the most probable sequence of states (Viterbi).

    Parameters
    ----------
    scores : array, shape=(steps, 61)
        Log weight of each state in each step.
    stay : array, shape=(steps,)
        Log weight of staying in a state at the beginning of a step; that of all changes together is about 0.

    Returns
    -------
    array, shape=(steps,)
    """
    every, came_from = np.arange(STATES), np.empty(scores.shape, np.uint8)
    best = scores[0]
    for t in range(1, len(scores)):
        second, first = np.argpartition(best, STATES - 2)[-2:]
        if best[second] > best[first]:
            first, second = second, first
        source = np.where(every == first, second, first)
        changed, stayed = best[source] + _CHANGE, best + stay[t]
        came_from[t] = np.where(stayed >= changed, every, source)
        best = np.maximum(stayed, changed) + scores[t]
    path = np.empty(len(scores), np.int64)
    path[-1] = best.argmax()
    for t in range(len(scores) - 1, 0, -1):
        path[t - 1] = came_from[t, path[t]]
    return path


def probabilities(scores: FloatArray, stay: FloatArray) -> FloatArray:
    """Compute the probability of every state in every step (forward-backward).

    Parameters
    ----------
    scores, stay
        As for :func:`best_path`.

    Returns
    -------
    array, shape=(steps, 61), float32
    """
    local = np.exp(scores - scores.max(axis=1, keepdims=True))
    change = np.exp(_CHANGE)
    stays = np.exp(stay) - change  # every state is reached from all states: from itself by staying instead of a change
    found = np.empty(scores.shape, np.float32)
    forward = local[0] / local[0].sum()
    found[0] = forward
    for t in range(1, len(local)):
        forward = (change + stays[t] * forward) * local[t]
        forward /= forward.sum()
        found[t] = forward
    backward = np.full(STATES, 1 / STATES)
    for t in range(len(local) - 2, -1, -1):
        coming = backward * local[t + 1]
        backward = change * coming.sum() + stays[t + 1] * coming
        backward /= backward.sum()
        both = found[t] * backward
        found[t] = both / both.sum()
    return found


def _joined(steps: Steps, path: npt.NDArray[np.int64], sure: FloatArray) -> Chords:
    """Join equal steps; the confidence of a chord is the mean of its steps, by time."""
    edges, lengths = steps.edges, np.diff(steps.edges)
    firsts = np.flatnonzero(np.diff(path, prepend=-1))
    lasts = np.append(firsts[1:], len(path))
    found = []
    for first, last in zip(firsts, lasts, strict=True):
        confidence = float(sure[first:last] @ lengths[first:last] / lengths[first:last].sum())
        found.append(Chord(float(edges[first]), float(edges[last]), _symbol(int(path[first])), confidence))
    return tuple(found)


def _symbol(state: int) -> str:
    return NONE if state == _NONE else f"{PITCH_CLASSES[state % 12]}:{QUALITIES[state // 12]}"

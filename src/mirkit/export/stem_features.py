"""The features of stems and instrumentals, measured on the audio that is exported."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mirkit.analysis import TrackAnalysis
from mirkit.audio import audio_from_array
from mirkit.catalog import STEMS, stage
from mirkit.errors import MirkitError, MissingInput
from mirkit.export.audio import exported_blocks
from mirkit.export.item import Item, name_of
from mirkit.export.measured_cache import MeasuredCache
from mirkit.export.options import INSTRUMENTAL
from mirkit.export.parallel import work_on
from mirkit.export.stems import VOCALS, is_silent
from mirkit.features.rhythm.beats.grid import Beats
from mirkit.features.types import ANALYSIS_RATE, Unknown, Window
from mirkit.stages.window import FROM_SERIES, at_window, timbre_of
from mirkit.staleness import inputs_of
from mirkit.store import FileDigest, Settings, find_root, read_grid, read_settings, round6
from mirkit.store.compiled import use_compiled

#: Stages that are not measured on the exported audio: tempo, meter, form and voice are known of the music, and what the
#: others say of the harmony and of single stems is kept for an instrumental only.
_OF_THE_MUSIC, _OF_THE_STEMS = ("beats", "sections", "voice"), ("chords", "pitch", "stem_rhythm", "stem_harmonic")
_STAGES = tuple(name for name in FROM_SERIES if name not in (*_OF_THE_MUSIC, *_OF_THE_STEMS))


@dataclass(frozen=True)
class MeasuredStem:
    """What was measured on the audio of one item.

    Attributes
    ----------
    features : dict
        Name of a feature -> value; unknown ones are left out.
    categories : dict
        Name of a category -> value.
    reasons : dict
        Name -> why it is unknown.
    """

    features: Mapping[str, float]
    categories: Mapping[str, str]
    reasons: Mapping[str, str]


def measure_stems(
    items: Sequence[Item],
    problems: list[str],
    silent: dict[str, str],
    advance: Callable[[str], None],
    *,
    cache: Path | None = None,
    jobs: int = 0,
) -> list[Item]:
    """Measure the audio of items, and leave out those that are silent.

    Parameters
    ----------
    items : sequence of Item
        See :func:`~mirkit.export.stems.choose_stems`.
    problems : list of str
        Gets a line for each item that fails.
    silent : dict
        Gets item -> why it counts as silent.
    advance : callable
        Called with the name of each item that is done.
    cache : Path, optional
        File in which results are kept as they come.
    jobs : int
        Worker processes, 0 for one per core.

    Returns
    -------
    list of Item
        With the features of their audio, in the order of ``items``.
    """
    rows = MeasuredCache(cache)
    results: dict[str, MeasuredStem] = {}
    pending = []
    for item in items:
        if row := rows.rows.get(_key(item)):
            results[item.name] = MeasuredStem(row["features"], row["categories"], row["reasons"])
            advance(item.name)
        else:
            pending.append(item)

    def keep(item: Item, measured: MeasuredStem) -> None:
        rows.append(_key(item), asdict(measured))

    results |= work_on(_measured, pending, name_of, problems, advance, jobs=jobs, keep=keep)
    rows.finish([_key(item) for item in items])
    kept = []
    for item in items:
        if item.name in results:
            if why := is_silent(item, results[item.name].features.get("lufs")):
                silent[item.name] = why
            else:
                kept.append(_with(item, results[item.name]))
    return kept


def _with(item: Item, measured: MeasuredStem) -> Item:
    """Give an item the features of its audio; tempo, meter and position are those of the music."""
    same = ("position", *(key for name in _OF_THE_MUSIC for key in stage(name).keys))
    if item.label == INSTRUMENTAL:  # its stems are those of the mix
        names = [*_stem_names("lufs"), *_stem_names("lra")]
        same = (*same, *names, *(key for name in _OF_THE_STEMS for key in stage(name).keys))
    features = {name: item.features[name] for name in same if name in item.features}
    features["duration_seconds"] = round6(item.seconds)
    categories = {name: item.categories[name] for name in same if name in item.categories}
    return replace(
        item,
        features=dict(measured.features) | features,
        categories=dict(measured.categories) | categories,
        missing_reasons={**item.missing_reasons, **measured.reasons},
    )


def _stem_names(name: str) -> list[str]:
    return [f"{name}_{stem}" for stem in STEMS if stem != VOCALS]


def _measured(item: Item) -> MeasuredStem | str:
    use_compiled()
    try:
        return measure_stem(item)
    except MirkitError as error:
        return str(error)


def measure_stem(item: Item) -> MeasuredStem:
    """Measure the audio of one item, with the beats of its mix.

    Raises
    ------
    MirkitError
        A file cannot be read.
    """
    blocks = exported_blocks(item.sound, ANALYSIS_RATE, item.offset, item.seconds, exact=True)
    samples = np.concatenate(list(blocks), axis=1)
    analysis = TrackAnalysis.of_audio(audio_from_array(samples, ANALYSIS_RATE, rate=ANALYSIS_RATE, hold_seconds=0))
    analysis.beats = _beats(item)
    settings = _settings(item)
    digests = {"full_mix": FileDigest(0, "")}
    analysis.measure([s for name in _STAGES for s in inputs_of(stage(name), digests, settings).series], {})
    window = Window(0.0, samples.shape[1] / ANALYSIS_RATE)
    results = at_window(analysis, window, settings, names=_STAGES)
    values = {key: value for result in results.values() for key, value in result.values.items()}
    values |= timbre_of(samples, ANALYSIS_RATE).values
    return MeasuredStem(
        {key: round6(value) for key, value in values.items() if isinstance(value, int | float)},
        {key: value for key, value in values.items() if isinstance(value, str)},
        {key: value.reason for key, value in values.items() if isinstance(value, Unknown)},
    )


def _settings(item: Item) -> Settings:
    """Settings of the data set, with the embedded methods: no network is asked for each stem."""
    settings = read_settings(find_root(item.track.path))
    return replace(settings, backends=replace(settings.backends, classification="embedded", beats="embedded"))


def _beats(item: Item) -> Beats:
    try:
        grid = read_grid((item.files or item.track).grid)
    except MissingInput:  # without a pulse
        return Beats(np.zeros(0), np.zeros(0), np.zeros(0))
    beats, downbeats = (_inside(times, item) for times in (grid.beats, grid.downbeats))
    steady = item.features.get("bpm_is_defined") == 1
    return Beats(beats, downbeats, np.ones(len(beats)), item.categories.get("time_signature"), steady=steady)


def _inside(times: npt.NDArray[np.float64], item: Item) -> npt.NDArray[np.float64]:
    return np.asarray(times[(times >= item.offset) & (times < item.offset + item.seconds)] - item.offset, np.float64)


def _key(item: Item) -> str:
    versions = ".".join(str(stage(name).version) for name in (*_STAGES, "timbral", "beats"))
    return f"{item.digest.sha256} {item.label} {item.offset:.6f} {item.seconds:.6f} {versions}"

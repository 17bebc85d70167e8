"""The plan of an export: everything that a bundle will hold, decided before anything is written."""

import hashlib
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mirkit.captions.vocabulary import Word
from mirkit.dataset.licenses import license_name, misspelled
from mirkit.errors import MissingInput, SettingsError, counted, pasted, printable
from mirkit.export.conditioners import Conditioners, choose_conditioners
from mirkit.export.item import Item
from mirkit.export.items import read_items
from mirkit.export.levels import Level, lowered_tracks
from mirkit.export.options import Options
from mirkit.export.parallel import Progress, no_progress
from mirkit.export.prompts import Extremes, PromptTemplate
from mirkit.export.sample_prompts import steady_features, words_and_prompts
from mirkit.export.splits import SPLITS, TRAIN, apply_split, assign_splits, find_copies
from mirkit.export.weights import read_weights, weight_folder
from mirkit.features.types import ANALYSIS_RATE

if TYPE_CHECKING:
    from mirkit.export.joined import JoinedBundle
    from mirkit.window_tables import WindowTable  # loads the analysis, which only whole tracks need

#: File of a bundle that tells where each of its files comes from, and what was done to it.
FILES = "mirkit_files.json"
#: Default ``sample_size`` for whole tracks, as in Stable Audio Open.
_TRACK_SAMPLE_SIZE = 2097152
#: Longest readable part of a file name.
_MAX_NAME = 60


@dataclass(frozen=True)
class Sample:
    """One audio file of the bundle, and the values that go with it.

    Attributes
    ----------
    item : Item
    name : str
        Name of its files without suffix.
    split : str
        ``train``, ``val`` or ``test``.
    features : dict
        Name of a feature or a numeric descriptor -> value, after the gain.
    level : Level
        Peak and gain.
    windows : WindowTable or None
        The features of each window, for a whole track.
    prompts : tuple of str
    words : tuple of Word
        The words of the prompts, each with the value and the threshold that justify it.
    weight : int
        How often the trainer draws it in relation to others, from 1 to 8.
    """

    item: Item
    name: str
    split: str
    features: Mapping[str, float]
    level: Level = field(default_factory=Level)
    windows: "WindowTable | None" = None
    prompts: tuple[str, ...] = ()
    words: tuple[Word, ...] = ()
    weight: int = 1

    @property
    def folder(self) -> str:
        """Folder of its audio in a bundle that has one folder for each weight."""
        return weight_folder(self.split, self.weight)

    @property
    def gain_db(self) -> float:
        """Gain that the export applies (dB)."""
        return self.level.gain_db

    @property
    def values(self) -> dict[str, float | str]:
        """Numbers and categories of the sample."""
        return {**self.features, **self.item.categories}

    @property
    def rows(self) -> list[Mapping[str, float | str]]:
        """Numbers and categories of the sample that a trainer may get: one row, or one per window."""
        return list(self.windows.rows()) if self.windows else [self.values]


@dataclass
class ExportPlan:
    """What an export will write.

    Attributes
    ----------
    options : Options
    samples : list of Sample
        Sorted by name.
    conditioners : Conditioners
    sample_size : int
        Length of a training example (samples).
    rate : int
        Sample rate of the audio (Hz).
    excluded, dropped : dict
        Item -> why it is not in the bundle: excluded by the user, dropped by the policy for unknown numbers.
    problems : list of str
        A line for each item that could not be exported.
    notes : list of str
        Notes for the user that are not failures.
    joined : list of JoinedBundle
        Other bundles that are trained together with this one.
    copies : dict
        Track that is left out -> the better copy of the same recording that is exported.
    refused : dict
        Track that is left out -> why its rights do not permit the export.
    silent : dict
        Item whose stem is silent -> why it counts as silent; these are left out.
    pair_suffix : str
        Suffix of the mixes that are exported beside stems.
    unusable : dict
        Track or folder that cannot be read, or track that failed in the last run and has no values -> why.
    """

    options: Options
    samples: list[Sample]
    conditioners: Conditioners
    sample_size: int
    rate: int = ANALYSIS_RATE
    excluded: Mapping[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    joined: "list[JoinedBundle]" = field(default_factory=list)
    copies: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)
    pair_suffix: str = ".flac"
    unusable: Mapping[str, str] = field(default_factory=dict)

    @property
    def splits(self) -> list[str]:
        """The splits that have samples, in the order of training, validation and test."""
        return [split for split in SPLITS if any(sample.split == split for sample in self.samples)]

    def of(self, split: str) -> list[Sample]:
        """Samples of a split."""
        return [sample for sample in self.samples if sample.split == split]

    def shuffled(self, split: str) -> list[Sample]:
        """Samples of a split, shuffled by the seed."""
        samples = self.of(split)
        random.Random(f"{self.options.seed} {split}").shuffle(samples)
        return samples

    def prompt_of(self, sample: Sample) -> str:
        """Draw one of a sample's prompts by the seed, for a target that has one prompt per sample."""
        return random.Random(f"{self.options.seed} {sample.item.seed_key or sample.name}").choice(sample.prompts)

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Conditioner's name -> its range, which covers the joined bundles too."""
        ranges = self.conditioners.ranges
        for bundle in self.joined:
            for name, (low, high) in bundle.ranges.items():
                ranges[name] = min(low, ranges[name][0]), max(high, ranges[name][1])
        return ranges

    @property
    def seconds(self) -> float:
        """Duration of all samples (s)."""
        return sum(sample.item.seconds for sample in self.samples)


#: ``levels(items, problems)``: item's name -> its peak and gain. An item that fails is left out of the result.
Levels = Callable[[Sequence[Item], list[str]], Mapping[str, Level]]
#: ``stems(items, problems, silent, notes)``: the items with audio and features of a stem, without silent ones.
Stems = Callable[[list[Item], list[str], dict[str, str], list[str]], list[Item]]
#: ``windows(items, seconds, problems)``: item's name -> its windows of that length.
Windows = Callable[[Sequence[Item], float, list[str]], "Mapping[str, WindowTable]"]
#: ``pieces(items, longest, problems)``: whole tracks, of which those longer than ``longest`` seconds are cut.
Pieces = Callable[[Sequence[Item], float, list[str]], Sequence[Item]]


def make_plan(
    options: Options,
    *,
    levels: Levels,
    windows: Windows | None,
    pieces: Pieces,
    stems: Stems | None,
    prompt_template: PromptTemplate | None,
    has_conditioners: bool,
    has_words: bool = True,
    rate: int = ANALYSIS_RATE,
    shortest: float = 0.0,
    progress: Progress = no_progress,
    pack: Callable[[Item], Item] | None = None,
) -> ExportPlan:
    """Decide what a bundle holds.

    Parameters
    ----------
    options : Options
    levels : callable
        Computes peak and gain of each item.
    windows : callable or None
        Computes the windows of whole tracks; None: each track has one row of features.
    pieces : callable
        Cuts whole tracks that are longer than ``--max-seconds``.
    stems : callable or None
        Replaces the audio of items; None: the mix is exported.
    prompt_template : PromptTemplate or None
        How prompts are made; None for a target without prompts.
    has_conditioners : bool
        Whether the target has number conditioners.
    has_words : bool
        Whether the words are found that the numbers justify.
    rate : int
        Sample rate of the target (Hz).
    shortest : float
        Shortest audio that the target takes (s).
    progress : callable
        Reports progress.
    pack : callable, optional
        See :func:`read_items`.

    Returns
    -------
    ExportPlan

    Raises
    ------
    MissingInput
        There is nothing to export.
    SettingsError
        The options do not fit the data set.
    """
    known = read_items(
        options.path,
        crops=not options.whole,
        clip_set=options.clip_set,
        where=options.where,
        jobs=options.jobs,
        progress=progress,
        pack=pack,
    )
    items, problems = known.items, known.problems
    unknown = [f"--license {line}" for line in misspelled(options.license, {item.rights.license for item in items})]
    items, refused = _permitted(items, options)
    if options.whole and options.max_seconds is not None:
        items = list(pieces(items, options.max_seconds, problems))
    items, dropped = _of_length(items, shortest, options.max_seconds)
    sample_size = _sample_size(items, options, rate)
    notes = unknown + _rights_notes(known.unmatched_rights)
    items, copies, split, without = _split(items, options, notes, progress)
    dropped |= without
    silent: dict[str, str] = {}
    items = stems(items, problems, silent, notes) if stems else items
    level = levels(items, problems)
    items = [item for item in items if item.name in level]
    tables = windows(items, sample_size / ANALYSIS_RATE, problems) if options.random_crops and windows else {}
    if options.random_crops and windows:
        items = [item for item in items if item.name in tables]
    samples = [_sample(item, split[item.name], level[item.name], tables.get(item.name)) for item in items]
    conditioners = Conditioners([], options.unknown)
    if has_conditioners:
        samples, conditioners, incomplete = _conditioned(samples, options)
        dropped |= incomplete
    if not any(sample.split == TRAIN for sample in samples):
        out = silent | dropped | refused | known.unusable
        lines = [f"{printable(name)}: {why}" for name, why in out.items()] + list(problems)
        more = f" ({counted(len(lines) - 1, 'more item')} left out)" if len(lines) > 1 else ""
        reason = lines[0] + more if lines else "all items are excluded"
        raise MissingInput(f"{printable(options.path)}: nothing is left to export; {'; '.join([*unknown, reason])}")
    if has_words:
        trained = [each for each in samples if each.split == TRAIN]
        extremes = Extremes.of([each.features for each in trained], len({each.item.source for each in trained}))
        samples = _with_words(samples, extremes, prompt_template, problems, jobs=options.jobs)
    if options.weights:
        samples = _weighted(samples, options.weights, notes)
    notes += _older_notes(items, options)
    notes += _text_notes(items)
    notes += [] if options.loudness is not None else _notes(lowered_tracks(level, items))
    return ExportPlan(
        options,
        samples,
        conditioners,
        sample_size,
        rate,
        known.excluded,
        dropped,
        problems,
        notes,
        copies=copies,
        refused=refused,
        silent=silent,
        unusable=known.unusable,
    )


def _permitted(items: Sequence[Item], options: Options) -> tuple[list[Item], dict[str, str]]:
    """Leave out items whose rights do not permit the export: the others, and track -> why it is left out."""
    allowed = [license_name(name) for name in options.license]
    reasons = {item.source: item.rights.refused(allowed, strict=options.strict_rights) for item in items}
    refused = {source: why for source, why in reasons.items() if why}
    return [item for item in items if item.source not in refused], refused


def _rights_notes(unmatched: Sequence[str]) -> list[str]:
    if not unmatched:
        return []
    more = f" (and {len(unmatched) - 1} more rows)" if len(unmatched) > 1 else ""
    return [f"{unmatched[0]} of this export{more}; check the file with: mirkit rights"]


def _older_notes(items: Sequence[Item], options: Options) -> list[str]:
    """A note on clips whose numbers are from before their track was edited or measured again."""
    older = [item for item in items if item.older]
    if not older:
        return []
    changed = ", ".join(dict.fromkeys(name for item in older for name in item.older))
    tracks = len({item.source for item in older})
    again = f"mirkit crop {pasted(options.path)}" + (f" --set {options.clip_set}" if options.clip_set else "")
    return [
        f"{counted(len(older), 'clip')} of {counted(tracks, 'track')}, for example {printable(older[0].name)}: the "
        f"track has changed since they were measured ({changed}), and their numbers are those of before; bring them up "
        f"to date with: {again}"
    ]


def _text_notes(items: Sequence[Item]) -> list[str]:
    """A note on words of the user's that are not exported, because nothing is sung."""
    silent = {
        item.source: item.user_texts.origin["lyrics"]["from"]
        for item in items
        if item.is_instrumental and item.user_texts.lyrics and not item.user_texts.lyrics.is_instrumental
    }
    if not silent:
        return []
    return [
        f"{counted(len(silent), 'track')} with lyrics of yours, for example {next(iter(silent.values()))}: the vocals "
        "stem is silent, so the words are left out"
    ]


def _notes(lowered: Mapping[str, float]) -> list[str]:
    if not lowered:
        return []
    return [
        f"{counted(len(lowered), 'track')} would exceed full scale in the bundle, so the audio and its numbers were "
        f"lowered, by at most {-min(lowered.values()):.2f} dB; {FILES} has the gains"
    ]


def _split(
    items: list[Item], options: Options, notes: list[str], progress: Progress
) -> tuple[list[Item], dict[str, str], dict[str, str], dict[str, str]]:
    """Leave out copies and assign the other items to splits.

    Returns
    -------
    items : list of Item
    copies : dict
        Track that is left out -> its best copy.
    split : dict
        Item's name -> its split.
    without : dict
        Item's name -> why it is in no split.
    """
    copies: dict[str, str] = {}
    groups: list[list[str]] = []
    if not options.keep_duplicates or ((options.val or options.test) and options.split_file is None):
        copies, groups = find_copies(options.path, items, notes, progress)
    if options.keep_duplicates:
        copies = {}
    else:
        items, groups = [item for item in items if item.source not in copies], []
    if options.split_file is None:
        return items, copies, assign_splits(items, options.val, options.seed, options.test, groups), {}
    split, without = apply_split(items, options.split_file)
    return [item for item in items if item.name in split], copies, split, without


def sample_name(name: str, content: str) -> str:
    """Turn a path into a file name without suffix: its readable part, and ten digits of a hash.

    Only ASCII letters, digits and ``-`` are used: in a tar of samples a dot ends the name, and some loaders fail on
    spaces and non-ASCII letters.

    Parameters
    ----------
    name : str
        The path.
    content : str
        A text that contains everything that the file's content depends on, so that an existing file of this name is up
        to date.
    """
    last = name.rstrip("/").rpartition("/")[2]
    ascii_only = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode()
    readable = re.sub(r"[^A-Za-z0-9]+", "-", ascii_only).strip("-")[:_MAX_NAME].strip("-")
    return f"{readable or 'clip'}-{hashlib.sha256(content.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}"


def _of_length(items: Sequence[Item], shortest: float, longest: float | None) -> tuple[list[Item], dict[str, str]]:
    """Leave out items that are too short or too long for the trainer: the others, and item -> why it is left out."""
    dropped = {}
    for item in items:
        if item.seconds < shortest:
            dropped[item.name] = f"it has {_length(item, shortest)}; the trainer needs at least {shortest:g} s"
        elif longest is not None and item.seconds > longest + 0.0005:
            dropped[item.name] = f"it has {_length(item, longest)}, more than {longest:g} s; cut shorter clips"
    return [item for item in items if item.name not in dropped], dropped


def _length(item: Item, limit: float) -> str:
    """Length of an item, with enough digits to tell it from a limit (s)."""
    digits = next((count for count in range(2, 6) if round(item.seconds, count) != limit), 6)
    return f"{item.seconds:.{digits}f} s"


def _sample_size(items: Iterable[Item], options: Options, rate: int) -> int:
    longest = max((round(item.seconds * rate) for item in items), default=0)
    if options.random_crops or options.sample_size is None:
        return options.sample_size or (_TRACK_SAMPLE_SIZE if options.random_crops else longest)
    if longest > options.sample_size:
        raise SettingsError(
            f"--sample-size {options.sample_size}: some clips have {longest} samples; the trainer would take their "
            f"beginning with the numbers of the whole clip. Cut them with: mirkit crop --samples {options.sample_size}"
        )
    return options.sample_size


def _sample(item: Item, split: str, level: Level, windows: "WindowTable | None") -> Sample:
    gain_db = level.gain_db
    is_same = not (gain_db or level.lufs_db or level.measured)
    features = item.features if is_same else {name: level.applied(name, v) for name, v in item.features.items()}
    content = f"{item.name} {item.digest.sha256} {gain_db:.6g} {item.seconds:.6f}"
    content += (f" {item.offset:.6f}" if item.offset else "") + (f" {item.sound.factor:.6g}" if item.audio else "")
    name = sample_name(f"{item.name} {item.label}".rstrip(), content)
    return Sample(item, name, split, features, level, windows.louder(gain_db, level.lufs_db) if windows else None)


def _weighted(samples: list[Sample], path: Path, notes: list[str]) -> list[Sample]:
    """Give each training sample its weight: that of the clip, else that of its track."""
    weights = read_weights(path)
    known = {sample.item.name: weights.get(sample.item.name, weights.get(sample.item.source)) for sample in samples}
    missing = sorted(name for name, weight in known.items() if weight is None)
    if len(missing) == len(samples):
        raise SettingsError(
            f"--weights {printable(path)}: the file names none of these tracks, for example not "
            f"{printable(missing[0])}; select and export the same folder"
        )
    if missing:
        notes.append(f"{counted(len(missing), 'file')} without a weight in {printable(path.name)}: weight 1")
    return [replace(each, weight=known[each.item.name] or 1) if each.split == TRAIN else each for each in samples]


def _conditioned(samples: list[Sample], options: Options) -> tuple[list[Sample], Conditioners, dict[str, str]]:
    """Choose the conditioners from the samples for training, and drop samples if the policy is ``drop``."""
    rows = [row for sample in samples if sample.split == TRAIN for row in sample.rows]
    tracks = len({sample.item.source for sample in samples if sample.split == TRAIN})
    conditioners = choose_conditioners(rows, options.keys, options.unknown, tracks=tracks)
    if options.unknown != "drop":
        # A number that is unknown in the validation set alone needs a flag or a fill value too.
        validation = [features for sample in samples if sample.split != TRAIN for features in sample.rows]
        return samples, conditioners.with_flags_for(validation), {}
    dropped = {}
    for sample in samples:
        if all(conditioners.values(row) is None for row in sample.rows):
            numbers = [conditioner for conditioner in conditioners.rows if not conditioner.options]
            counts = Counter(number.key for row in sample.rows for number in numbers if number.value(row) is None)
            key = counts.most_common(1)[0][0]
            dropped[sample.item.name] = f"{key}: {sample.item.missing_reasons.get(key, 'unknown')}"
    kept = [sample for sample in samples if sample.item.name not in dropped]
    rows = [features for sample in kept if sample.split == TRAIN for features in sample.rows]
    complete = [features for features in rows if conditioners.values(features) is not None]
    again = choose_conditioners(complete, [row.key for row in conditioners.rows], options.unknown, tracks=tracks)
    again.left_out |= conditioners.left_out
    again.unknown = conditioners.unknown
    return kept, again, dropped


def _with_words(
    samples: list[Sample], extremes: Extremes, template: PromptTemplate | None, problems: list[str], *, jobs: int
) -> list[Sample]:
    """Give each sample its words and prompts; one that fails is left out, and the problems get a line."""
    described = [(each.item, steady_features(each.features, each.rows if each.windows else ())) for each in samples]
    pairs = list(zip(samples, words_and_prompts(described, extremes, template, jobs=jobs), strict=True))
    problems += [f"{sample.item.name}: {made}" for sample, made in pairs if isinstance(made, str)]
    return [replace(each, words=made[0], prompts=made[1]) for each, made in pairs if not isinstance(made, str)]

"""Everything that a bundle will hold, decided before anything is written."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mirkit.catalog import LEVEL_KEYS
from mirkit.errors import MissingInput, SettingsError
from mirkit.export.conditioners import Conditioners, choose
from mirkit.export.items import Item, gather
from mirkit.export.names import safe_name
from mirkit.export.options import Options
from mirkit.export.prompts import Extremes, PromptTemplate, prompts
from mirkit.export.split import TRAIN, assign
from mirkit.features.types import ANALYSIS_RATE
from mirkit.store import printable, round6

if TYPE_CHECKING:
    from mirkit.windows import WindowTable

#: From so many tracks on, keys that go together do so for a reason.
_FEWEST_FOR_TWINS = 30


@dataclass(frozen=True)
class Sample:
    """One sound file of the bundle, and what goes with it.

    Attributes
    ----------
    item : Item
    name : str
        Of its files, without suffix.
    split : str
        ``train`` or ``val``.
    gain_db : float
        By how much it is made louder.
    limited : bool
        Whether its true peak did not allow more.
    numbers : dict
        Key -> number, of the sound as it will be.
    windows : WindowTable or None
        The same, window by window, of a whole track.
    prompts : tuple of str
    """

    item: Item
    name: str
    split: str
    numbers: Mapping[str, float]
    gain_db: float = 0.0
    limited: bool = False
    windows: "WindowTable | None" = None
    prompts: tuple[str, ...] = ()

    @property
    def rows(self) -> list[Mapping[str, float]]:
        """Numbers that a trainer may be given of it: one row, or one a window."""
        return list(self.windows.rows()) if self.windows else [self.numbers]


@dataclass
class ExportPlan:
    """A bundle to be.

    Attributes
    ----------
    options : Options
    samples : list of Sample
        By name.
    conditions : Conditioners
    sample_size : int
        Samples that the trainer takes at a time.
    excluded, dropped : dict
        Item -> why it is not in the bundle: by the user, by the policy for unknowns.
    problems : list of str
        A line for each item that could not be exported.
    notes : list of str
        What a user should know though nothing failed.
    """

    options: Options
    samples: list[Sample]
    conditions: Conditioners
    sample_size: int
    excluded: Mapping[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def of(self, split: str) -> list[Sample]:
        """Samples of a split."""
        return [sample for sample in self.samples if sample.split == split]

    def shuffled(self, split: str) -> list[Sample]:
        """Samples of a split in an order drawn by seed."""
        found = self.of(split)
        random.Random(f"{self.options.seed} {split}").shuffle(found)
        return found

    @property
    def seconds(self) -> float:
        """Sound in all."""
        return sum(sample.item.seconds for sample in self.samples)


#: Gain in dB for an item, and whether its true peak limits it; an item that fails is left out of what comes back.
Gains = Callable[[Sequence[Item], list[str]], Mapping[str, tuple[float, bool]]]
#: Windows of each item, of a length in seconds.
Windowed = Callable[[Sequence[Item], float, list[str]], "Mapping[str, WindowTable]"]


def make_plan(
    options: Options, *, gains: Gains, tables: Windowed | None, wording: PromptTemplate, conditioned: bool
) -> ExportPlan:
    """Decide what a bundle holds.

    Parameters
    ----------
    options : Options
    gains : callable
        Finds what takes the sound.
    tables : callable or None
        Finds the windows of whole tracks; None: they have the numbers of all of them.
    wording : PromptTemplate
        How prompts are made, where the options do not say.
    conditioned : bool
        Whether there are conditioners.

    Raises
    ------
    MissingInput
        There is nothing to be exported.
    SettingsError
        The options do not fit what there is.
    """
    found = gather(options.path, crops=not options.whole, clip_set=options.clip_set)
    items, problems = found.items, found.problems
    sample_size = _sample_size(items, options)
    split = assign(items, options.val, options.seed)
    gain = gains(items, problems) if options.loudness is not None else {}
    windows = tables(items, sample_size / ANALYSIS_RATE, problems) if options.whole and tables else {}
    if options.loudness is not None:
        items = [item for item in items if item.name in gain]
    if options.whole and tables:
        items = [item for item in items if item.name in windows]
    samples = [
        _sample(item, split[item.name], *gain.get(item.name, (0.0, False)), windows.get(item.name)) for item in items
    ]
    conditions, dropped = Conditioners([], options.unknown), dict[str, str]()
    if conditioned:
        samples, conditions, dropped = _conditioned(samples, options)
    if not any(sample.split == TRAIN for sample in samples):
        why = next(iter(dropped.values()), next(iter(problems), "all are left out"))
        raise MissingInput(f"{printable(options.path)}: nothing is left to be exported ({why})")
    extremes = Extremes.of([sample.numbers for sample in samples if sample.split == TRAIN])
    samples = [replace(sample, prompts=prompts(sample.item, _steady(sample), extremes, wording)) for sample in samples]
    return ExportPlan(options, samples, conditions, sample_size, found.excluded, dropped, problems)


def _sample_size(items: Iterable[Item], options: Options) -> int:
    longest = max((round(item.seconds * ANALYSIS_RATE) for item in items), default=0)
    if options.whole or options.sample_size is None:
        return options.sample_size or (2097152 if options.whole else longest)
    if longest > options.sample_size:
        raise SettingsError(
            f"--sample-size {options.sample_size}: there are clips of {longest} samples, of which the trainer would "
            f"take the beginning and be told the numbers of all; cut them with: mirkit crop --samples "
            f"{options.sample_size}"
        )
    return options.sample_size


def _sample(item: Item, split: str, gain_db: float, limited: bool, windows: "WindowTable | None") -> Sample:
    numbers = {
        key: round6(value + gain_db) if key in LEVEL_KEYS and gain_db else value for key, value in item.numbers.items()
    }
    mark = f"{item.name} {item.sound.sha256} {gain_db:.6g} {item.seconds:.6f}"
    name = safe_name(item.name, mark)
    return Sample(item, name, split, numbers, gain_db, limited, windows.louder(gain_db) if windows else None)


def _conditioned(samples: list[Sample], options: Options) -> tuple[list[Sample], Conditioners, dict[str, str]]:
    """Choose the conditioners from what is trained on, and leave out what the policy for unknowns says."""
    rows = [numbers for sample in samples if sample.split == TRAIN for numbers in sample.rows]
    several = len({sample.item.source for sample in samples if sample.split == TRAIN}) >= _FEWEST_FOR_TWINS
    conditions = choose(rows, options.keys, options.unknown, twins=several)
    if options.unknown != "drop":
        # What only the validation set lacks has a flag, or a fill, too.
        rest = [numbers for sample in samples if sample.split != TRAIN for numbers in sample.rows]
        return samples, conditions.for_all(rest), {}
    dropped = {}
    for sample in samples:
        if all(conditions.given(numbers) is None for numbers in sample.rows):
            counts = Counter(c.key for numbers in sample.rows for c in conditions.rows if c.of(numbers) is None)
            key = counts.most_common(1)[0][0]
            dropped[sample.item.name] = f"{key}: {sample.item.reasons.get(key, 'unknown')}"
    kept = [sample for sample in samples if sample.item.name not in dropped]
    rows = [numbers for sample in kept if sample.split == TRAIN for numbers in sample.rows]
    known = [numbers for numbers in rows if conditions.given(numbers) is not None]
    again = choose(known, [row.key for row in conditions.rows], options.unknown)
    again.left_out |= conditions.left_out
    again.unknown = conditions.unknown
    return kept, again, dropped


def _steady(sample: Sample) -> Mapping[str, float]:
    """Numbers that a prompt may tell: of a whole track, those that hold in every window of it."""
    if sample.windows is None:
        return sample.numbers
    rows = sample.rows
    tempi = {round(row["bpm"]) if "bpm" in row else None for row in rows}
    numbers = {key: value for key, value in sample.numbers.items() if key != "bpm" or len(tempi) == 1}
    return numbers if None not in tempi else {key: value for key, value in numbers.items() if key != "bpm"}

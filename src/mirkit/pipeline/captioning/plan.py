"""A run of texts before it starts: tracks, model, what is there already, how long it will take."""

import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from mirkit.audio import probe
from mirkit.captions.estimate import seconds as guess
from mirkit.captions.excerpt import context_tokens, heard_seconds, sound_tokens
from mirkit.dataset.exclusion import reason
from mirkit.errors import MirkitError, SettingsError
from mirkit.models.captioners import Captioner, Requirements
from mirkit.models.captioners.selection import choose
from mirkit.pipeline.captioning.caption_job import CaptionJob
from mirkit.pipeline.captioning.caption_state import CaptionState, inspect_captions
from mirkit.pipeline.plan import RunRequest, tracks_of
from mirkit.store import read_settings, with_values
from mirkit.track import Track


@dataclass(frozen=True)
class CaptionPlan:
    """A run before it starts.

    Attributes
    ----------
    root : Path
        The data set.
    asker : CaptionJob
    tracks : tuple of Track
        Those of ``[exclude]`` left out.
    todo : tuple of Track
        Those that want something, or cannot be read: they fail with a line of their own.
    asked : int
        Questions that will be asked.
    there : int
        Texts that are there already.
    whys : Counter
        Why questions are asked -> how many.
    need : Requirements
        What the model must hold.
    sound : float
        Seconds that will be heard.
    tokens, writes : int
        Tokens of sound and prompts to read, and most that may be written.
    seconds : float or None
        Estimated time; None where somebody else's machine does the work.
    notices : tuple of str
    """

    root: Path
    asker: CaptionJob
    tracks: tuple[Track, ...]
    todo: tuple[Track, ...]
    asked: int
    there: int
    whys: "Counter[str]"
    need: Requirements
    sound: float
    tokens: int
    writes: int
    seconds: float | None
    notices: tuple[str, ...]

    @property
    def describer(self) -> Captioner:
        """The model."""
        return self.asker.describer


def make_plan(request: RunRequest, fields: tuple[str, ...] = ()) -> CaptionPlan:
    """Find tracks and model, and see which texts are there.

    Raises
    ------
    MissingInput
        No track there.
    MissingExtra, WeightsError, ModelError
        The model cannot be used: one line that says what is missing, from where, and its license.
    SettingsError
        The settings file or an option is wrong.
    """
    tracks, root, problems = tracks_of(request)
    settings = with_values(read_settings(root), request.overrides, "command line")
    settings = replace(settings, backends=replace(settings.backends, **request.fixed))
    asker = CaptionJob(choose(settings), settings, fields, request.overwrite)
    _check_fields(asker)
    included = [track for track in tracks if not reason(track, root, settings.exclude)]
    if len(included) < len(tracks):
        problems.append(f"{len(tracks) - len(included)} tracks are excluded by mirkit.toml")
    todo, sums = [], _Sums(asker)
    for track in included:
        try:
            wants = inspect_captions(track, asker, hashed=False)
            sums.add(track, wants)
        except (MirkitError, OSError):
            todo.append(track)  # it will say why when its turn comes
        else:
            if wants.any:
                todo.append(track)
    unknown = [f"{field}: {why} in {n} tracks" for (field, why), n in sums.unknown.items()]
    return CaptionPlan(
        root,
        asker,
        tuple(included),
        tuple(todo),
        sums.asked,
        sums.there,
        sums.whys,
        Requirements(sums.longest, sums.context),
        sums.sound,
        sums.tokens,
        sums.writes,
        sums.seconds(),
        (*problems, *unknown),
    )


def _check_fields(asker: CaptionJob) -> None:
    if lacking := set(asker.fields) - {row.field for row in asker.questions}:
        known = ", ".join(row.field for row in replace(asker, fields=()).questions)
        raise SettingsError(f"no question is called {', '.join(sorted(lacking))}; there are {known}")


class _Sums:
    """What all tracks come to."""

    def __init__(self, asker: CaptionJob) -> None:
        self._asker = asker
        self.asked = self.there = self.tokens = self.writes = self.context = 0
        self.sound = self.longest = self._seconds = 0.0
        self.whys: Counter[str] = Counter()
        self.unknown: Counter[tuple[str, str]] = Counter()

    def add(self, track: Track, wants: CaptionState) -> None:
        """Add a track."""
        self.there += len(wants.done) + len(wants.finish) + len(wants.adopt)
        self.whys.update(wants.why.values())
        self.unknown.update(wants.unknown.items())
        if not wants.wanted:
            return
        asker, describer = self._asker, self._asker.describer
        # A header may promise less than there is: the context must hold whatever may be heard then.
        duration = wants.facts.duration or probe(track.mix).duration
        limit = asker.most_seconds
        room = min(limit, 1.05 * duration + 1.0) if duration else limit
        heard = heard_seconds(duration or limit, limit, whole_windows=describer.whole_windows)
        tokens = sound_tokens(heard, whole_windows=describer.whole_windows)
        prompts = [(row.prompt, row.question.tokens) for row in wants.wanted]
        if asker.settings.texts.one_call:
            prompts.append((" ".join(prompt for prompt, _ in prompts) * 2, sum(n + 32 for _, n in prompts)))
        self.context = max(self.context, *(context_tokens(room, prompt, n) for prompt, n in prompts))
        self.longest = max(self.longest, room)
        self.asked += len(wants.wanted)
        self.sound += heard
        read = tokens + sum(len(prompt) // 4 for prompt, _ in prompts)
        writes = sum(row.question.tokens for row in wants.wanted)
        self.tokens, self.writes = self.tokens + read, self.writes + writes
        if describer.card is not None:
            cores = os.cpu_count() or 1
            count = len(wants.wanted)
            self._seconds += guess(heard, read, writes, count, size=describer.size, card=describer.card, cores=cores)

    def seconds(self) -> float | None:
        """Estimated time of all."""
        return None if self._asker.describer.card is None else self._seconds

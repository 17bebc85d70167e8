"""The plan of the captions of a run: the model, the missing captions, and the estimated time."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mirkit.audio import probe
from mirkit.captions.excerpt import context_tokens, heard_seconds, sound_tokens
from mirkit.captions.excerpt import seconds as estimate_seconds
from mirkit.errors import MirkitError, SettingsError
from mirkit.models.captioners import Captioner, Requirements
from mirkit.models.captioners.selection import choose
from mirkit.pipeline.captioning.store import CaptionJob, CaptionState, inspect_captions
from mirkit.settings import Settings
from mirkit.staleness import NEWER
from mirkit.track import Track


@dataclass(frozen=True)
class CaptionPlan:
    """The plan of the captions of a run.

    Attributes
    ----------
    job : CaptionJob
    tracks : tuple of Track
    todo : tuple of Track
        Tracks that need captions, and tracks that cannot be read, which fail with an error of their own.
    prompts : int
        Number of captions that the model will be asked for.
    stored : int
        Number of captions that exist already.
    reasons : Counter
        Reason why captions are asked for -> number of captions.
    need : Requirements
        The longest input, which the model must be able to process.
    audio_seconds : float
        Total duration of the audio that the model receives.
    tokens, max_new_tokens : int
        Tokens of audio and prompts, and largest number of tokens of the answers.
    seconds : float or None
        Estimated time; None if the model runs on an unknown machine.
    notices : tuple of str
    """

    job: CaptionJob
    tracks: tuple[Track, ...]
    todo: tuple[Track, ...]
    prompts: int
    stored: int
    reasons: "Counter[str]"
    need: Requirements
    audio_seconds: float
    tokens: int
    max_new_tokens: int
    seconds: float | None
    notices: tuple[str, ...]

    @property
    def captioner(self) -> Captioner:
        """The model."""
        return self.job.captioner


def plan_captions(
    tracks: Sequence[Track], settings: Settings, fields: tuple[str, ...] = (), *, overwrite: bool = False
) -> CaptionPlan:
    """Choose the model, and find the captions that tracks need.

    Parameters
    ----------
    tracks : sequence of Track
    settings : Settings
    fields : tuple of str
        Names of the captions; empty for all.
    overwrite : bool

    Raises
    ------
    MissingExtra, WeightsError, ModelError
        The model cannot be used. The message states what is missing, its source and its license.
    SettingsError
        The settings or one of the fields are not valid.
    """
    job = CaptionJob(choose(settings), settings, fields, overwrite)
    _check_fields(job)
    return plan_again(job, tracks)


def plan_again(job: CaptionJob, tracks: Sequence[Track]) -> CaptionPlan:
    """Plan an existing job again, with the present state of the tracks."""
    todo, totals = [], _Totals(job)
    for track in tracks:
        try:
            state = inspect_captions(track, job, hashed=False)
            totals.add(track, state)
        except (MirkitError, OSError):
            todo.append(track)  # processing it reports the error
        else:
            if state.any:
                todo.append(track)
    return CaptionPlan(
        job,
        tuple(tracks),
        tuple(todo),
        totals.prompts,
        totals.stored,
        totals.reasons,
        Requirements(totals.longest, totals.context),
        totals.audio_seconds,
        totals.tokens,
        totals.max_new_tokens,
        totals.seconds,
        (
            *(f"{field}: {why} in {n} tracks" for (field, why), n in totals.impossible.items()),
            *([f"captions of {totals.newer} track{'s' * (totals.newer > 1)}: {NEWER}"] if totals.newer else ()),
        ),
    )


def _check_fields(job: CaptionJob) -> None:
    if lacking := set(job.fields) - {row.field for row in job.questions}:
        known = ", ".join(row.field for row in replace(job, fields=()).questions)
        raise SettingsError(f"no question is called {', '.join(sorted(lacking))}; there are {known}")


class _Totals:
    """Sums over all tracks, and the largest needs of a single track."""

    def __init__(self, job: CaptionJob) -> None:
        self._job = job
        self.prompts = self.stored = self.tokens = self.max_new_tokens = self.context = 0
        self.newer = 0
        self.audio_seconds = self.longest = self._seconds = 0.0
        self.reasons: Counter[str] = Counter()
        self.impossible: Counter[tuple[str, str]] = Counter()

    def add(self, track: Track, state: CaptionState) -> None:
        """Add a track."""
        if state.newer:
            self.newer += 1
        self.stored += len(state.done) + len(state.unfinished) + len(state.adopted)
        self.reasons.update(state.reasons.values())
        self.impossible.update(state.impossible.items())
        if not state.pending:
            return
        job, captioner = self._job, self._job.captioner
        # A header may state too short a duration, so the context must be large enough for the longest excerpt.
        duration = state.facts.duration or probe(track.mix).duration
        limit = job.max_seconds
        most = min(limit, 1.05 * duration + 1.0) if duration else limit
        seconds = heard_seconds(duration or limit, limit, whole_windows=captioner.whole_windows)
        audio_tokens = sound_tokens(seconds, whole_windows=captioner.whole_windows)
        prompts = [(row.prompt, row.question.tokens) for row in state.pending]
        if job.settings.texts.one_call:
            prompts.append((" ".join(prompt for prompt, _ in prompts) * 2, sum(n + 32 for _, n in prompts)))
        self.context = max(self.context, *(context_tokens(most, prompt, n) for prompt, n in prompts))
        self.longest = max(self.longest, most)
        self.prompts += len(state.pending)
        self.audio_seconds += seconds
        read = audio_tokens + sum(len(prompt) // 4 for prompt, _ in prompts)
        written = sum(row.question.tokens for row in state.pending)
        self.tokens, self.max_new_tokens = self.tokens + read, self.max_new_tokens + written
        if captioner.on_gpu is not None:
            size, cores = captioner.size, os.cpu_count() or 1
            self._seconds += estimate_seconds(
                seconds, read, written, len(state.pending), size=size, card=captioner.on_gpu, cores=cores
            )

    @property
    def seconds(self) -> float | None:
        """Return the estimated time of all tracks."""
        return None if self._job.captioner.on_gpu is None else self._seconds

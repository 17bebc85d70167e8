"""The plan of the captions of a run: the model, the missing captions, and the estimated time."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mirkit.audio import probe
from mirkit.captions.excerpt import audio_tokens, context_tokens, estimate_seconds, excerpt_seconds
from mirkit.errors import MirkitError, SettingsError, counted
from mirkit.models.captioners import Captioner, Requirements
from mirkit.models.captioners.selection import choose
from mirkit.pipeline.captioning.store import CaptionJob, CaptionState, inspect_captions
from mirkit.settings import Settings
from mirkit.staleness import NEWER
from mirkit.track import Track


@dataclass
class CaptionPlan:
    """The plan of the captions of a run.

    Attributes
    ----------
    job : CaptionJob
    tracks : tuple of Track
    todo : list of Track
        Tracks that need captions, and tracks that cannot be read, which fail with an error of their own.
    prompts : int
        Number of captions that the model will be asked for.
    stored : int
        Number of captions that exist already.
    reasons : Counter
        Reason why captions are asked for -> number of captions.
    impossible : Counter
        (field, reason why it cannot be asked for) -> number of tracks.
    newer : int
        Number of tracks with captions of a newer version of mirkit.
    need : Requirements
        The longest input, which the model must be able to process.
    audio_seconds : float
        Total duration of the audio that the model receives.
    tokens, max_new_tokens : int
        Tokens of audio and prompts, and largest number of tokens of the answers.
    seconds : float or None
        Estimated time; None if the model runs on an unknown machine.
    """

    job: CaptionJob
    tracks: tuple[Track, ...]
    todo: list[Track] = field(default_factory=list)
    prompts: int = 0
    stored: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    impossible: Counter[tuple[str, str]] = field(default_factory=Counter)
    newer: int = 0
    need: Requirements = field(default_factory=Requirements)
    audio_seconds: float = 0.0
    tokens: int = 0
    max_new_tokens: int = 0
    seconds: float | None = None

    @property
    def captioner(self) -> Captioner:
        """The model."""
        return self.job.captioner

    @property
    def notices(self) -> list[str]:
        """Messages for the user."""
        notices = [f"{field}: {why} in {counted(n, 'track')}" for (field, why), n in self.impossible.items()]
        return [*notices, *([f"captions of {counted(self.newer, 'track')}: {NEWER}"] if self.newer else ())]

    def add(self, track: Track, state: CaptionState) -> None:
        """Add the captions of a track to the sums."""
        self.newer += bool(state.newer)
        self.stored += len(state.done) + len(state.unfinished) + len(state.adopted)
        self.reasons.update(state.reasons.values())
        self.impossible.update(state.impossible.items())
        if not state.pending:
            return
        job, captioner = self.job, self.captioner
        # A header may state too short a duration, so the context must be large enough for the longest excerpt.
        duration = state.facts.duration or probe(track.mix).duration
        limit = job.max_seconds
        longest = min(limit, 1.05 * duration + 1.0) if duration else limit
        seconds = excerpt_seconds(duration or limit, limit, whole_windows=captioner.whole_windows)
        requests = job.requests(state.pending)
        context = max(context_tokens(longest, prompt, tokens) for prompt, tokens in requests)
        self.need = Requirements(max(self.need.seconds, longest), max(self.need.context, context))
        self.prompts += len(state.pending)
        self.audio_seconds += seconds
        read = audio_tokens(seconds, whole_windows=captioner.whole_windows)
        read += sum(len(prompt) // 4 for prompt, _ in requests)
        written = sum(row.question.tokens for row in state.pending)
        self.tokens, self.max_new_tokens = self.tokens + read, self.max_new_tokens + written
        if self.seconds is not None:
            size, cores = captioner.size, os.cpu_count() or 1
            self.seconds += estimate_seconds(
                seconds, read, written, len(state.pending), size=size, on_gpu=bool(captioner.on_gpu), cores=cores
            )


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
    if lacking := set(job.fields) - {row.field for row in job.questions}:
        known = ", ".join(row.field for row in replace(job, fields=()).questions)
        raise SettingsError(f"no question is called {', '.join(sorted(lacking))}; there are {known}")
    return plan_again(job, tracks)


def plan_again(job: CaptionJob, tracks: Sequence[Track]) -> CaptionPlan:
    """Plan an existing job again, with the present state of the tracks."""
    plan = CaptionPlan(job, tuple(tracks), seconds=None if job.captioner.on_gpu is None else 0.0)
    for track in tracks:
        try:
            state = inspect_captions(track, job, hashed=False)
            plan.add(track, state)
        except (MirkitError, OSError):
            plan.todo.append(track)  # processing it reports the error
        else:
            if state.any:
                plan.todo.append(track)
    return plan

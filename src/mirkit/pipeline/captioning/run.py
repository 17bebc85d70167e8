"""A plan of texts carried out: tracks in parallel over the slots of one model, the next ones decoded meanwhile.

The model sits in this process or beside it, so its tracks are threads: each waits for answers. One thread decodes.
"""

import os
import queue
import threading
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from hashlib import sha256

from mirkit.captions.excerpt import RATE, sound_tokens
from mirkit.errors import MirkitError
from mirkit.features.types import FloatArray
from mirkit.models.captioners import CaptionerUnavailable
from mirkit.models.captioners.retry import Attempt, describe
from mirkit.pipeline.captioning.audio import sound_of
from mirkit.pipeline.captioning.caption_job import STAGE
from mirkit.pipeline.captioning.caption_state import CaptionState, inspect_captions
from mirkit.pipeline.captioning.plan import CaptionPlan
from mirkit.pipeline.captioning.stored_captions import adopt, postprocess, store_attempt
from mirkit.pipeline.plan import RunRequest
from mirkit.pipeline.run_log import logged, unlogged
from mirkit.pipeline.task import TrackOutcome
from mirkit.store import LOCK_NAME, LockedError, lock, remove_orphans
from mirkit.track import Track

#: Share of the tokens of the sound that must be known from the second question on; less is a miss.
_HIT = 0.9
#: Seconds that a thread is given to end when a run is broken off.
_PARTING = 3.0


@dataclass
class _Turn:
    """A track whose turn has come: ours, looked at, and decoded if there is something to ask."""

    track: Track
    name: str
    claim: ExitStack
    wants: CaptionState | None = None
    samples: FloatArray | None = None
    done: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    duration: float = 0.0
    busy: bool = False

    def outcome(self) -> TrackOutcome:
        """What is told of it."""
        done, skipped = tuple(self.done), tuple(self.skipped)
        notes = tuple(dict.fromkeys(self.notes))
        return TrackOutcome(self.name, done, skipped, self.failures, notes, self.seconds, self.duration, self.busy)


def run(plan: CaptionPlan, request: RunRequest, say: Callable[[str], None]) -> Generator[TrackOutcome, None, None]:
    """Yield the outcome of each track that wants something, in the order in which they finish.

    Raises
    ------
    MirkitError
        The model cannot be loaded, or is gone: the other tracks wait for the next run.
    """
    for folder in {track.folder for track in plan.tracks if track.unclean}:
        with suppress(MirkitError):  # a folder that cannot be written to stays as it is
            remove_orphans(folder)
    if not plan.todo:
        return
    with ExitStack() as stack:
        write = stack.enter_context(logged(plan.root, say, "", **_start(plan)) if request.batch else unlogged())
        if plan.asked:
            for text in stack.enter_context(plan.describer.started(plan.need)):
                say(text)
        crew = _Crew(plan, request, say)
        stack.callback(crew.leave)
        for outcome in crew.outcomes():
            write(track=outcome.track, done=outcome.done, failures=outcome.failures)
            yield outcome


class _Crew:
    """One thread that decodes, and one for each slot of the model."""

    def __init__(self, plan: CaptionPlan, request: RunRequest, say: Callable[[str], None]) -> None:
        self._plan, self._request, self._say = plan, request, say
        slots = max(1, min(plan.describer.parallel, len(plan.todo)))
        self._ready: queue.Queue[_Turn | None] = queue.Queue(maxsize=1)
        self._finished: queue.SimpleQueue[_Turn | Exception | None] = queue.SimpleQueue()
        self._leaving = threading.Event()
        self._missed = False
        work = [self._decode, *(lambda slot=slot: self._describe(slot) for slot in range(slots))]
        self._slots = slots
        self._threads = [threading.Thread(target=self._guarded, args=(task,), daemon=True) for task in work]
        for thread in self._threads:
            thread.start()

    def outcomes(self) -> Generator[TrackOutcome, None, None]:
        """Yield what came of each track; raise what ends the run."""
        left = len(self._threads)
        while left:
            found = self._finished.get()
            if found is None:
                left -= 1
            elif isinstance(found, _Turn):
                yield found.outcome()
            else:
                raise found

    def leave(self) -> None:
        """Let every thread end: after the question it is at, or with the model that it asks."""
        self._leaving.set()
        until = time.monotonic() + _PARTING
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _guarded(self, task: Callable[[], None]) -> None:
        try:
            task()
        except Exception as error:  # noqa: BLE001 (Hopeless, or a bug: the main thread raises it)
            self._leaving.set()
            self._finished.put(error)
        finally:
            self._finished.put(None)

    def _decode(self) -> None:
        try:
            for track in self._plan.todo:
                if self._leaving.is_set():
                    return
                turn = self._turn(track)
                if turn.wants is None or turn.samples is None:
                    self._finish(turn)
                elif not self._hand_over(turn):
                    turn.claim.close()
        finally:
            for _ in range(self._slots):
                self._hand_over(None)

    def _hand_over(self, turn: _Turn | None) -> bool:
        while not self._leaving.is_set():
            try:
                self._ready.put(turn, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def _take(self) -> _Turn | None:
        while not self._leaving.is_set():
            try:
                return self._ready.get(timeout=0.1)
            except queue.Empty:
                continue
        return None

    def _turn(self, track: Track) -> _Turn:
        """Claim a track, store what needs no question, and decode it if there are any."""
        root, claim, asker = self._plan.root, ExitStack(), self._plan.asker
        named = track.path.relative_to(root).as_posix() if track.path.is_relative_to(root) else track.name
        turn = _Turn(track, named, claim)
        try:
            claim.enter_context(lock(track.folder, 0.0, _lock_name(track)))
            wants = inspect_captions(track, asker)
            turn.skipped += [f"{STAGE}/{name}" for name in wants.done]
            if wants.adopt:
                adopt(track, wants.adopt)
                turn.notes.append("texts found in the .INFO were adopted as they are")
            for question, entry in wants.finish:
                kept = postprocess(track, asker, wants, question, entry)
                turn.notes += kept.notes
                turn.done.append(f"{STAGE}/{question.field}")
            if wants.wanted:
                started = time.perf_counter()
                turn.samples, turn.duration = sound_of(track, asker)
                turn.seconds["decode"] = time.perf_counter() - started
            turn.wants = wants
        except LockedError:
            turn.busy = True
            turn.failures["track"] = "another run is at work on it; run the same command again later"
        except Exception as error:  # noqa: BLE001 (around a track: it becomes that track's failure)
            self._fail(turn, error)
        return turn

    def _describe(self, slot: int) -> None:
        while (turn := self._take()) is not None:
            with turn.claim:
                try:
                    self._ask(turn, slot)
                except CaptionerUnavailable:
                    if self._leaving.is_set():  # the run is broken off, and the model with it
                        return
                    raise
                except Exception as error:  # noqa: BLE001 (around a track: it becomes that track's failure)
                    self._fail(turn, error)
            self._finish(turn)

    def _ask(self, turn: _Turn, slot: int) -> None:
        wants, samples, asker = turn.wants, turn.samples, self._plan.asker
        assert wants is not None
        assert samples is not None
        describer = asker.describer
        sound = sound_tokens(len(samples) / RATE, whole_windows=describer.whole_windows)
        turn.samples = None  # the hearing has its own form of it
        hearing = describer.hear(samples, slot)
        del samples
        started = time.perf_counter()
        told_so_far = describe(hearing, wants.wanted, asker.ladder, batched=describer.batched)
        for before, told in enumerate(told_so_far):
            seconds, started = time.perf_counter() - started, time.perf_counter()
            self._check_cache(told, before, sound)
            kept = store_attempt(turn.track, asker, wants, told, seconds)
            name = f"{STAGE}/{told.wanted.question.field}"
            turn.seconds[name] = turn.seconds.get(name, 0.0) + seconds
            if kept is not None:
                turn.done.append(name)
                turn.notes += kept.notes
                if kept.reason:
                    turn.notes.append(f"{told.wanted.question.field}: {kept.reason}")
            if self._leaving.is_set():
                return

    def _check_cache(self, told: Attempt, before: int, sound: int) -> None:
        """Say it, once, where a question about a track that was heard before was heard anew."""
        cached = told.answer.cached
        if before and cached is not None and cached < _HIT * sound and not self._missed:
            self._missed = True
            self._say(
                f"note   the server heard the same sound again: {cached} of {told.answer.heard} tokens were known. "
                "Each question now costs as much as the first; look at its prompt cache and its number of slots"
            )

    def _fail(self, turn: _Turn, error: Exception) -> None:
        if self._request.debug:
            traceback.print_exception(error)
        bug = f"{type(error).__name__}: {error} (a bug: run with --debug and report it)"
        turn.failures["track"] = str(error) if isinstance(error, MirkitError) else bug

    def _finish(self, turn: _Turn) -> None:
        turn.claim.close()
        self._finished.put(turn)


def _lock_name(track: Track) -> str:
    """Name of the lock that keeps other runs of texts off a track; measuring may go on beside it."""
    return f"{LOCK_NAME}-texts" + (f"-{sha256(os.fsencode(track.loose)).hexdigest()[:8]}" if track.loose else "")


def _start(plan: CaptionPlan) -> dict[str, object]:
    return {
        "stages": [STAGE],
        "methods": {"texts": plan.describer.backend},
        "workers": plan.describer.parallel,
        "tracks": len(plan.tracks),
        "todo": len(plan.todo),
        "minutes": round(plan.sound / 60, 1),
        "expected": round(plan.seconds or 0.0, 1),
    }

"""Running captions: one model, threads that use it, and one thread that decodes the next track in the meantime.

The model is in this process or in a server, so tracks are processed in threads, which wait for its answers.
"""

import queue
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mirkit.audio import Audio, open_audio
from mirkit.captions.excerpt import RATE, audio_tokens, cut, excerpt_seconds
from mirkit.errors import AudioError, printable
from mirkit.features.types import FloatArray
from mirkit.models.captioners import CaptionerUnavailable
from mirkit.models.captioners.retry import Attempt, describe
from mirkit.pipeline.captioning.plan import CaptionPlan
from mirkit.pipeline.captioning.store import (
    STAGE,
    CaptionJob,
    CaptionState,
    adopt,
    inspect_captions,
    postprocess,
    store_attempt,
)
from mirkit.pipeline.task import TrackLog, TrackOutcome, error_message, name_within, run_lock
from mirkit.store import LockedError
from mirkit.track import Track

#: Share of the audio's tokens that must be cached from the second question on; a smaller share is a cache miss.
_MIN_CACHED_SHARE = 0.9
#: Seconds to wait for a thread to end when a run is interrupted.
_JOIN_SECONDS = 3.0


@dataclass(kw_only=True)
class _Turn(TrackLog):
    """A track in progress: locked, inspected, and decoded if the model has to be asked."""

    track: Track
    claim: ExitStack = field(default_factory=ExitStack)
    state: CaptionState | None = None
    samples: FloatArray | None = None


def run_captions(
    plan: CaptionPlan, root: Path, notify: Callable[[str], None], *, debug: bool
) -> Generator[TrackOutcome, None, None]:
    """Run the captions of a plan.

    Parameters
    ----------
    plan : CaptionPlan
    root : Path
        Root of the data set; outcomes have paths relative to it.
    notify : callable
        Receives messages about the whole run.
    debug : bool
        Whether to print the traceback of an error.

    Yields
    ------
    TrackOutcome
        Outcome of each track that needs captions, in the order in which they finish.

    Raises
    ------
    MirkitError
        The model cannot be loaded or is no longer available. The remaining tracks are left for the next run.
    """
    if not plan.todo:
        return
    with ExitStack() as stack:
        if plan.prompts:
            for line in stack.enter_context(plan.captioner.loaded(plan.need)):
                notify(line)
        threads = _Threads(plan, root, notify, debug=debug)
        stack.callback(threads.stop)
        yield from threads.outcomes()


class _Threads:
    """One thread for decoding, and one for each slot of the model."""

    def __init__(self, plan: CaptionPlan, root: Path, notify: Callable[[str], None], *, debug: bool) -> None:
        self._plan, self._root, self._notify, self._debug = plan, root, notify, debug
        self._slots = max(1, min(plan.captioner.parallel, len(plan.todo)))
        self._ready: queue.Queue[_Turn | None] = queue.Queue(maxsize=1)
        self._finished: queue.SimpleQueue[_Turn | Exception | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._missed = False
        work = [self._decode, *(lambda slot=slot: self._describe(slot) for slot in range(self._slots))]
        self._threads = [threading.Thread(target=self._guarded, args=(task,), daemon=True) for task in work]
        for thread in self._threads:
            thread.start()

    def outcomes(self) -> Generator[TrackOutcome, None, None]:
        """Yield the outcome of each track; raise errors that end the run."""
        running = len(self._threads)
        while running:
            item = self._finished.get()
            if item is None:
                running -= 1
            elif isinstance(item, _Turn):
                yield item.outcome()
            else:
                raise item

    def stop(self) -> None:
        """Let every thread end after its current question."""
        self._stopping.set()
        until = time.monotonic() + _JOIN_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        with suppress(queue.Empty):  # a track that was decoded for nothing is free for the next run
            while True:
                if (turn := self._ready.get_nowait()) is not None:
                    turn.claim.close()

    def _guarded(self, task: Callable[[], None]) -> None:
        try:
            task()
        except Exception as error:  # noqa: BLE001 (CaptionerUnavailable, or a bug: the main thread raises it)
            self._stopping.set()
            self._finished.put(error)
        finally:
            self._finished.put(None)

    def _decode(self) -> None:
        try:
            for track in self._plan.todo:
                if self._stopping.is_set():
                    return
                turn = self._prepare(track)
                if turn.state is None or turn.samples is None:
                    self._finish(turn)
                elif not self._put(turn):
                    turn.claim.close()
        finally:
            for _ in range(self._slots):
                self._put(None)

    def _put(self, turn: _Turn | None) -> bool:
        while not self._stopping.is_set():
            try:
                self._ready.put(turn, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def _take(self) -> _Turn | None:
        while not self._stopping.is_set():
            try:
                return self._ready.get(timeout=0.1)
            except queue.Empty:
                continue
        return None

    def _prepare(self, track: Track) -> _Turn:
        """Lock a track, store captions for which the model is not needed, and decode the audio for the others."""
        job, turn = self._plan.job, _Turn(name=name_within(self._root, track), track=track)
        try:
            # A lock against other runs of captions only: measuring the track at the same time is allowed.
            turn.claim.enter_context(run_lock(track, "texts", 0.0))
            state = inspect_captions(track, job)
            turn.skipped += [f"{STAGE}/{field}" for field in state.done]
            if state.adopted:
                adopt(track, state.adopted)
                turn.notes.append("captions found in the .INFO were adopted as they are")
            for question, record in state.unfinished:
                turn.notes += postprocess(track, job, state, question, record).notes
                turn.done.append(f"{STAGE}/{question.field}")
            if state.pending:
                started = time.perf_counter()
                turn.samples, turn.duration = decode_excerpt(
                    open_audio(track.mix, rate=RATE, hold_seconds=0), job, printable(track.path)
                )
                turn.seconds["decode"] = time.perf_counter() - started
            turn.state = state
        except LockedError:
            turn.busy = True
            turn.failures["track"] = "another run is processing this track; run the same command again later"
        except Exception as error:  # noqa: BLE001 (any error becomes a failure of the track)
            self._fail(turn, error)
        return turn

    def _describe(self, slot: int) -> None:
        while (turn := self._take()) is not None:
            with turn.claim:
                try:
                    self._ask(turn, slot)
                except CaptionerUnavailable:
                    if self._stopping.is_set():  # the run was interrupted, which also stops the model
                        return
                    raise
                except Exception as error:  # noqa: BLE001 (any error becomes a failure of the track)
                    self._fail(turn, error)
            self._finish(turn)

    def _ask(self, turn: _Turn, slot: int) -> None:
        state, samples, job = turn.state, turn.samples, self._plan.job
        assert state is not None
        assert samples is not None
        captioner = job.captioner
        tokens = audio_tokens(len(samples) / RATE, whole_windows=captioner.whole_windows)
        turn.samples = None  # the session has its own copy
        session = captioner.session(samples, slot)
        del samples
        started = time.perf_counter()
        attempts = describe(session, state.pending, job.settings.texts, batched=captioner.batched)
        for number, attempt in enumerate(attempts):
            seconds, started = time.perf_counter() - started, time.perf_counter()
            self._check_cache(attempt, number, tokens)
            stored = store_attempt(turn.track, job, state, attempt, seconds)
            field = attempt.pending.question.field
            name = f"{STAGE}/{field}"
            turn.seconds[name] = turn.seconds.get(name, 0.0) + seconds
            if stored is not None:
                turn.done.append(name)
                turn.notes += stored.notes
                if stored.reason:
                    turn.notes.append(f"{field}: {stored.reason}")
            if self._stopping.is_set():
                return

    def _check_cache(self, attempt: Attempt, number: int, tokens: int) -> None:
        """Warn once if the server's prompt cache did not contain the audio from the previous question."""
        cached = attempt.answer.cached_tokens
        if number and cached is not None and cached < _MIN_CACHED_SHARE * tokens and not self._missed:
            self._missed = True
            self._notify(
                f"note   the server encoded the same audio again: {cached} of {attempt.answer.prompt_tokens} tokens "
                "were cached. Each question now costs as much as the first; check the server's prompt cache and its "
                "number of slots"
            )

    def _fail(self, turn: _Turn, error: Exception) -> None:
        turn.failures["track"] = error_message(error, turn.track.path, debug=self._debug)

    def _finish(self, turn: _Turn) -> None:
        turn.claim.close()
        self._finished.put(turn)


def decode_excerpt(audio: Audio, job: CaptionJob, name: str) -> tuple[FloatArray, float]:
    """Decode the part of a track that the model receives.

    Parameters
    ----------
    audio : Audio
        Audio at ``RATE``.
    job : CaptionJob
    name : str
        Name of the track in error messages.

    Returns
    -------
    array, shape=(n,)
        Mono, at 16 kHz.
    float
        Duration of the whole track in seconds.

    Raises
    ------
    AudioError
        The track cannot be decoded, or is silent.
    """
    blocks = [block.mean(axis=0, dtype=np.float32) for block in audio.blocks()]
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if not np.any(samples):
        raise AudioError(f"{name}: the track is silent")
    duration = len(samples) / RATE
    seconds = excerpt_seconds(duration, job.max_seconds, whole_windows=job.captioner.whole_windows)
    return cut(samples, seconds, job.settings.texts.excerpt), duration

"""Running a plan: an engine processes the tracks, outcomes are yielded as tracks finish, and a log is written.

Before the first track, :func:`prepare` checks the device, downloads weights, and records the chosen backends.
"""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from mirkit import __version__, engines, models
from mirkit.errors import MirkitError, WeightsError, counted
from mirkit.models import preflight, registry, weights
from mirkit.pipeline import time_estimate
from mirkit.pipeline.plan import RunPlan, RunRequest
from mirkit.pipeline.task import TrackJob, TrackOutcome, name_within
from mirkit.store import remove_orphans, write_backends
from mirkit.store.run_log import FOLDER, RunLog
from mirkit.track import Track

#: Bytes that a worker needs for a track of usual length, without models.
MEMORY_PER_WORKER = 700 * 2**20
#: Seconds to wait, at the end, for a track that another run is processing.
_PATIENCE = 3600.0


#: Receives the name of a track, and what is being done with it, as ``mirkit.activity`` announces it.
Watch = Callable[[str, str], None]


def run(
    plan: RunPlan, request: RunRequest, notify: Callable[[str], None], watch: Watch | None = None
) -> Generator[TrackOutcome, None, None]:
    """Run a plan.

    Parameters
    ----------
    plan : RunPlan
    request : RunRequest
    notify : callable
        Receives messages about the whole run.
    watch : callable, optional
        Receives what is being done with which track, where the engine reports it.

    Yields
    ------
    TrackOutcome
        Outcome of each track with work to do, in the order in which they finish.
    """
    todo = plan.waiting
    _clean(plan, todo)
    if plan.idle == len(plan.tracks):
        return
    count = workers(plan, request)
    log: AbstractContextManager[Callable[..., None]] = nullcontext(lambda **_: None)  # a single track has no log
    if request.batch:
        log = logged(plan.root, notify, request.url, **_start(plan, request, count))
    failed: dict[str, dict[str, str]] = {}
    with log as write, ExitStack() as stack:
        if todo:
            times = time_estimate.Recorder(plan.backends, plan.settings, count)
            if not request.url and request.address is None:  # the times of other machines mean nothing here
                stack.callback(times.save)
            planned = {name_within(plan.root, track): plan.todo.get(str(track.path), {}) for track in todo}
            for outcome in stack.enter_context(closing(_outcomes(plan, request, todo, count, notify, watch))):
                write(**_line(outcome))
                times.add(outcome, planned.get(outcome.track, {}))
                if outcome.failures and plan.captions:
                    failed[outcome.track] = outcome.failures
                yield outcome
        if plan.captions:
            from mirkit.pipeline.captioning.plan import plan_again
            from mirkit.pipeline.captioning.run import run_captions

            # Prompts may contain values that were measured in this run.
            captions = plan_again(plan.captions.job, plan.captions.tracks) if todo else plan.captions
            described = run_captions(captions, plan.root, notify, debug=request.debug)
            for outcome in stack.enter_context(closing(described)):
                # The last line of a track in the log must have all of its failures.
                write(**_line(replace(outcome, failures=failed.get(outcome.track, {}) | outcome.failures)))
                yield outcome


def workers(plan: RunPlan, request: RunRequest) -> int:
    """Return the number of worker processes: by default one per core; at most one per track and as memory allows."""
    asked = min(
        request.jobs or plan.settings.run.jobs or engines.cores(request.address), len(plan.todo) + len(plan.unreadable)
    )
    if asked > 1 and request.address is None:  # on a cluster, Ray assigns memory and GPUs
        each = MEMORY_PER_WORKER + models.worker_memory(plan.backends, plan.settings.run.device)
        asked = min(asked, (request.memory or engines.default_memory()) // each)
    return max(1, asked)


def _clean(plan: RunPlan, todo: list[Track]) -> None:
    """Remove the temporary files of killed runs, except in tracks whose worker will do so."""
    pending = set(todo)
    folders = {track.folder for track in plan.tracks if track.unclean and track not in pending}
    for folder in (*folders, plan.root):
        with suppress(MirkitError):  # a read-only folder is left unchanged
            remove_orphans(folder)


def _outcomes(
    plan: RunPlan,
    request: RunRequest,
    tracks: list[Track],
    count: int,
    notify: Callable[[str], None],
    watch: Watch | None,
) -> Generator[TrackOutcome, None, None]:
    jobs = [_job(plan, request, track) for track in tracks]
    busy = []
    from mirkit.models.device_server import device_servers  # planning shall not load what networks need

    with device_servers(_server_devices(plan, request, count)) as environment:
        with closing(_engine(jobs, request, count, environment, watch)) as results:
            for done in results:
                if done.result and done.result.busy:
                    busy.append(replace(done.item, patience=_PATIENCE))
                else:
                    yield _outcome(done)
        if busy:
            notify(f"another run is at work on {counted(len(busy), 'track')}; mirkit waits for it")
            with closing(_engine(busy, request, count, environment, watch)) as results:
                yield from map(_outcome, results)


def _server_devices(plan: RunPlan, request: RunRequest, count: int) -> list[str]:
    """Return the devices that workers share through a device server; none on a cluster, where Ray assigns GPUs."""
    if request.address is not None or count == 1:
        return []
    from mirkit.models.device_server import server_devices

    device = plan.settings.run.device
    named = ((task, name) for task, name in plan.backends.items() if name)  # "" if a task has no backend
    return server_devices((models.compute_device(task, name, device) for task, name in named), count)


def _job(plan: RunPlan, request: RunRequest, track: Track) -> TrackJob:
    name = name_within(plan.root, track)
    path = Path(name) if request.url else track.path
    what = (request.track_stages, plan.backends, plan.settings, request.overwrite, request.replaces, request.debug)
    return TrackJob(path, *what, name, url=request.url, planned=plan.todo.get(str(track.path), {}))


def _engine(
    jobs: list[TrackJob], request: RunRequest, count: int, environment: Mapping[str, str], watch: Watch | None
) -> Generator[engines.ItemResult[TrackJob, TrackOutcome], None, None]:
    return engines.run(
        run_job,
        jobs,
        jobs=count,
        time_limit=request.time_limit,
        memory=request.memory,
        address=request.address,
        gpu=models.use_device(jobs[0].backends) and jobs[0].settings.run.device != "cpu",
        environment=environment,
        watch=(lambda job, activity: watch(job.name, activity)) if watch is not None else None,
    )


def run_job(job: TrackJob) -> TrackOutcome:
    """Run a job in a worker. The analysis is imported here, so that the parent process does not load it."""
    if job.url:
        from mirkit.remote.task import process_remote_track

        return process_remote_track(job)
    from mirkit.pipeline.track_task import process

    return process(job)


def _outcome(done: engines.ItemResult[TrackJob, TrackOutcome]) -> TrackOutcome:
    outcome = done.result
    if outcome is None:
        return TrackOutcome(done.item.name, failures={"track": done.error})
    if outcome.busy:
        why = "another run has been processing this track for an hour; run the same command again later"
        return replace(outcome, failures={"track": why})
    if done.retry_reason:
        return replace(
            outcome,
            notes=(*outcome.notes, f"the track succeeded at the second attempt; at the first, {done.retry_reason}"),
        )
    return outcome


def _start(plan: RunPlan, request: RunRequest, count: int) -> dict[str, object]:
    return {
        "stages": request.stages,
        "methods": plan.backends | ({"texts": plan.captions.captioner.backend} if plan.captions else {}),
        "workers": count if request.track_stages or not plan.captions else plan.captions.captioner.parallel,
        "tracks": len(plan.tracks),
        "todo": outcomes(plan),
        "minutes": round(plan.minutes or (plan.captions.audio_seconds / 60 if plan.captions else 0.0), 1),
        "expected": round(expected_seconds(plan, count), 1),
    }


def outcomes(plan: RunPlan) -> int:
    """Return the number of outcomes that a run yields: two for a track that is measured and gets captions."""
    return len(plan.waiting) + (len(plan.captions.todo) if plan.captions else 0)


def expected_seconds(plan: RunPlan, workers: int) -> float:
    """Return the estimated time of a run in seconds."""
    return stage_seconds(plan, workers) + ((plan.captions.seconds or 0.0) if plan.captions else 0.0)


def stage_seconds(plan: RunPlan, workers: int) -> float:
    """Return the estimated time of a run without captions, in seconds."""
    if not plan.todo:
        return 0.0
    return time_estimate.wall_seconds(plan.estimate.seconds, len(plan.todo), workers) + plan.estimate.compiling


def _line(outcome: TrackOutcome) -> dict[str, object]:
    return {
        "track": outcome.track,
        "done": outcome.done,
        "failures": outcome.failures,
        "notes": outcome.notes,
        "seconds": {name: round(seconds, 3) for name, seconds in outcome.seconds.items()},
        "duration": round(outcome.duration, 3),
    }


#: Seconds between two uploads of a log to object storage, which cannot append to an object.
_EVERY = 20.0


@contextmanager
def logged(root: Path, notify: Callable[[str], None], url: str = "", **start: Any) -> Iterator[Callable[..., None]]:
    """Write a log during the block. Its last line is ``finished``, ``interrupted``, or the error that ended the run.

    Parameters
    ----------
    root : Path
        Root of the data set.
    notify : callable
        Receives the reason at the end if the log could not be written.
    url : str
        URL of a data set on object storage, to which the log is uploaded during the run.
    start : JSON
        Details of the first line of the log.

    Yields
    ------
    callable
        Adds a line for a track, with the keyword arguments as details.
    """
    log = RunLog(root, mirkit=__version__, **start)
    state = "interrupted"
    try:
        yield _writer(log, url)
        state = "finished"
    except MirkitError as error:
        state = str(error)
        raise
    finally:
        log.close(state)
        if log.problem:
            notify(log.problem)


def _writer(log: RunLog, url: str) -> Callable[..., None]:
    store, copied = None, float("-inf")
    if url:
        from mirkit.remote.object_store import ObjectStore  # needs the extra `cloud`

        store = ObjectStore(url)

    def copy() -> None:
        nonlocal copied
        if store and log.path and time.monotonic() - copied > _EVERY:
            with suppress(MirkitError):  # processing the tracks reports that the storage cannot be written to
                store.put((FOLDER / log.path.name).as_posix(), log.path)
            copied = time.monotonic()

    def write(**fields: Any) -> None:
        log.write("track", **fields)
        copy()

    copy()
    return write


def check(plan: RunPlan) -> None:
    """Check the device and the downloaded weights; nothing is downloaded or written.

    Raises
    ------
    WeightsError
        Weights cannot be loaded.
    MissingExtra
        The device does not exist.
    """
    if plan.todo:
        preflight.check_device(plan.backends, plan.settings)
        preflight.check_weights(plan.backends, plan.settings)


def prepare(plan: RunPlan, progress: weights.Progress | None = None) -> None:
    """Download the weights that a plan needs, check all of them, and record the backends that ``auto`` chose.

    Raises
    ------
    WeightsError
        Weights cannot be downloaded or loaded. No backend is then recorded, so that a later run chooses again.
    MissingExtra
        The device does not exist.
    """
    check(plan)  # before a large download
    if plan.todo and plan.downloads:
        for model in plan.downloads:
            try:
                weights.fetch(model, plan.settings.run, progress)
            except WeightsError as error:
                if registry.network(model.backend).task != "stems":
                    raise
                raise WeightsError(f"{error}; or use --model embedded, which needs no model") from error
        check(plan)
    if any(plan.fresh.values()):
        write_backends(plan.root, plan.fresh)

"""Running the stages of one track that are missing or stale."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from mirkit import __version__
from mirkit.activity import announce
from mirkit.analysis import TrackAnalysis
from mirkit.audio import probe
from mirkit.catalog import ALL_SPECS, STEMS, Stage, stage
from mirkit.errors import AudioError, MirkitError
from mirkit.features.types import Unknown
from mirkit.pipeline.check_result import check_result
from mirkit.pipeline.damaged_sidecars import asides, notes_on_damage
from mirkit.pipeline.own_stems import belong, refuse
from mirkit.pipeline.stopwatch import Stopwatch
from mirkit.pipeline.task import (
    COMPILING,
    FILES,
    MEASURE,
    TrackJob,
    TrackLog,
    TrackOutcome,
    below,
    error_message,
    now,
    run_lock,
)
from mirkit.stages import Result, entry_name, midi_path, network_streams, parameters, stage_function
from mirkit.stages.window import FROM_SOUND
from mirkit.staleness import (
    DOWNMIX,
    MADE_OF,
    TrackState,
    edit_note,
    keep_edits,
    keep_file,
    kept,
    requested_identities,
)
from mirkit.store import (
    EXTERNAL,
    FileDigest,
    LockedError,
    ProvenanceRecord,
    Settings,
    atomic_write,
    digest_of_bytes,
    file_digest,
    remove_orphans,
    update_info,
    update_provenance,
    write_sidecar,
)
from mirkit.store.compiled import keep_compiled, use_compiled, with_kernels
from mirkit.track import Track, follow_rename, move_aside, move_back
from mirkit.windows import as_measured, neural_stages, requested_stages, window_series

_ORDER = tuple(row.name for row in ALL_SPECS)
#: Metadata of earlier versions that are descriptors in the ``.INFO`` now.
NO_LONGER_FACTS = ("key", "mode", "meter", "bpm_confidence", "swing")


def process(job: TrackJob) -> TrackOutcome:
    """Run the missing or stale stages of a track, and store their results.

    An error of the track becomes part of the outcome.
    """
    use_compiled()
    log = TrackLog(name=job.name or str(job.path))
    watch = Stopwatch()
    announce("reading")
    try:
        with ExitStack() as claim:
            try:
                claim.enter_context(run_lock(Track.at(job.path), "run", job.patience))
            except LockedError:  # another run has locked it: two runs at once share the work
                return replace(log.outcome(), busy=True)
            _process(job, log)
            if meanwhile := [name for name in log.skipped if name in job.planned]:
                log.notes.append(f"{', '.join(meanwhile)}: another run has done this in the meantime")
    except MirkitError as error:
        message = error_message(error, job.path, debug=job.debug)
        if log.failures.get("separate") == message:  # the mix itself cannot be read, which is reported once
            del log.failures["separate"]
        log.failures["track"] = message
    keep_compiled()
    if log.done and not log.duration:  # nothing was decoded here
        with suppress(MirkitError):
            log.duration = probe(Track.at(job.path).mix).duration or 0.0
    log.failures = {where: below(why, job.path) for where, why in log.failures.items()}
    log.notes = [below(text, job.path) for text in log.notes]
    log.seconds[FILES] = max(0.0, watch.seconds - sum(log.seconds.values()))
    if watch.compiling:
        log.seconds[COMPILING] = watch.compiling
    return log.outcome()


def _process(job: TrackJob, log: TrackLog) -> None:
    track = Track.at(job.path)  # listed under the lock
    if track.unclean:
        remove_orphans(track.folder)
    if renamed := follow_rename(track):
        log.notes.append(renamed)
    # With --overwrite every file is hashed again, even if its stamp is known.
    state = TrackState.of(track, known={} if job.overwrite else None)
    if "separate" in job.stages:
        before = state.digests
        _separate(job, state, log)
        state = TrackState.of(Track.at(job.path), known=before if job.overwrite else None)
    elif not _own_stems_belong(job, state, log):
        refuse(state, log)
        state = TrackState.of(Track.at(job.path), known=state.digests)
    before_asides = asides(state) if state.notes else set()
    wanted = tuple(name for name in job.stages if name != "separate")
    with ExitStack() as moved:
        if "drums" in state.own(wanted, job.settings):
            if "drums" in job.replaces:
                moved.enter_context(_aside("drums", [midi_path(state.track, job.settings)], log))
            else:
                _keep_midi(job, state, log)
                wanted = tuple(name for name in wanted if name != "drums")
        _finish(job, state, wanted, log)
    log.notes[:0] = notes_on_damage(state, before_asides)


def _own_stems_belong(job: TrackJob, state: TrackState, log: TrackLog) -> bool:
    """Compare the user's stems with the mix before stages read them, where no separation was asked for."""
    own = state.user_stems()
    read = {source for name in job.stages for source in state.inputs(stage(name), job.settings).files}
    return state.clip_source is not None or not own.keys() & read or belong(state, own, log)


def _finish(job: TrackJob, state: TrackState, wanted: tuple[str, ...], log: TrackLog) -> None:
    """Run the missing or stale stages other than separation."""
    todo = state.outstanding(wanted, job.backends, job.settings, overwrite=job.overwrite, replaces=job.replaces)
    log.skipped += [name for name in job.stages if name != "separate" and name not in {*todo, *log.failures}]
    if newer := [name for name in state.newer(wanted, job.settings) if name not in todo]:
        log.notes.append(f"{', '.join(newer)}: computed by a newer version of mirkit, and kept as it is")
    crop = todo.pop("crop", "")
    if todo:
        _measure(job, state, tuple(todo), log)
    if crop:
        _crop(job, log)


def _keep_midi(job: TrackJob, state: TrackState, log: TrackLog) -> None:
    """Record that the MIDI file is the user's own, and keep it."""
    row, path, digest = stage("drums"), midi_path(state.track, job.settings), state.user_midi(job.settings)
    name = entry_name(row, job.settings)
    entry = state.provenance.stages.get(name)
    if digest and not (entry and entry.backend == EXTERNAL and digest in entry.outputs.values()):
        _adopt(state, name, {path.name: digest})
        log.notes.append(f"{path.name} was found or changed by hand, and is kept as it is")
    if job.overwrite:
        _note_kept(job, "drums", path.name, log)


def _adopt(state: TrackState, name: str, outputs: dict[str, FileDigest]) -> None:
    """Record that the files of a stage are the user's own."""
    version = stage(name.partition("/")[0]).version
    adopted = ProvenanceRecord(name, __version__, version, backend=EXTERNAL, outputs=outputs, when=now())
    update_provenance(state.track.provenance, [adopted])


def _note_kept(job: TrackJob, name: str, files: str, log: TrackLog) -> None:
    """Note that the user's own files are kept; a failure if the command names the stage, which is then not run."""
    message = kept(name, files)
    if job.stages == (name,):
        log.failures[name] = message
    else:
        log.notes.append(message)


@contextmanager
def _aside(stage: str, paths: list[Path], log: TrackLog) -> Iterator[None]:
    """Rename the user's own files while a stage writes files in their place; restore them if the stage fails."""
    moved = move_aside(paths)
    try:
        yield
    finally:
        if stage not in log.done:
            move_back(moved)
        log.notes += [
            f"{path.name}: this file of your own was renamed to {aside.name}"
            for path, aside in moved.items()
            if aside.exists()
        ]


def _crop(job: TrackJob, log: TrackLog) -> None:
    """Cut clips, with features from the results of the earlier stages."""
    from mirkit.clips.cut import cut_clips
    from mirkit.clips.features import MeasuredTrack

    row = stage("crop")
    if log.failures:
        log.failures[row.name] = f"needs {', '.join(log.failures)}, which failed"
        return
    announce("cutting clips")
    watch = Stopwatch()
    state = TrackState.of(Track.at(job.path))
    stages, neural = state.provenance.stages, neural_stages(state)
    settings = as_measured(state, job.settings)
    needs = {need: stages[need].identity for need in row.needs} | requested_identities(stages)

    def write_entry(result: Result, **more: Any) -> ProvenanceRecord:
        entry = _entry(job, state, row, result, needs, watch.seconds, **more)
        update_provenance(state.track.provenance, [entry])
        return entry

    begun: list[ProvenanceRecord] = []
    try:
        opened = TrackAnalysis.load_cached(
            state.track, state.digests, window_series(state, settings), state.stems_backend
        )
        measured = MeasuredTrack(
            opened,
            state.digests,
            stages,
            state.provenance.facts,
            neural,
            state.user_values(),
            requested_stages(state, settings),
        )
        # Recorded first, so that after a kill a run with the same settings continues without --overwrite.
        cropped = cut_clips(
            measured,
            settings,
            overwrite=job.overwrite,
            begin=lambda: begun.append(write_entry(Result(), failed="interrupted")),
        )
    except Exception as error:  # noqa: BLE001 (any error becomes a failure of the stage)
        log.failures[row.name] = error_message(error, job.path, debug=job.debug)
        if begun:
            with suppress(MirkitError):  # the disk may be full: the first failure is the one that is reported
                write_entry(Result(), failed=log.failures[row.name])
        return
    log.notes += cropped.notes
    log.clips = len(cropped.names)
    modeled = tuple(name for name in (*FROM_SOUND, *neural) if stages[name].backend)
    for clip in cropped.names if modeled else ():  # these stages need the audio of the clip itself
        path = state.track.crops / clip
        again = replace(job, path=path, stages=modeled, overwrite=False, replaces=frozenset(), planned={})
        outcome = process(again)
        log.failures |= {f"crops/{clip} {where}": why for where, why in outcome.failures.items()}
    entry = write_entry(Result(method={"aligned": cropped.aligned}), clips=cropped.names)
    log.seconds[row.name] = entry.seconds
    log.done.append(row.name)


def _separate(job: TrackJob, state: TrackState, log: TrackLog) -> None:
    row = stage("separate")
    state.check_clip((row.name,))
    own_stems = state.user_stems()
    if state.rejected or not belong(state, own_stems, log):
        if row.name not in job.replaces:
            refuse(state, log)
            return
        own_stems = dict.fromkeys((*state.rejected, *own_stems), FileDigest(0, ""))
    if name := state.user_rest(job.settings):
        log.failures[row.name] = f"{name}, kept as found; move it elsewhere, and run this again"
        return
    if own_stems and row.name in job.replaces:
        with _aside(row.name, [state.track.stems[stem] for stem in own_stems], log):
            _make_stems(job, TrackState.of(Track.at(job.path), known=state.digests), {}, log)
        return
    if own_stems and job.overwrite:
        _note_kept(job, row.name, state.own((row.name,), job.settings)[row.name], log)
    if len(own_stems) == len(STEMS):
        entry = state.provenance.stages.get(row.name)
        adopted = {name: digest for name, digest in entry.outputs.items() if name in STEMS} if entry else {}
        if entry is None or entry.backend != EXTERNAL or adopted != own_stems:
            _adopt(state, row.name, own_stems)
            log.notes.append("stems found beside the mix were adopted as they are")
        if row.name in log.failures:
            return
        if state.rest_reason(job.settings):
            _make_rests(job, TrackState.of(Track.at(job.path), known=state.digests), log)
        else:
            log.skipped.append(row.name)
        return
    todo = state.outstanding((row.name,), job.backends, job.settings, overwrite=job.overwrite)
    if not todo:
        entry, external = state.provenance.stages[row.name], tuple(sorted(own_stems))
        if external and external != entry.external:  # the user has replaced these stems
            update_provenance(state.track.provenance, [replace(entry, external=external)])
        log.skipped.append(row.name)
        return
    # Stems that were lowered, because the format would have clipped, do not add up to the mix.
    is_whole = (entry := state.provenance.stages.get(row.name)) and entry.details.get("gain", 1.0) == 1.0
    if is_whole and todo[row.name] == state.rest_reason(job.settings):
        _make_rests(job, state, log)
    else:
        _make_stems(job, state, own_stems, log)


def _make_rests(job: TrackJob, state: TrackState, log: TrackLog) -> None:
    """Write the mix without the wanted stems, from stems that exist."""
    from mirkit.stages.separation import separate

    row, rests, watch = stage("separate"), state.rests(job.settings), Stopwatch()
    announce("separating")
    try:
        result, paths = separate(state.track, job.settings, frozenset(state.track.stems), rests)
    except Exception as error:  # noqa: BLE001 (any error becomes a failure of the stage)
        log.failures[row.name] = error_message(error, job.path, debug=job.debug)
        return
    entry = state.provenance.stages[row.name]
    outputs = {**entry.outputs, **{name: file_digest(path) for name, path in paths.items()}}
    details = {**entry.details, MADE_OF: {stem: state.digests[stem].sha256 for stem in rests}}
    update_provenance(state.track.provenance, [replace(entry, outputs=outputs, details=details)])
    log.seconds[row.name] = watch.seconds
    log.notes += result.notes
    log.done.append(row.name)


def _make_stems(job: TrackJob, state: TrackState, own_stems: dict[str, FileDigest], log: TrackLog) -> None:
    """Separate the mix, and write the stems that are not the user's own."""
    row = stage("separate")
    from mirkit.stages.separation import separate

    rests = state.rests(job.settings)
    job = replace(job, settings=state.separation_settings(job.settings))
    two = job.settings.separation.two_stems
    # Recorded first, so that stems that remain after a kill are not mistaken for the user's.
    pending = tuple(stem for stem in ((two,) if two else STEMS) if stem not in own_stems)
    begun = _entry(job, state, row, Result(), {}, 0.0, failed="interrupted", pending=pending)
    update_provenance(state.track.provenance, [begun])
    announce("separating")
    watch = Stopwatch()
    try:
        result, paths = separate(state.track, job.settings, frozenset(own_stems), rests)
    except Exception as error:  # noqa: BLE001 (any error becomes a failure of the stage)
        log.failures[row.name] = error_message(error, job.path, debug=job.debug)
        with suppress(MirkitError):  # the disk may be full: the first failure is the one that is reported
            update_provenance(state.track.provenance, [replace(begun, failed=log.failures[row.name])])
        return
    outputs = {stem: file_digest(path) for stem, path in paths.items()}
    if rests:
        result.method[MADE_OF] = {stem: (own_stems | outputs)[stem].sha256 for stem in rests}
    entry = _entry(job, state, row, result, {}, watch.seconds, outputs=outputs)
    update_provenance(state.track.provenance, [entry])
    log.seconds[row.name] = entry.seconds
    log.notes += result.notes
    log.done.append(row.name)


def _measure(job: TrackJob, state: TrackState, todo: tuple[str, ...], log: TrackLog) -> None:
    rows = [stage(name) for name in todo]
    watch = Stopwatch()
    try:
        opened = with_kernels(lambda: _opened(job, state, rows))
    except MirkitError as error:
        if not (state.info or log.failures):  # so that it is known that the track was tried
            failure = error_message(error, job.path, debug=False)
            with suppress(MirkitError):
                update_provenance(
                    state.track.provenance, [_entry(job, state, rows[0], Result(), {}, 0.0, failed=failure)]
                )
        raise
    log.seconds[MEASURE] = watch.seconds
    log.duration = opened.duration
    identities = {name: entry.identity for name, entry in state.provenance.stages.items()}
    values: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    entries: list[ProvenanceRecord] = []
    for row in rows:
        announce(row.name)
        watch = Stopwatch()
        opened.known = {**state.info, **values}
        result, failure = _run(job, row, opened, log)
        if failure:
            log.failures[row.name] = failure
        else:  # a stem cannot be read, so a value is unknown; the next run tries again
            failure = "; ".join(
                why for part, why in opened.unreadable.items() if opened.missing_reason(part) in result.values.values()
            )
        needs = {need: identities[need] for need in row.needs}
        entry = _entry(job, state, row, result, needs, watch.seconds, failed=failure)
        measured = {key: None if isinstance(value, Unknown) else value for key, value in result.values.items()}
        entry, kept_values = keep_edits(row, entry, measured, state.info, state.provenance.stages.get(row.name))
        entry = _write_products(state, job.settings, row, entry, result)
        if entry.user:
            log.notes.append(edit_note(row, entry))
        identities[row.name] = entry.identity
        values |= measured | kept_values
        facts |= result.facts
        log.seconds[row.name] = entry.seconds
        log.notes += result.notes
        entries.append(entry)
        if row.name not in log.failures:
            log.done.append(row.name)
    announce("writing")
    log.failures |= opened.unreadable
    log.notes += opened.notes
    # The provenance is written last, so that everything that it lists is on disk.
    opened.save_cache()
    update_info(state.track.info, values, order=_ORDER)
    obsolete = (f"facts/{name}" for name in NO_LONGER_FACTS)
    update_provenance(state.track.provenance, entries, facts=facts, remove=obsolete)


def _opened(job: TrackJob, state: TrackState, rows: Sequence[Stage]) -> TrackAnalysis:
    opened = TrackAnalysis(state.track, state.digests, state.stems_backend)
    edits = {name for row in rows for name in state.edits(row)}
    opened.edited_files = frozenset(edits - state.info.keys())
    # A null without a record is not the user's: the provenance was lost.
    known = {name for entry in state.provenance.stages.values() for name in entry.outputs}
    values = {name: state.info[name] for name in edits & state.info.keys()}
    opened.edited_values = {name: value for name, value in values.items() if value is not None or name in known}
    wanted = (series for row in rows for series in state.series(row, job.settings))
    opened.measure(wanted, network_streams(job.settings), use_cache=not job.overwrite)
    return opened


def _run(job: TrackJob, row: Stage, opened: TrackAnalysis, log: TrackLog) -> tuple[Result, str]:
    failed = [need for need in row.needs if need in log.failures]
    try:
        if failed:
            raise MirkitError(f"needs {', '.join(failed)}, which failed")
        result = with_kernels(lambda: stage_function(row)(opened, job.settings))
        check_result(row, result)
        return result, ""
    except Exception as error:  # noqa: BLE001 (any error becomes a failure of the stage)
        failure = error_message(error, job.path, debug=job.debug)
        return Result({key: Unknown(f"failed: {failure}") for key in row.keys}), failure


def _entry(
    job: TrackJob, state: TrackState, row: Stage, result: Result, needs: dict[str, str], seconds: float, **more: Any
) -> ProvenanceRecord:
    downmix = DOWNMIX if row.name != "crop" and _is_downmix(state.track.mix) else {}
    return ProvenanceRecord(
        stage=entry_name(row, job.settings),
        mirkit_version=__version__,
        stage_version=row.version,
        backend=job.backends.get(row.task) or None,
        parameters=parameters(row, job.settings) | downmix,
        inputs=state.inputs(row, job.settings).files,
        needs=needs,
        reasons={key: value.reason for key, value in result.values.items() if isinstance(value, Unknown)},
        seconds=round(seconds, 3),
        when=now(),
        model=result.model,
        weights_sha256=result.weights_sha256,
        details=result.method,
        **more,
    )


def _is_downmix(mix: Path) -> bool:
    """Whether a mix has more than two channels; False where it cannot be read, which fails elsewhere."""
    try:
        return probe(mix).channels > 2
    except AudioError:
        return False


def _write_products(
    state: TrackState, settings: Settings, row: Stage, entry: ProvenanceRecord, result: Result
) -> ProvenanceRecord:
    """Write the files of a result; return the record with the digests of files that the user may change."""
    if row.name == "drums":
        return _write_midi(state, settings, entry, result)
    edits = state.edited_files(row)
    if not result.files and row.editable_files:  # the stage failed: what was written before is still mirkit's
        before = state.provenance.stages.get(row.name)
        if before is None:
            return entry
        return replace(entry, outputs={**before.outputs, **entry.outputs}, user={**before.user, **entry.user})
    for suffix, content in result.files.items():
        # A run that was killed may have written the same file without its record: it is no edit.
        written, present = digest_of_bytes(content), edits.get(suffix)
        if present is None or present == written:
            write_sidecar(state.product(suffix), content)
            written, present = file_digest(state.product(suffix)), None
        if suffix in row.editable_files:
            entry = keep_file(suffix, entry, written, present)
    return entry


def _write_midi(state: TrackState, settings: Settings, entry: ProvenanceRecord, result: Result) -> ProvenanceRecord:
    """Write the MIDI file.

    Its digest is recorded first, in addition to that of the file that it replaces, so that a file that remains after a
    kill is not mistaken for the user's.
    """
    ours = state.our_midi(settings)
    for suffix, content in result.files.items():
        path = state.product(suffix)
        before = {f"{path.name} before": digest for name, digest in ours.items() if name == path.name}
        pending = {path.name: digest_of_bytes(content)} | before
        update_provenance(state.track.provenance, [replace(entry, outputs=pending, failed="interrupted")])
        atomic_write(path, content)
        return replace(entry, outputs={path.name: file_digest(path)})
    return replace(entry, outputs=ours)  # writing failed, and the existing file is one of mirkit's

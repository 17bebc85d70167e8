"""The files that stages make of a track; one of them, the drums' MIDI file, users bring, too, and edit."""

from dataclasses import replace

from mirkit import __version__
from mirkit.catalog import Stage, stage
from mirkit.pipeline.track_state import TrackState
from mirkit.stages import Result, entry_name
from mirkit.stages.selection import midi_path
from mirkit.store import (
    EXTERNAL,
    ProvenanceRecord,
    Settings,
    atomic_write,
    digest_of_bytes,
    file_digest,
    update_provenance,
)
from mirkit.store.json_files import write_sidecar


def adopt_midi(state: TrackState, settings: Settings, when: str) -> str:
    """Write down that the MIDI file is the user's, where it is; say so, or give "" where nothing is new."""
    foreign = state.foreign_midi(settings)
    row = stage("drums")
    name = entry_name(row, settings)
    entry = state.provenance.stages.get(name)
    if not foreign or (entry and entry.backend == EXTERNAL and foreign in entry.outputs.values()):
        return ""
    path = midi_path(state.track, settings)
    adopted = ProvenanceRecord(
        name, __version__, row.version, backend=EXTERNAL, outputs={path.name: foreign}, when=when
    )
    update_provenance(state.track.provenance, [adopted])
    return f"{path.name} was found, or changed by hand, and stays as it is"


def write_products(
    state: TrackState, settings: Settings, row: Stage, entry: ProvenanceRecord, result: Result
) -> ProvenanceRecord:
    """Write the files of a result; return the entry that knows those which the user may change."""
    if row.name == "drums":
        return _write_midi(state, settings, entry, result)
    for suffix, content in result.files.items():
        write_sidecar(state.product(suffix), content)
    return entry


def _write_midi(state: TrackState, settings: Settings, entry: ProvenanceRecord, result: Result) -> ProvenanceRecord:
    """Write the MIDI file.

    What is about to be written is said beforehand, beside what was there: a file that a kill leaves behind is then not
    taken for the user's.
    """
    ours = state.our_midi(settings)
    for suffix, content in result.files.items():
        path = state.product(suffix)
        before = {f"{path.name} before": print_ for name, print_ in ours.items() if name == path.name}
        begun = {path.name: digest_of_bytes(content)} | before
        update_provenance(state.track.provenance, [replace(entry, outputs=begun, failed="interrupted")])
        atomic_write(path, content)
        return replace(entry, outputs={path.name: file_digest(path)})
    return replace(entry, outputs=ours)  # it failed: what is there is still ours

"""What is known of a track before it is worked on: its files, its provenance, and which stages must run."""

import os
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from mirkit.catalog import STEMS, Stage, stage, with_needs
from mirkit.errors import InfoError, MissingInput
from mirkit.stages import entry_name
from mirkit.stages.selection import midi_path
from mirkit.staleness.rules import StageInputs, inputs_of, stale_reason
from mirkit.store import (
    EXTERNAL,
    FileDigest,
    NewerFormatError,
    Provenance,
    ProvenanceRecord,
    Settings,
    file_digest,
    printable,
    read_info,
    read_provenance,
    recorded_digests,
    restamp,
)
from mirkit.store.json_files import JsonObject, check_stays_inside
from mirkit.track import Track
from mirkit.track.clip import ClipSource, is_cut, looks_whole
from mirkit.track.names import ADTOF_MIDI, DRUMS_MIDI, SIDECARS
from mirkit.track.user_files import is_marked

#: File that a stage writes -> attribute of its track.
_PRODUCTS = {"BEATS_GRID": "grid", "ONSETS": "onsets", ADTOF_MIDI: "adtof_midi", DRUMS_MIDI: "drums_midi"}


@dataclass
class TrackState:
    """A track's files as they are.

    Attributes
    ----------
    prints : dict
        Source (``full_mix`` and stems that exist) -> digest of its file.
    notes : list of str
        Sidecars that could not be read and will be set aside.
    """

    track: Track
    provenance: Provenance
    info: JsonObject
    prints: dict[str, FileDigest]
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, track: Track, *, hashed: bool = True, known: Mapping[str, FileDigest] | None = None) -> "TrackState":
        """Look at a track: one stat a file, content read only where the stamp is not one that is known.

        A file whose content turns out to be the one that is recorded has its new stamp stored.

        Parameters
        ----------
        track : Track
        hashed : bool
            Without it, a file of which nothing is recorded yet is not read either: enough to see what must run.
        known : mapping of str to Fingerprint, optional
            Source -> digest to be believed instead of the recorded one: with an empty mapping every file
            is read.

        Raises
        ------
        NewerFormatError
            A newer version of mirkit wrote the provenance.
        OutsideLinkError
            A sidecar is a link out of the data set: found here, before anything is computed that could not be kept.
        """
        for kind in SIDECARS:
            check_stays_inside(track.sidecar(kind))
        notes: list[str] = []
        provenance, info = Provenance(), {}
        try:
            provenance = read_provenance(track.provenance)
        except NewerFormatError:  # nothing can be stored beside it
            raise
        except InfoError as error:
            notes.append(str(error))
        try:
            info = read_info(track.info)
        except InfoError as error:
            notes.append(str(error))
        digests = recorded_digests(provenance)
        believed = digests if known is None else {part: [print_] for part, print_ in known.items()}
        prints = {
            part: file_digest(path, *believed.get(part, ())) if hashed or part in digests else unread(path)
            for part, path in track.parts.items()
        }
        provenance = restamp(track.provenance, provenance, prints)
        return cls(track, provenance, info, prints, notes)

    @property
    def cut(self) -> ClipSource | None:
        """Where it was cut from, if it is a clip."""
        return ClipSource.of(self.provenance)

    @property
    def stems_by(self) -> str:
        """Backend that made the stems, "" where it is not recorded."""
        entry = self.provenance.stages.get("separate")
        return (entry.backend if entry else None) or ""

    def foreign_stems(self) -> dict[str, FileDigest]:
        """Stems that the user brought: present, and not what our separation wrote.

        Where nothing is recorded, or a separation was interrupted, those that carry our mark are ours.
        """
        entry = self.provenance.stages.get("separate")
        ours = entry.outputs if entry and entry.backend != EXTERNAL else {}
        begun = STEMS if entry is None else entry.pending if entry.failed else ()
        return {
            stem: self.prints[stem]
            for stem in STEMS
            if stem in self.prints
            and ours.get(stem) != self.prints[stem]
            and not (stem in begun and is_marked(self.track.stems[stem]))
        }

    def own(self, wanted: Iterable[str], settings: Settings) -> dict[str, str]:
        """Files of the user's that stand where wanted stages would write: stage -> their names."""
        found = {}
        if "separate" in wanted and (stems := self.foreign_stems()):
            found["separate"] = ", ".join(self.track.stems[stem].name for stem in stems)
        if "drums" in wanted and self.foreign_midi(settings):
            found["drums"] = midi_path(self.track, settings).name
        return found

    def newer(self, wanted: Iterable[str], settings: Settings) -> list[str]:
        """Those of the wanted stages that a newer version of mirkit has done."""
        entries = self.provenance.stages
        rows = [(stage(name), entries.get(entry_name(stage(name), settings))) for name in wanted]
        return [row.name for row, entry in rows if entry and entry.stage_version > row.version]

    def outstanding(
        self,
        wanted: Iterable[str],
        backends: Mapping[str, str],
        settings: Settings,
        *,
        overwrite: bool = False,
        replaces: Set[str] = frozenset(),
    ) -> dict[str, str]:
        """Stages that must run, in order, each with why; what the wanted ones need is looked at too.

        ``replaces`` are the stages, of ``separate`` and ``drums``, that may replace files of the user's.

        Raises
        ------
        MissingInput
            It is a clip, and has from its source what is asked for.
        """
        wanted = tuple(wanted)
        self.check_clip(wanted)
        own = self.own(wanted, settings)
        todo: dict[str, str] = {}
        if "drums" in own and "drums" not in replaces:  # the user's own MIDI stays
            if overwrite and wanted == ("drums",):
                return {"drums": kept("drums", own["drums"])}
            wanted = tuple(name for name in wanted if name != "drums")
        identities = _Identities()
        for name in with_needs(wanted):
            row = stage(name)
            entry = self.provenance.stages.get(entry_name(row, settings))
            needs = {need: identities.of(need) for need in row.needs}
            why = stale_reason(
                row,
                entry,
                backends.get(row.job, ""),
                self.inputs(row, settings),
                needs,
                settings,
                products_there=self._products_there(row, entry, settings),
            )
            if overwrite and name in wanted:
                why = "overwrite"
            if name in own and name in replaces:
                why = f"takes the place of {own[name]}"
            elif name == "separate" and len(self.foreign_stems()) == len(STEMS):  # the user's own stems stay
                why = kept(name, own[name]) if overwrite and wanted == (name,) else ""
            if why:
                todo[name] = why
            identities.entries[name] = None if why else entry
        return todo

    def check_clip(self, wanted: Iterable[str]) -> None:
        """Refuse to measure a clip as if it were a track: its numbers rest on the beats and levels of its source.

        Raises
        ------
        MissingInput
            It is a clip, and has from its source what is asked for.
        """
        if (cut := self.cut) is None:
            return
        entries = {name: self.provenance.stages.get(name) for name in wanted}
        given = [name for name, entry in entries.items() if name in ("separate", "crop") or (entry and is_cut(entry))]
        if given:
            source = self.track.folder / cut.source
            raise MissingInput(
                f"{printable(self.track.path)}: a clip, which has its {given[0]} from its source; "
                f'make it anew with: mirkit crop "{printable(os.path.normpath(source))}"'
            )

    def inputs(self, row: Stage, settings: Settings) -> StageInputs:
        """What a stage would read now."""
        return inputs_of(row, self.prints, settings)

    def _products_there(self, row: Stage, entry: ProvenanceRecord | None, settings: Settings) -> bool:
        if row.name == "separate":
            return all(stem in self.prints for stem in STEMS)
        if row.name == "drums":
            return midi_path(self.track, settings).exists()
        if row.name == "crop":
            clips = (entry.clips if entry else None) or ()
            return all(looks_whole(self.track.crops / os.path.basename(clip), self.prints) for clip in clips)
        if row.curves and not self._curves_there:
            return False  # made anew, for windows and clips
        keys_there = all(map(self.info.__contains__, row.keys))
        return keys_there and all(self.product(suffix).exists() for suffix in row.files)

    @cached_property
    def _curves_there(self) -> bool:
        return self.track.curves.exists()

    def product(self, suffix: str) -> Path:
        """Path of a file that a stage writes."""
        path: Path = getattr(self.track, _PRODUCTS[suffix])
        return path

    def our_midi(self, settings: Settings) -> dict[str, FileDigest]:
        """The drums' MIDI files that we wrote, or were about to write, last time."""
        entry = self.provenance.stages.get(entry_name(stage("drums"), settings))
        return dict(entry.outputs) if entry and entry.backend != EXTERNAL else {}

    def foreign_midi(self, settings: Settings) -> FileDigest | None:
        """The drums' MIDI file, where the user brought or edited it."""
        path = midi_path(self.track, settings)
        if not path.is_file():
            return None
        entry = self.provenance.stages.get(entry_name(stage("drums"), settings))
        if entry is None and is_marked(path):
            return None
        outputs = entry.outputs if entry else {}
        digest = file_digest(path, *outputs.values())
        same = {name: digest for name, known in outputs.items() if known == digest}
        self.provenance = restamp(self.track.provenance, self.provenance, same)
        return None if digest in self.our_midi(settings).values() else digest


class _Identities:
    """Identities of stages as they are asked for: to work one out takes longer than to look whether a stage is done."""

    def __init__(self) -> None:
        self.entries: dict[str, ProvenanceRecord | None] = {}
        self._known: dict[str, str] = {}

    def of(self, name: str) -> str:
        """Identity of a stage, "" for one that is not done."""
        if name not in self._known:
            entry = self.entries[name]
            self._known[name] = entry.identity if entry else ""
        return self._known[name]


def unread(path: Path) -> FileDigest:
    """Placeholder for the digest of a file that was not read: equal to the digest of no file."""
    return FileDigest(path.stat().st_size, "")


def kept(stage: str, names: str) -> str:
    """Message about the user's own files, which stay although the stage was to be done again."""
    what, option = {"separate": ("stems", "--replace-stems"), "drums": ("MIDI", "--replace-midi")}[stage]
    return f"{names}: your own {what}, kept as found; {option} moves them aside and makes new ones"

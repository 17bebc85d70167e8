"""The state of a track before it is processed: its files, its provenance, and the stages that must run."""

import os
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mirkit.catalog import EMBEDDED_STEMS, STAGES, STEMS, Stage, stage, with_needs
from mirkit.errors import InfoError, MissingInput, pasted, printable
from mirkit.features.types import Unknown
from mirkit.stages import entry_name, midi_path
from mirkit.staleness.edits import SET_BY_USER, edited, value_digests
from mirkit.staleness.pending import ON_REQUEST, requested_identities
from mirkit.staleness.rules import StageInputs, inputs_of, stale_reason
from mirkit.staleness.stem_match import rejected_stems
from mirkit.store import (
    EXTERNAL,
    FileDigest,
    JsonObject,
    NewerFormatError,
    Provenance,
    ProvenanceRecord,
    Settings,
    check_stays_inside,
    file_digest,
    read_info,
    read_provenance,
    recorded_digests,
    restamp,
)
from mirkit.track import ADTOF_MIDI, DRUMS_MIDI, MIX, NOTES_MIDI, REST, SIDECARS, Track, is_marked
from mirkit.track.clip import ClipSource, looks_whole

#: Detail of the separation: stem -> SHA-256 of the file without which the mix was written.
MADE_OF = "rest_of"
#: File that a stage writes -> attribute of its track.
_PRODUCTS = {
    "BEATS_GRID": "grid",
    "ONSETS": "onsets",
    "SECTIONS": "sections",
    "CHORDS": "chords",
    ADTOF_MIDI: "adtof_midi",
    DRUMS_MIDI: "drums_midi",
}


@dataclass
class TrackState:
    """The present files of a track.

    Attributes
    ----------
    digests : dict
        Source (``full_mix`` and stems that exist) -> digest of its file.
    notes : list of str
        Messages about sidecars that could not be read and will be renamed.
    rejected : tuple of str
        Stems that exist and are not used, because they are of another recording than the mix.
    """

    track: Track
    provenance: Provenance
    info: JsonObject
    digests: dict[str, FileDigest]
    notes: list[str] = field(default_factory=list)
    rejected: tuple[str, ...] = ()

    @classmethod
    def of(cls, track: Track, *, hashed: bool = True, known: Mapping[str, FileDigest] | None = None) -> "TrackState":
        """Inspect a track with one stat call per file; content is read only if the stamp of a file is not known.

        If the content is as recorded, the new stamp is stored.

        Parameters
        ----------
        track : Track
        hashed : bool
            Whether to hash files that have no recorded digest. Without their digests, the stages that must run are
            still known.
        known : mapping of str to FileDigest, optional
            Source -> digest to use instead of the recorded one; with an empty mapping, every file is read.

        Raises
        ------
        NewerFormatError
            A newer version of mirkit wrote the provenance.
        OutsideLinkError
            A sidecar is a link out of the data set. This is checked before anything is computed, because results could
            not be stored.
        """
        for kind in SIDECARS:
            check_stays_inside(track.path_of(kind))
        notes: list[str] = []
        provenance, info = Provenance(), {}
        try:
            provenance = read_provenance(track.provenance)
        except NewerFormatError:  # no result can be stored in such a provenance
            raise
        except InfoError as error:
            notes.append(str(error))
        try:
            info = read_info(track.info)
        except InfoError as error:
            notes.append(str(error))
        recorded = recorded_digests(provenance)
        believed = recorded if known is None else {source: [digest] for source, digest in known.items()}
        digests = {
            source: file_digest(path, *believed.get(source, ())) if hashed or source in recorded else unread(path)
            for source, path in track.sources.items()
        }
        provenance = restamp(track.provenance, provenance, digests)
        rejected = rejected_stems(provenance, digests)
        digests = {source: digest for source, digest in digests.items() if source not in rejected}
        return cls(track, provenance, info, digests, notes, rejected)

    @property
    def clip_source(self) -> ClipSource | None:
        """Source of the clip; None if the track is not a clip."""
        return ClipSource.of(self.provenance)

    @property
    def stems_backend(self) -> str:
        """Backend that made the stems; "" if they are the user's and none is recorded.

        Stems with mirkit's mark whose provenance is lost count as embedded ones: nothing says that they are better.
        """
        entry = self.provenance.stages.get("separate")
        if entry and entry.backend:
            return entry.backend
        stems = self.track.stems
        return (
            "embedded"
            if entry is None and any(is_marked(stems[stem]) for stem in self.digests if stem in stems)
            else ""
        )

    def user_stems(self) -> dict[str, FileDigest]:
        """The user's own stems: existing stems that mirkit did not write.

        If nothing is recorded, or a separation was interrupted, stems with mirkit's mark are mirkit's.
        """
        entry = self.provenance.stages.get("separate")
        ours = entry.outputs if entry and entry.backend != EXTERNAL else {}
        begun = STEMS if entry is None else entry.pending if entry.failed else ()
        return {
            stem: self.digests[stem]
            for stem in STEMS
            if stem in self.digests
            and ours.get(stem) != self.digests[stem]
            and not (stem in begun and is_marked(self.track.stems[stem]))
        }

    def separation_settings(self, settings: Settings) -> Settings:
        """Return the settings by which stems are made: all four, if mirkit made other stems than the one wanted."""
        two = settings.separation.two_stems
        if two and self.digests.keys() & set(STEMS) - {two} - self.user_stems().keys():
            return replace(settings, separation=replace(settings.separation, two_stems=None))
        return settings

    def rests(self, settings: Settings) -> tuple[str, ...]:
        """Return the stems without which the mix is to be written: the one in the settings, and those of before."""
        entry, two = self.provenance.stages.get("separate"), settings.separation.two_stems
        made = {name for name in entry.outputs if name.startswith(REST)} if entry else set()
        if not made and two is None:
            return ()
        made &= self.track.rests.keys()
        return tuple(stem for stem in STEMS if stem == two or f"{REST}{stem}" in made)

    def rest_reason(self, settings: Settings) -> str:
        """Return why a file of the mix without a stem has to be written, or "" if all are up to date."""
        entry = self.provenance.stages.get("separate")
        recorded: Any = entry.details.get(MADE_OF, {}) if entry else {}
        for stem in self.rests(settings):
            name, files = f"{REST}{stem}", self.track.rests
            digest = self.digests.get(stem)
            if name not in files:
                return f"{name} is missing"
            if entry is None or digest is None or recorded.get(stem) != digest.sha256:
                return f"{stem} has changed"
            if name in entry.outputs and file_digest(files[name], entry.outputs[name]) != entry.outputs[name]:
                return f"{name} has changed"
        return ""

    def user_rest(self, settings: Settings) -> str:
        """Return what stands in the place of a mix without a stem that is not as mirkit wrote it, or ""."""
        entry = self.provenance.stages.get("separate")
        for stem in self.rests(settings):
            if path := self.track.rests.get(name := f"{REST}{stem}"):
                known = entry.outputs.get(name) if entry else None
                if known and file_digest(path, known) != known:
                    return f"{path.name}: its content has changed since mirkit wrote it (edited, or damaged)"
                if not known and not is_marked(path):
                    return f"{path.name}: a file of your own"
        return ""

    def own(self, wanted: Iterable[str], settings: Settings) -> dict[str, str]:
        """Return the user's files in places where the wanted stages would write: stage -> names of the files."""
        found = {}
        if "separate" in wanted and (stems := self.user_stems()):
            found["separate"] = ", ".join(self.track.stems[stem].name for stem in stems)
        if "drums" in wanted and self.user_midi(settings):
            found["drums"] = midi_path(self.track, settings).name
        return found

    def newer(self, wanted: Iterable[str], settings: Settings) -> list[str]:
        """Return the wanted stages that a newer version of mirkit has done."""
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
        """Return the stages that must run, in order, each with the reason, including stages that the wanted ones need.

        ``replaces`` are the stages, among ``separate`` and ``drums``, that may replace the user's files.

        Raises
        ------
        MissingInput
            The track is a clip, and a wanted result comes from its source.
        """
        wanted = tuple(wanted)
        self.check_clip(wanted)
        own = self.own(wanted, settings)
        todo: dict[str, str] = {}
        if "drums" in own and "drums" not in replaces:  # the user's own MIDI file is kept
            if overwrite and wanted == ("drums",):
                return {"drums": kept("drums", own["drums"])}
            wanted = tuple(name for name in wanted if name != "drums")
        channels: Any = self.provenance.facts.get("channels", {}).get("value")
        is_downmix = isinstance(channels, int) and channels > 2
        current: dict[str, ProvenanceRecord | None] = {}
        for name in sorted(with_needs(wanted), key=lambda name: name == "crop"):  # clips have what the others make
            row = stage(name)
            entry = self.provenance.stages.get(entry_name(row, settings))
            used = self.separation_settings(settings) if name == "separate" else settings
            why = stale_reason(
                row,
                entry,
                backends.get(row.task, ""),
                self.inputs(row, settings),
                {need: done.identity if (done := current[need]) else "" for need in row.needs}
                | (self._requested(todo) if name == "crop" else {}),
                used,
                products_there=self._products_there(row, entry, used),
                is_downmix=is_downmix,
            )
            if not why and entry and entry.stage_version == row.version:
                changed = self.edits(row).items() ^ entry.user.items()
                why = f"changed by hand: {', '.join(sorted({key for key, _ in changed}))}" if changed else ""
            if overwrite and name in wanted:
                why = "overwrite"
            if name in own and name in replaces:
                why = f"takes the place of {own[name]}"
            elif name == "separate" and len(self.user_stems()) == len(STEMS):  # the user's own stems are kept
                why = kept(name, own[name]) if overwrite and wanted == (name,) else ""
            if name == "separate" and not why:
                why = self.rest_reason(settings)
            if why:
                todo[name] = why
            current[name] = None if why else entry
        return todo

    def _requested(self, todo: Iterable[str]) -> dict[str, str]:
        """Stages on request that have run -> identity, as clips need them; "" for those that have to run now."""
        found = requested_identities(self.provenance.stages)
        names = {name: next((each for each in found if each.partition("/")[0] == name), name) for name in ON_REQUEST}
        return found | {names[name]: "" for name in todo if name in ON_REQUEST}

    def check_clip(self, wanted: Iterable[str]) -> None:
        """Refuse to measure a clip like a track, because its values depend on the beats and levels of its source.

        Raises
        ------
        MissingInput
            The track is a clip, and a wanted result comes from its source.
        """
        if (clip_source := self.clip_source) is None:
            return
        entries = {name: self.provenance.stages.get(name) for name in wanted}
        from_source = [
            name for name, entry in entries.items() if name in ("separate", "crop") or (entry and entry.origin)
        ]
        if from_source:
            source = self.track.folder / clip_source.source
            raise MissingInput(
                f"{printable(self.track.path)}: a clip, which has its {from_source[0]} from its source; "
                f"make it anew with: mirkit crop {pasted(os.path.normpath(source))}"
            )

    def edits(self, row: Stage) -> dict[str, FileDigest]:
        """Return what the user has edited of what a stage writes: values of the ``.INFO``, and sidecars."""
        values = edited(value_digests(self.info, row.editable), self.provenance.stages.get(row.name))
        return values | self.edited_files(row)

    def edited_files(self, row: Stage) -> dict[str, FileDigest]:
        """Return the sidecars of a stage that the user has edited: suffix -> digest."""
        entry = self.provenance.stages.get(row.name)
        present = {}
        for suffix in row.editable_files:
            if (path := self.product(suffix)).is_file():
                known = (entry.outputs.get(suffix), entry.user.get(suffix)) if entry else ()
                present[suffix] = file_digest(path, *known)
        self.provenance = restamp(self.track.provenance, self.provenance, present)
        return edited(present, entry)

    def user_values(self) -> dict[str, Any]:
        """Return what the user has set in the ``.INFO``, with the confidences, as windows and clips have it."""
        rows = [row for row in STAGES if row.editable and self.edits(row)]
        names = {*(name for row in rows for name in row.editable)}
        found = {name: self.info[name] for name in self.info if name.removesuffix("_confidence") in names}
        return {name: Unknown(SET_BY_USER) if value is None else value for name, value in found.items()}

    def inputs(self, row: Stage, settings: Settings) -> StageInputs:
        """Return what a stage would read now."""
        return inputs_of(row, self.digests, settings)

    def series(self, row: Stage, settings: Settings) -> tuple[tuple[str, str], ...]:
        """Return the feature series that a stage needs: of embedded stems, no pitches are measured."""
        if row.name == "pitch" and self.stems_backend in EMBEDDED_STEMS:
            return ()
        return tuple(self.inputs(row, settings).series)

    def _products_there(self, row: Stage, entry: ProvenanceRecord | None, settings: Settings) -> bool:
        if row.name == "separate":
            two = settings.separation.two_stems
            return all(stem in self.digests for stem in ((two,) if two else STEMS))
        if row.name == "drums":
            return midi_path(self.track, settings).exists()
        if row.name == "crop":
            clips = (entry.clips if entry else None) or ()
            return all(looks_whole(self.track.crops / os.path.basename(clip), self.digests) for clip in clips)
        if row.series and not self._has_series:
            return False  # measured again, because windows and clips need it
        keys_there = all(map(self.info.__contains__, row.keys))
        stems = {name: stem for stem, name in NOTES_MIDI.items()}
        files = [name for name in row.files if stems.get(name, MIX) in self.digests]
        return keys_there and all(self.product(name).exists() for name in files)

    @cached_property
    def _has_series(self) -> bool:
        return self.track.feature_series.exists()

    def product(self, suffix: str) -> Path:
        """Return the path of a file that a stage writes."""
        if suffix in NOTES_MIDI.values():
            return self.track.path_of(suffix)
        path: Path = getattr(self.track, _PRODUCTS[suffix])
        return path

    def our_midi(self, settings: Settings) -> dict[str, FileDigest]:
        """Return the digests of the drum MIDI files that mirkit wrote last, or was about to write."""
        entry = self.provenance.stages.get(entry_name(stage("drums"), settings))
        return dict(entry.outputs) if entry and entry.backend != EXTERNAL else {}

    def user_midi(self, settings: Settings) -> FileDigest | None:
        """Return the digest of the drum MIDI file if the user provided or edited it."""
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


def unread(path: Path) -> FileDigest:
    """Return a placeholder for the digest of a file that was not read; it equals no digest of a file."""
    return FileDigest(path.stat().st_size, "")


def kept(stage: str, names: str) -> str:
    """Return the message that the user's own files are kept although their stage is stale."""
    what, option = {"separate": ("stems", "--replace-stems"), "drums": ("MIDI", "--replace-midi")}[stage]
    return f"{names}: your own {what}, kept as found; {option} moves them aside and makes new ones"

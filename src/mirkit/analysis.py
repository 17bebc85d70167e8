"""A track while it is worked on: every file decoded once, every curve computed once."""

import copy
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from mirkit.audio import Audio, Damage, open_audio
from mirkit.catalog import STEMS, TONAL
from mirkit.errors import AudioError, InfoError, MissingInput
from mirkit.features.extraction import BLOCK, Makers, measure
from mirkit.features.rhythm.beats.grid import Beats
from mirkit.features.serialization import KINDS, beats_from_arrays, beats_to_arrays, from_arrays, to_arrays
from mirkit.features.types import ANALYSIS_RATE, FloatArray, Unknown, Window
from mirkit.store import (
    FileDigest,
    printable,
    read_curves,
    read_curves_header,
    read_grid,
    read_info,
    read_provenance,
    update_curves,
)
from mirkit.track import Track

#: Rises when the meaning of a kept curve changes, so that older sidecars are measured anew.
CURVES_VERSION = 1

_BEATS = "full_mix/beats"


class TrackAnalysis:
    """Sound, curves and events of one track.

    Parameters
    ----------
    track : Track
    fingerprints : dict
        Part -> fingerprint of its file: kept curves are valid while it stays the same.
    stems_by : str
        Method that made the stems, "" where the provenance does not say.

    Attributes
    ----------
    notes : list of str
        What a user should know of the sound: damage, a stem of another length.
    broken : dict
        Stem -> why it cannot be read; such a stem counts as absent.
    """

    def __init__(self, track: Track, fingerprints: Mapping[str, FileDigest], stems_by: str = "") -> None:
        self.track, self.stems_by = track, stems_by
        self.notes: list[str] = []
        self.broken: dict[str, str] = {}
        self._hashes = {part: fingerprint.sha256 for part, fingerprint in fingerprints.items()}
        if all(stem in self._hashes for stem in TONAL):
            self._hashes["tonal"] = "+".join(self._hashes[stem] for stem in TONAL)
        self._curves: dict[tuple[str, str], Any] = {}
        self._fresh: set[tuple[str, str]] = set()
        self._samples: dict[str, int] = {}
        self._beats: Beats | None = None
        self._window: Window | None = None

    @classmethod
    def recall(
        cls,
        track: Track,
        fingerprints: Mapping[str, FileDigest],
        wanted: Iterable[tuple[str, str]],
        stems_by: str = "",
    ) -> Self:
        """Open a track from its sidecar alone: the wanted ``(part, family)`` curves and the beats, nothing decoded.

        Raises
        ------
        MissingInput
            They are not kept, or belong to another sound.
        """
        opened = cls(track, fingerprints, stems_by)
        present = {opened._present(part, family) for part, family in wanted}
        present = {(part, family) for part, family in present if opened.has(part) and family in KINDS}
        opened._recall(present)
        if present - opened._curves.keys() or opened._beats is None or "full_mix" not in opened._samples:
            raise MissingInput(
                f"{printable(track.path)}: its curves are damaged or of another sound; "
                f'measure it again with: mirkit extract "{printable(track.path)}" --overwrite'
            )
        return opened

    def at(self, window: Window) -> Self:
        """The same track seen through a window: what is measured of it is measured there."""
        view = copy.copy(self)
        view._window = window
        return view

    def has(self, part: str) -> bool:
        """Whether the track has this part (``tonal``: all of bass, other and vocals)."""
        return part in self._hashes

    def missing(self, part: str) -> Unknown:
        """Why there is nothing to measure in a part that ``has`` denies."""
        return Unknown(f"failed: {self.broken[part]}") if part in self.broken else Unknown("stem missing")

    @property
    def tonal_part(self) -> str:
        """The part that chroma is taken from: the tonal stems together where all exist, else the mix."""
        return "tonal" if self.has("tonal") else "full_mix"

    @property
    def duration(self) -> float:
        """Length of the mix in seconds."""
        return self._samples["full_mix"] / ANALYSIS_RATE

    @property
    def window(self) -> Window:
        """The whole track, or the part of it that is looked at (see :meth:`at`)."""
        return self._window or Window(0.0, self.duration)

    def curve(self, part: str, family: str) -> Any:
        """A curve that ``measure`` has made or found."""
        return self._curves[part, family]

    @property
    def beats(self) -> Beats:
        """Beats of the track, of this run or kept from an earlier one."""
        if self._beats is None:
            try:
                header: Any = read_curves_header(self.track.curves)
                self._beats = _beats(header, read_curves(self.track.curves, _BEATS))
            except (InfoError, MissingInput, KeyError):  # somebody took the curves away: the grid tells as much
                self._beats = self._beats_of_grid()
        return self._beats

    @beats.setter
    def beats(self, beats: Beats) -> None:
        self._beats = beats
        self._fresh.add(("full_mix", "beats"))

    def _beats_of_grid(self) -> Beats:
        """Beats as their own file and the provenance tell them; how sure each was is not known any more."""
        grid = read_grid(self.track.grid)
        meter: Any = read_provenance(self.track.provenance).facts.get("meter", {}).get("value")
        steady = read_info(self.track.info).get("bpm_is_defined") == 1
        return Beats(grid.beats, grid.downbeats, np.ones(len(grid.beats)), meter, steady=steady)

    def measure(self, wanted: Iterable[tuple[str, str]], makers: Makers, *, recall: bool = True) -> None:
        """Get the wanted ``(part, family)`` curves: from the sidecar where it is still valid, else from the sound.

        ``makers`` give the meters of families that the features have none for. Without ``recall`` all of them are made
        of the sound, whatever is kept.
        A stem that cannot be read counts as absent from then on, and ``broken`` says why.
        """
        wanted = {self._present(part, family) for part, family in wanted}
        wanted = {(part, family) for part, family in wanted if self.has(part)}
        if recall:
            self._recall(wanted)
        todo: dict[str, set[str]] = defaultdict(set)
        for part, family in wanted - self._curves.keys():
            todo[part].add(family)
        if "full_mix" not in self._samples:
            todo["full_mix"] |= set()  # even with nothing to measure its length must be known
        # In step go only the stems whose sum is a signal of its own: what a meter gathers is large.
        together = (*TONAL, "tonal") if "tonal" in todo else ()
        alone = [(part,) for part in ("full_mix", *STEMS) if part in todo and part not in together]
        try:
            for parts in filter(None, (*alone, together)):
                sources = {part: self._open(part) for part in parts if part != "tonal"}
                self._measure(sources, {part: frozenset(todo[part]) for part in parts if part in todo}, makers)
        except _BrokenStemError as error:
            self.broken[error.part] = str(error)
            for part in (error.part, "tonal") if error.part in TONAL else (error.part,):
                self._hashes.pop(part, None)
            self.measure(wanted, makers, recall=recall)

    def keep(self) -> None:
        """Put what was measured into the sidecar."""
        arrays: dict[str, Any] = {}
        header: dict[str, Any] = {}
        for part, family in sorted(self._fresh):
            name = f"{part}/{family}"
            note: dict[str, Any] = {"version": CURVES_VERSION, "sound": self._hashes[part]}
            if family == "beats":
                packed = beats_to_arrays(self.beats)
                note["meter"] = self.beats.meter
            else:
                packed = to_arrays(self._curves[part, family])
            arrays |= {f"{name}/{field}": array for field, array in packed.items()}
            header[name] = note
        header |= {
            f"{part}/sound": {"version": CURVES_VERSION, "sound": self._hashes[part], "samples": samples}
            for part, samples in self._samples.items()
        }
        if header:
            update_curves(self.track.curves, arrays, drop_prefixes=header, header=header)
        self._fresh.clear()

    def _present(self, part: str, family: str) -> tuple[str, str]:
        return (self.tonal_part, family) if part == "tonal" else (part, family)

    def _open(self, part: str) -> Audio:
        if part == "full_mix":
            return open_audio(self.track.mix, hold_seconds=0)
        try:
            return open_audio(self.track.stems[part], hold_seconds=0)
        except AudioError as error:
            raise _BrokenStemError(part, str(error)) from error

    def _measure(self, sources: dict[str, Audio], wanted: dict[str, frozenset[str]], makers: Makers) -> None:
        streams = {part: _blocks(part, audio) for part, audio in sources.items()}
        channels = {part: audio.channels for part, audio in sources.items()}
        curves, samples = measure(streams, channels, wanted, makers)
        self._curves |= curves
        self._samples |= samples
        self._fresh |= {key for key in curves if key[1] in KINDS}
        for part, audio in sources.items():
            if audio.damage.share:
                self.notes.append(damage_note(part, audio.damage))

    def _recall(self, wanted: set[tuple[str, str]]) -> None:
        """Take from the sidecar what still belongs to the sound."""
        try:
            header = read_curves_header(self.track.curves)
            arrays = read_curves(self.track.curves)
        except MissingInput:
            return
        except InfoError as error:
            self.notes.append(f"{error}; measured anew")
            return
        for part in self._hashes:
            note: Any = header.get(f"{part}/sound")
            if self._valid(part, note):
                self._samples[part] = note["samples"]
        for part, family in wanted:
            if family in KINDS and self._valid(part, header.get(f"{part}/{family}")):
                self._curves[part, family] = from_arrays(family, _under(arrays, f"{part}/{family}"))
        if self._beats is None and _BEATS in header:
            self._beats = _beats(header, arrays)

    def _valid(self, part: str, note: Any) -> bool:
        return isinstance(note, dict) and (note.get("version"), note.get("sound")) == (
            CURVES_VERSION,
            self._hashes[part],
        )


def _under(arrays: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key.removeprefix(f"{name}/"): array for key, array in arrays.items() if key.startswith(f"{name}/")}


def _beats(header: Any, arrays: Mapping[str, Any]) -> Beats:
    return beats_from_arrays(_under(arrays, _BEATS), header[_BEATS]["meter"])


def damage_note(part: str, damage: Damage) -> str:
    """What a user is told of a file that could be read in part."""
    percent = 100 * damage.share
    told = f"{percent:.2g}" if percent < 99 else "99 or more"
    return f"{part}: damaged, {told} % of its sound is lost"


class _BrokenStemError(Exception):
    def __init__(self, part: str, why: str) -> None:
        super().__init__(why)
        self.part = part


def _blocks(part: str, audio: Audio) -> Iterator[FloatArray]:
    """Blocks of a part; a stem that turns out to be unreadable is named."""
    try:
        yield from audio.blocks(BLOCK)
    except AudioError as error:
        if part == "full_mix":
            raise
        raise _BrokenStemError(part, str(error)) from error

"""The analysis of one track: each file is decoded once, and each feature series is computed once."""

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import numpy as np

from mirkit.activity import announce
from mirkit.audio import HOLD_SECONDS, Audio, Damage, SourceInfo, Tags, open_audio, probe, read_tags
from mirkit.catalog import EMBEDDED_STEMS, STEMS, TIME_SIGNATURES, TONAL
from mirkit.errors import AudioError, InfoError, MirkitError, MissingInput, pasted, printable
from mirkit.features.extraction import BLOCK, ExtractorFactories, measure
from mirkit.features.harmony.chord_list import Chords
from mirkit.features.rhythm.beats.grid import Beats
from mirkit.features.serialization import (
    KINDS,
    beats_from_arrays,
    beats_to_arrays,
    from_arrays,
    series_version,
    to_arrays,
)
from mirkit.features.structure.form import Form
from mirkit.features.types import ANALYSIS_RATE, FloatArray, Unknown, Window
from mirkit.store import (
    FileDigest,
    NewerFormatError,
    read_chords,
    read_feature_series,
    read_feature_series_header,
    read_grid,
    read_info,
    read_provenance,
    read_sections,
    update_feature_series,
)
from mirkit.track import Track

R = TypeVar("R")

_BEATS = "full_mix/beats"
#: What a source is called in the display of progress.
_SPOKEN = {"full_mix": "the mix"}


class TrackAnalysis:
    """Audio, feature series and events of one track.

    Parameters
    ----------
    track : Track or None
        None for audio in memory, which has no files.
    digests : mapping of str to FileDigest
        Source (``full_mix`` or a stem) -> digest of its file. Stored feature series are valid while the digest is the
        same.
    stems_backend : str
        Backend that made the stems, "" where the provenance does not name one.
    mix : Audio, optional
        The mix at the analysis rate, used instead of the track's file.

    Attributes
    ----------
    notes : list of str
        Notes for the user on the audio: damage, or a stem of another length.
    unreadable : dict of str to str
        Stem -> why it cannot be read. Such a stem counts as absent.
    edited_files : frozenset of str
        Suffixes of the sidecars that the user has edited, whose content takes the place of what is measured.
    edited_values : dict
        Keys of the ``.INFO`` that the user has edited, with the user's values, which a stage may follow.
    known : dict
        Values of the ``.INFO`` that earlier stages have measured, for stages that only read those.
    """

    def __init__(
        self,
        track: Track | None,
        digests: Mapping[str, FileDigest],
        stems_backend: str = "",
        *,
        mix: Audio | None = None,
    ) -> None:
        self._track, self._mix, self.stems_backend = track, mix, stems_backend
        self.notes: list[str] = []
        self.unreadable: dict[str, str] = {}
        self.edited_files: frozenset[str] = frozenset()
        self.edited_values: dict[str, Any] = {}
        self.known: dict[str, Any] = {}
        self._hashes = {source: digest.sha256 for source, digest in digests.items()}
        if all(stem in self._hashes for stem in TONAL):
            self._hashes["tonal"] = "+".join(self._hashes[stem] for stem in TONAL)
        self._series: dict[tuple[str, str], Any] = {}
        self._fresh: set[tuple[str, str]] = set()
        self._samples: dict[str, int] = {}
        self._beats: Beats | None = None
        self._window: Window | None = None
        self._once: dict[tuple[str, ...], Any] = {}  # shared by all windows of the track

    @classmethod
    def of_audio(cls, mix: Audio) -> Self:
        """Analyze audio in memory: a mix without stems, tags and sidecars."""
        return cls(None, {"full_mix": FileDigest(0, "")}, mix=mix)

    @classmethod
    def load_cached(
        cls,
        track: Track,
        digests: Mapping[str, FileDigest],
        wanted: Iterable[tuple[str, str]],
        stems_backend: str = "",
    ) -> Self:
        """Open a track from its ``.CURVES.npz`` alone; nothing is decoded.

        Parameters
        ----------
        track : Track
        digests : mapping of str to FileDigest
            Source -> digest of its file.
        wanted : iterable of (str, str)
            The ``(source, kind)`` of the series to load; the beats are always loaded.
        stems_backend : str
            Backend that made the stems.

        Raises
        ------
        MissingInput
            A wanted series is not stored, or was computed from other audio.
        """
        analysis = cls(track, digests, stems_backend)
        present = {analysis._present(source, kind) for source, kind in wanted}
        present = {(source, kind) for source, kind in present if analysis.has(source) and kind in KINDS}
        analysis._load(present)
        if present - analysis._series.keys() or analysis._beats is None or "full_mix" not in analysis._samples:
            raise MissingInput(
                f"{printable(track.path)}: its feature series are damaged, or were computed from other audio; "
                f"measure it again with: mirkit extract {pasted(track.path)} --overwrite"
            )
        return analysis

    @property
    def track(self) -> Track:
        """The track whose files are read.

        Raises
        ------
        MissingInput
            The audio is in memory.
        """
        if self._track is None:
            raise MissingInput("audio in memory has no files beside it; pass the path of a track instead")
        return self._track

    def at(self, window: Window) -> Self:
        """Return the same analysis restricted to a window, which stages then measure."""
        view = copy.copy(self)
        view._window = window
        return view

    def once(self, name: tuple[str, ...], compute: Callable[[], R]) -> R:
        """Return what does not depend on the window; it is computed once for all windows of the track."""
        if name not in self._once:
            self._once[name] = compute()
        found: R = self._once[name]
        return found

    def has(self, source: str) -> bool:
        """Whether the track has this source (for ``tonal``: bass, other and vocals)."""
        return source in self._hashes

    @property
    def has_embedded_stems(self) -> bool:
        """Whether mirkit's own separation made the stems: estimates, which hold other instruments too."""
        return self.stems_backend in EMBEDDED_STEMS

    def missing_reason(self, source: str) -> Unknown:
        """Return why a source is missing, for a source that the track does not have."""
        if source in self.unreadable:
            return Unknown(f"failed: {self.unreadable[source]}")
        return Unknown("stem missing")

    @property
    def tonal_source(self) -> str:
        """The source of chroma: ``tonal`` if all its stems exist, else the mix."""
        return "tonal" if self.has("tonal") else "full_mix"

    @property
    def sources(self) -> frozenset[str]:
        """Names of the sources that can be opened: ``full_mix`` and the stems."""
        return frozenset(self._hashes) - {"tonal"}

    @property
    def source_info(self) -> SourceInfo:
        """The properties that the header of the mix states."""
        return self._mix.source if self._mix else probe(self.track.mix)

    @property
    def tags(self) -> Tags:
        """The tags of the mix; audio in memory has none."""
        return Tags() if self._mix else read_tags(self.track.mix)

    def open(self, source: str, *, hold_seconds: float = HOLD_SECONDS) -> Audio:
        """Open a source at the analysis rate.

        Raises
        ------
        AudioError
            It cannot be read.
        """
        if source == "full_mix" and self._mix:
            return self._mix
        return open_audio(self.track.sources[source], hold_seconds=hold_seconds)

    def open_native(self) -> Audio:
        """Open the mix at the sample rate of its file; audio in memory has the analysis rate.

        Raises
        ------
        AudioError
            It cannot be read.
        """
        return self._mix or open_audio(self.track.mix, rate=None, hold_seconds=0)

    @property
    def duration(self) -> float:
        """Length of the mix in seconds."""
        return self._samples["full_mix"] / ANALYSIS_RATE

    @property
    def window(self) -> Window:
        """The whole track, or the window that :meth:`at` chose."""
        return self._window or Window(0.0, self.duration)

    def series(self, source: str, kind: str) -> Any:
        """Return a feature series that :meth:`measure` has computed or loaded.

        Raises
        ------
        MirkitError
            The model that computes it failed.
        """
        found = self._series[source, kind]
        if isinstance(found, MirkitError):
            raise found
        return found

    @property
    def beats(self) -> Beats:
        """Beats of the track, from this run or stored by an earlier one."""
        if self._beats is None:
            try:
                header: Any = read_feature_series_header(self.track.feature_series)
                self._beats = _beats(header, read_feature_series(self.track.feature_series, _BEATS))
            except (InfoError, MissingInput, KeyError):  # without stored series, the times are read from the grid
                self._beats = self._beats_of_grid()
        return self._beats

    @beats.setter
    def beats(self, beats: Beats) -> None:
        self._beats = beats
        self._fresh.add(("full_mix", "beats"))

    @property
    def form(self) -> Form | Unknown:
        """Sections of the track, from this run or stored in its ``.SECTIONS``."""
        return self.once(("form",), lambda: read_sections(self.track.sections))

    @form.setter
    def form(self, form: Form | Unknown) -> None:
        self._once["form",] = form

    @property
    def chords(self) -> Chords:
        """Chords of the track, from this run or stored in its ``.CHORDS``."""
        return self.once(("chords",), lambda: read_chords(self.track.chords))

    @chords.setter
    def chords(self, chords: Chords) -> None:
        self._once["chords",] = chords

    def _beats_of_grid(self) -> Beats:
        """Read the beats from the grid and the provenance; their confidences are not stored there."""
        grid = read_grid(self.track.grid)
        facts: Any = read_provenance(self.track.provenance).facts
        meter = read_info(self.track.info).get("time_signature", facts.get("meter", {}).get("value"))
        meter = meter if meter in TIME_SIGNATURES else None
        steady = facts["pulse"].get("value") is True if "pulse" in facts else _has_tempo(self.track)
        return Beats(grid.beats, grid.downbeats, np.ones(len(grid.beats)), meter, steady=steady)

    def measure(
        self, wanted: Iterable[tuple[str, str]], factories: ExtractorFactories, *, use_cache: bool = True
    ) -> None:
        """Load the wanted feature series that are stored and valid, and compute the others from the audio.

        A stem that cannot be read counts as absent from then on, with the reason in ``unreadable``.

        Parameters
        ----------
        wanted : iterable of (str, str)
            ``(source, kind)``.
        factories : mapping
            Kind of series that a backend computes -> function that creates its extractor.
        use_cache : bool
            Whether stored series are used.

        Raises
        ------
        AudioError
            The mix cannot be read.
        """
        wanted = {self._present(source, kind) for source, kind in wanted}
        wanted = {(source, kind) for source, kind in wanted if self.has(source)}
        if use_cache:
            self._load(wanted)
        todo: dict[str, set[str]] = defaultdict(set)
        for source, kind in wanted - self._series.keys():
            todo[source].add(kind)
        if "full_mix" not in self._samples:
            todo["full_mix"] |= set()  # the mix is always read, because its length is needed
        # Only the stems that ``tonal`` sums are read together, because extractors need much memory.
        together = (*TONAL, "tonal") if "tonal" in todo else ()
        alone = [(source,) for source in ("full_mix", *STEMS) if source in todo and source not in together]
        try:
            for group in filter(None, (*alone, together)):
                audio = {source: self._open(source) for source in group if source != "tonal"}
                self._measure(audio, {source: frozenset(todo[source]) for source in group if source in todo}, factories)
        except _BrokenStemError as error:
            self.unreadable[error.stem] = str(error)
            for source in (error.stem, "tonal") if error.stem in TONAL else (error.stem,):
                self._hashes.pop(source, None)
            self.measure(wanted, factories, use_cache=use_cache)

    def save_cache(self) -> None:
        """Store the computed feature series in ``.CURVES.npz``.

        Raises
        ------
        InfoError
            The file cannot be written.
        """
        arrays: dict[str, Any] = {}
        header: dict[str, Any] = {}
        for source, kind in sorted(self._fresh):
            name = f"{source}/{kind}"
            note: dict[str, Any] = {"version": series_version(kind), "sound": self._hashes[source]}
            if kind == "beats":
                packed = beats_to_arrays(self.beats)
                note["meter"] = self.beats.meter
            else:
                packed = to_arrays(self._series[source, kind])
            arrays |= {f"{name}/{field}": array for field, array in packed.items()}
            header[name] = note
        header |= {
            f"{source}/sound": {"version": series_version("sound"), "sound": self._hashes[source], "samples": samples}
            for source, samples in self._samples.items()
        }
        if "full_mix/sound" in header and self.source_info.channels > 2:
            header["full_mix/sound"]["downmix"] = True
        if header:
            update_feature_series(self.track.feature_series, arrays, drop_prefixes=header, header=header)
        self._fresh.clear()

    def _present(self, source: str, kind: str) -> tuple[str, str]:
        return (self.tonal_source, kind) if source == "tonal" else (source, kind)

    def _open(self, source: str) -> Audio:
        with _named_errors(source):
            return self.open(source, hold_seconds=0)

    def _measure(
        self, audio: dict[str, Audio], wanted: dict[str, frozenset[str]], factories: ExtractorFactories
    ) -> None:
        announce(f"decoding and measuring {', '.join(_SPOKEN.get(source, source) for source in audio)}")
        streams = {source: _blocks(source, opened) for source, opened in audio.items()}
        channels = {source: opened.channels for source, opened in audio.items()}
        series, samples = measure(streams, channels, wanted, factories)
        self._series |= series
        self._samples |= samples
        self._fresh |= {key for key in series if key[1] in KINDS}
        for source, opened in audio.items():
            self.notes += damage_notes(source, opened.damage)

    def _load(self, wanted: set[tuple[str, str]]) -> None:
        """Load the series that the sidecar holds for the present audio."""
        if self._mix:
            return
        try:
            header: Any = read_feature_series_header(self.track.feature_series)
            arrays = read_feature_series(self.track.feature_series)
        except MissingInput:
            return
        except NewerFormatError:
            raise
        except InfoError as error:
            self.notes.append(f"{error}; measured again")
            return
        if "downmix" not in header.get("full_mix/sound", {}) and self.source_info.channels > 2:
            return  # measured before more than two channels were mixed down to stereo
        for source in self._hashes:
            note: Any = header.get(f"{source}/sound")
            if self._valid(source, "sound", note):
                self._samples[source] = note["samples"]
        for source, kind in wanted:
            if kind in KINDS and self._valid(source, kind, header.get(f"{source}/{kind}")):
                self._series[source, kind] = from_arrays(kind, _under(arrays, f"{source}/{kind}"))
        if self._beats is None and _BEATS in header:
            self._beats = _beats(header, arrays)

    def _valid(self, source: str, kind: str, note: Any) -> bool:
        wanted = (series_version(kind), self._hashes[source])
        return isinstance(note, dict) and (note.get("version"), note.get("sound")) == wanted


def _has_tempo(track: Track) -> bool:
    return read_info(track.info).get("bpm_is_defined") == 1


def _under(arrays: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key.removeprefix(f"{name}/"): array for key, array in arrays.items() if key.startswith(f"{name}/")}


def _beats(header: Any, arrays: Mapping[str, Any]) -> Beats:
    note, stored = header[_BEATS], _under(arrays, _BEATS)
    if "metre" in note:  # the names of format 0
        return beats_from_arrays(stored | {"meter_confidence": stored["metre_confidence"]}, note["metre"])
    return beats_from_arrays(stored, note["meter"])


def damage_notes(source: str, damage: Damage) -> list[str]:
    """Return a note on how much of a file could not be decoded; none for a file without damage."""
    percent = 100 * damage.share
    lost = f"{percent:.2g}" if percent < 99 else "99 or more"
    return [f"{source}: damaged, {lost} % of its audio is lost"] if percent else []


class _BrokenStemError(Exception):
    def __init__(self, stem: str, why: str) -> None:
        super().__init__(why)
        self.stem = stem


@contextmanager
def _named_errors(source: str) -> Iterator[None]:
    """Turn an error in the audio of a stem into one that names the stem."""
    try:
        yield
    except AudioError as error:
        if source == "full_mix":
            raise
        raise _BrokenStemError(source, str(error)) from error


def _blocks(source: str, audio: Audio) -> Iterator[FloatArray]:
    with _named_errors(source):
        yield from audio.blocks(BLOCK)

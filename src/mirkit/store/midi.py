"""Drum hits and notes as Standard MIDI files, and parts of such files."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import mido
import numpy as np

from mirkit.drums.drum_hits import Hits, velocities
from mirkit.drums.tempo_map import QUARTER, TempoMap
from mirkit.errors import InfoError, printable
from mirkit.features.pitch.note_events import NoteEvents
from mirkit.features.types import Window
from mirkit.store.output import head

#: General MIDI's drum channel (the tenth, counted from 0).
_DRUMS = 9
#: Largest length of a note in ticks; it ends earlier at the next hit of the same instrument.
_LENGTH = QUARTER // 8
#: Name of the first track of the files that mirkit writes.
_MARK = "mirkit"
_Event = tuple[int, mido.Message | mido.MetaMessage]


def is_our_midi(path: Path) -> bool:
    """Return whether :func:`format_midi` wrote a file."""
    start, form = head(path), b"MThd\0\0\0\6\0\1"
    name = b"\x00\xff\x03" + bytes([len(_MARK)]) + _MARK.encode()
    ticks = QUARTER.to_bytes(2, "big")
    return start.startswith(form) and start[12:18] == ticks + b"MTrk" and start[22:].startswith(name)


def format_midi(hits: Hits, tempo: TempoMap, steps: int = 0) -> bytes:
    """Serialize drum hits: a track for the tempo, then one for each instrument with hits, all on the drum channel.

    Parameters
    ----------
    hits : Hits
    tempo : TempoMap
    steps : int
        Steps per beat to which hits are moved; 0 for none.

    Returns
    -------
    bytes
        The whole file: format 1, 960 ticks per quarter note, tick 0 at time 0 of the audio.
    """
    tracks = [_track(_MARK, _conductor(tempo))]
    for instrument, times, levels in zip(hits.instruments, hits.times, hits.levels, strict=True):
        if not len(times):
            continue
        # Of several hits at one tick, the loudest is kept.
        at, loud = tempo.at(times, steps), velocities(levels)
        ticks, first = np.unique(at, return_index=True)
        hit_list = zip(ticks.tolist(), np.maximum.reduceat(loud, first).tolist(), strict=True)
        tracks.append(_track(instrument.name, _notes(instrument.note, list(hit_list))))
    return _saved(tracks)


def _saved(tracks: Sequence[mido.MidiTrack]) -> bytes:
    file, out = mido.MidiFile(type=1, ticks_per_beat=QUARTER, charset="utf-8"), io.BytesIO()
    file.tracks.extend(tracks)
    file.save(file=out)
    return out.getvalue()


#: Stem -> channel (from 0) and program of General MIDI with which its notes are played.
_VOICES = {"bass": (1, 33), "other": (0, 0), "vocals": (2, 53)}


#: Ticks round times by up to this (s): a note on the border of a window is in the window that begins there.
_ROUNDING = 0.003


def format_notes(notes: NoteEvents, stem: str, tempo: TempoMap) -> bytes:
    """Serialize the notes of a pitched stem: a track for the tempo, then one for the notes.

    Parameters
    ----------
    notes : NoteEvents
    stem : str
        ``bass``, ``other`` or ``vocals``.
    tempo : TempoMap

    Returns
    -------
    bytes
        The whole file: format 1, 960 ticks per quarter note, tick 0 at time 0 of the audio.
    """
    channel, program = _VOICES[stem]
    starts, ends = tempo.at(notes.starts), tempo.at(notes.ends)
    loud = velocities(notes.levels.astype(np.float64))
    events: list[tuple[int, int, mido.Message]] = [
        (0, -1, mido.Message("program_change", channel=channel, program=program))
    ]
    following: dict[int, int] = {}
    for i in np.lexsort((ends, starts))[::-1].tolist():  # of two notes of one pitch at one tick, the longer is kept
        pitch, start = int(notes.pitches[i]), int(starts[i])
        if start == following.get(pitch):
            continue
        end = min(max(int(ends[i]), start + 1), following.get(pitch, int(ends[i]) + 1))
        following[pitch] = start
        events.append((start, 1, mido.Message("note_on", channel=channel, note=pitch, velocity=int(loud[i]))))
        events.append((end, 0, mido.Message("note_off", channel=channel, note=pitch)))
    ordered = sorted(events, key=lambda event: event[:2])
    return _saved([_track(_MARK, _conductor(tempo)), _track(stem, [(tick, message) for tick, _, message in ordered])])


def part_of_midi(path: Path, window: Window, tempo: TempoMap) -> bytes:
    """Cut the notes of a window out of a MIDI file.

    Parameters
    ----------
    path : Path
        The file.
    window : Window
        Seconds. Notes that begin in it are kept, and end in it.
    tempo : TempoMap
        Tempo map of the part, whose time 0 is the start of the window.

    Returns
    -------
    bytes
        The whole file, with the tracks, programs and controllers of the original.

    Raises
    ------
    InfoError
        The file cannot be read as MIDI.
    """
    with midi_errors(path):
        file = mido.MidiFile(path, clip=True)
        clock = _Clock(file)
        tracks = [_track(_MARK, _conductor(tempo))]
        for source in file.tracks:
            cut = _cut(source, clock, window, tempo)
            if any(message.type == "note_on" for _, message in cut):
                tracks.append(_track(source.name, cut))
        return _saved(tracks)


@contextmanager
def midi_errors(path: Path) -> Iterator[None]:
    """Raise ``InfoError`` for a file that cannot be read as MIDI."""
    try:
        yield
    except (OSError, EOFError, ValueError, LookupError, TypeError, ArithmeticError, mido.KeySignatureError) as error:
        raise InfoError(
            f"{printable(path)}: the file cannot be read as MIDI; remove it, and mirkit writes it again"
        ) from error


class _Clock:
    """Seconds of the ticks of a file."""

    def __init__(self, file: mido.MidiFile) -> None:
        self._quarter = file.ticks_per_beat
        changes = [(0, 500_000)]
        for track in file.tracks:
            now = 0
            for message in track:
                now += message.time
                if message.type == "set_tempo":
                    changes.append((now, message.tempo))
        changes.sort(key=lambda change: change[0])
        self._ticks = np.array([tick for tick, _ in changes])
        self._paces = np.array([pace for _, pace in changes]) / 1e6 / self._quarter
        self._seconds = np.concatenate(([0.0], np.cumsum(np.diff(self._ticks) * self._paces[:-1])))

    def at(self, tick: int) -> float:
        i = int(np.searchsorted(self._ticks, tick, side="right")) - 1
        return float(self._seconds[i] + (tick - self._ticks[i]) * self._paces[i])


def _cut(source: mido.MidiTrack, clock: _Clock, window: Window, tempo: TempoMap) -> list[_Event]:
    """Events of a track in a window, at the ticks of the part."""
    sounding: set[tuple[int, int]] = set()
    events: list[_Event] = []
    tick = 0

    def at(seconds: float) -> int:
        return int(tempo.at(np.array([max(seconds - window.start, 0.0)]))[0])

    for message in source:
        tick += message.time
        seconds = clock.at(tick)
        if message.type in ("program_change", "control_change", "pitchwheel") and seconds < window.end:
            events.append((at(seconds), message))
        elif message.type not in ("note_on", "note_off"):
            continue
        elif message.type == "note_on" and message.velocity:
            if window.start - _ROUNDING <= seconds < window.end - _ROUNDING:
                sounding.add((message.channel, message.note))
                events.append((at(seconds), message))
        elif (message.channel, message.note) in sounding:
            sounding.discard((message.channel, message.note))
            events.append((at(min(seconds, window.end)), message))
    last = at(window.end)
    events += [(last, mido.Message("note_off", channel=channel, note=note)) for channel, note in sorted(sounding)]
    return sorted(events, key=lambda event: event[0])


def _conductor(tempo: TempoMap) -> list[_Event]:
    events: list[_Event] = [(tick, mido.MetaMessage("set_tempo", tempo=pace)) for tick, pace in tempo.tempos]
    events += [(tick, mido.MetaMessage("time_signature", numerator=bar)) for tick, bar in tempo.signatures]
    return sorted(events, key=lambda event: event[0])


def _notes(note: int, hit_list: Sequence[tuple[int, int]]) -> list[_Event]:
    events: list[_Event] = []
    ends = [tick for tick, _ in hit_list[1:]]
    for (tick, velocity), after in zip(hit_list, [*ends, hit_list[-1][0] + _LENGTH], strict=True):
        events.append((tick, mido.Message("note_on", channel=_DRUMS, note=note, velocity=velocity)))
        events.append((min(tick + _LENGTH, after), mido.Message("note_off", channel=_DRUMS, note=note)))
    return events


def _track(name: str, events: Sequence[_Event]) -> mido.MidiTrack:
    """Return ordered events as a track, in which each time is relative to the previous event."""
    track = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
    now = 0
    for tick, message in events:
        track.append(message.copy(time=tick - now))
        now = tick
    return track

"""Drum hits as a Standard MIDI file."""

import io
from collections.abc import Sequence
from pathlib import Path

import mido
import numpy as np

from mirkit.drums.drum_hits import Hits, velocities
from mirkit.drums.tempo_map import QUARTER, TempoMap
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
    file = mido.MidiFile(type=1, ticks_per_beat=QUARTER, charset="utf-8")
    file.tracks.append(_track(_MARK, _conductor(tempo)))
    for instrument, times, levels in zip(hits.instruments, hits.times, hits.levels, strict=True):
        if not len(times):
            continue
        # Of several hits at one tick, the loudest is kept.
        at, loud = tempo.at(times, steps), velocities(levels)
        ticks, first = np.unique(at, return_index=True)
        hit_list = zip(ticks.tolist(), np.maximum.reduceat(loud, first).tolist(), strict=True)
        file.tracks.append(_track(instrument.name, _notes(instrument.note, list(hit_list))))
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


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

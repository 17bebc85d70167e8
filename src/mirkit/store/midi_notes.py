"""The notes of a Standard MIDI file, read directly: a report has a file for each stem of each track."""

from collections.abc import Iterator

#: Onset (s), pitch (0 to 127), velocity (1 to 127) and end (s) of a note.
Note = tuple[float, int, int, float]
#: Tick, status, and two data bytes; of a tempo, the microseconds of a quarter note in place of the first.
_Event = tuple[int, int, int, int]

_OFF, _ON, _TEMPO = 0x80, 0x90, 0xFF
_SYSEX = (0xF0, 0xF7)
#: Status of channel messages with one data byte: program change, channel pressure.
_SHORT = (0xC0, 0xD0)
_DEFAULT_TEMPO = 500_000
_DIGITS = 4


def midi_notes(data: bytes) -> list[Note]:
    """Return the notes of a MIDI file, in the order of their onsets.

    Parameters
    ----------
    data : bytes
        The whole file, of format 0 or 1.

    Returns
    -------
    list of (float, int, int, float)
        Onset (s), pitch, velocity and end (s); a note that does not end has its onset as its end.

    Raises
    ------
    ValueError
        It is no such file, or damaged.
    """
    found: list[Note] = []
    sounding: dict[tuple[int, int], int] = {}
    try:
        events, per_quarter = _events(data)
    except IndexError as error:
        raise ValueError("the file ends too early") from error
    now, last, tempo = 0.0, 0, _DEFAULT_TEMPO
    for tick, status, first, second in events:
        now += (tick - last) * (tempo * 1e-6 / per_quarter)
        last = tick
        if status == _TEMPO:
            tempo = first
            continue
        voice = status & 15, first
        if (begun := sounding.pop(voice, None)) is not None:
            found[begun] = (*found[begun][:3], round(now, _DIGITS))
        if second and status & 0xF0 == _ON:
            sounding[voice] = len(found)
            found.append((round(now, _DIGITS), first, second, round(now, _DIGITS)))
    return found


def _events(data: bytes) -> tuple[list[_Event], int]:
    """Return notes and tempi of all tracks in order, and the ticks of a quarter note."""
    length, kind = int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:10], "big")
    tracks, per_quarter = int.from_bytes(data[10:12], "big"), int.from_bytes(data[12:14], "big")
    if data[:4] != b"MThd" or length < 6 or kind not in (0, 1) or not 0 < per_quarter < 0x8000:
        raise ValueError("this is no MIDI file with a common time of its tracks")
    at, events = 8 + length, list[_Event]()
    for _ in range(tracks):
        size = int.from_bytes(data[at + 4 : at + 8], "big")
        if data[at : at + 4] != b"MTrk" or len(data) < at + 8 + size:
            raise ValueError("a track is missing or cut off")
        events += _track(data, at + 8, at + 8 + size)
        at += 8 + size
    return sorted(events, key=lambda event: event[0]), per_quarter


def _track(data: bytes, at: int, end: int) -> Iterator[_Event]:
    """Yield the notes and tempi of one track."""
    tick = running = 0
    while at < end:
        delta, at = _number(data, at)
        tick += delta
        status = data[at] if data[at] & 0x80 else running
        at += data[at] >> 7
        if not status:
            raise ValueError("an event has no status")
        running = status if status < _SYSEX[0] else running
        if status == _TEMPO:
            kind = data[at]
            size, at = _number(data, at + 1)
            if kind == 0x51 and size == 3:
                yield tick, _TEMPO, int.from_bytes(data[at : at + 3], "big"), 0
            at += size
        elif status in _SYSEX:
            size, at = _number(data, at)
            at += size
        elif status > _SYSEX[0]:
            raise ValueError("an event is of no kind that files hold")
        else:
            first = data[at]
            second = 0 if status & 0xF0 in _SHORT else data[at + 1]
            if (first | second) & 0x80:
                raise ValueError("a value is too large")
            if status & 0xF0 in (_OFF, _ON):
                yield tick, status, first, second
            at += 1 if status & 0xF0 in _SHORT else 2
    if at > end:
        raise ValueError("the last event of a track is cut off")


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Read a number of variable length: its value, and where it ends."""
    value = 0
    while True:
        value = value << 7 | data[at] & 0x7F
        at += 1
        if not data[at - 1] & 0x80:
            return value, at

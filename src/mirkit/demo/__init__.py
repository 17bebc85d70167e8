"""A small data set with known truth: four synthesized pieces of different style, tempo, meter and key, as arrays."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from mirkit.demo.instruments import RATE, bass, cymbal, guitar, kick, pad, piano, snare, stab, voice
from mirkit.demo.mixer import STEMS, Mixer, Stereo
from mirkit.features.types import FloatArray


@dataclass(frozen=True)
class DemoGrid:
    """Bars of equal length.

    There are ``bars`` whole bars from ``start`` (s) on, and one more beat for the final chord.
    """

    bpm: float
    meter: int
    start: float
    bars: int

    def time(self, bar: float, beat: float = 0.0) -> float:
        """Seconds at a bar and beat, both counted from 0; fractions are allowed."""
        return self.start + (bar * self.meter + beat) * 60.0 / self.bpm

    @property
    def beats(self) -> FloatArray:
        """Beat times in seconds."""
        return self.start + np.arange(self.bars * self.meter + 1) * 60.0 / self.bpm

    @property
    def downbeats(self) -> FloatArray:
        """Times of the first beats of the bars, in seconds."""
        return self.beats[:: self.meter]


@dataclass(frozen=True)
class Truth:
    """Ground truth of a piece.

    Attributes
    ----------
    bpm, meter
        Tempo in 1/min and beats per bar; None where there is no pulse.
    key, mode
        ``"C"`` ... ``"B"``; ``"major"`` or ``"minor"``.
    beats, downbeats : array
        Times in seconds; empty where there is no pulse.
    onsets : mapping of stem to array
        Times of all attacks of the stem in seconds, unique and ascending. A sound that fades in has no attack.
    drums : mapping of instrument to array
        Onsets of each drum: ``kick``, ``snare``, ``hat``, ``cymbal``.
    """

    bpm: float | None
    meter: int | None
    key: str
    mode: str
    beats: FloatArray
    downbeats: FloatArray
    onsets: Mapping[str, FloatArray]
    drums: Mapping[str, FloatArray]


@dataclass(frozen=True)
class DemoTrack:
    """One synthesized piece.

    ``stems`` maps drums, bass, other and vocals to ``float32, shape=(2, n)`` at 44.1 kHz; a stem that the piece
    lacks is silent.
    """

    artist: str
    album: str
    title: str
    genre: str
    stems: Mapping[str, Stereo]
    truth: Truth
    rate: int = RATE

    @property
    def samples(self) -> Stereo:
        """The mix: the sum of the stems, ``float32, shape=(2, n)``."""
        total = self.stems[STEMS[0]].copy()
        for stem in STEMS[1:]:
            total += self.stems[stem]
        return total

    @property
    def name(self) -> str:
        """File name: artist and title."""
        return f"{self.artist} - {self.title}"


SECONDS = 30.0

#: Notes that sound together, as MIDI numbers.
Chord = tuple[int, ...]
#: A bar of a tune: the beat on which each note starts, and its MIDI number.
Phrase = tuple[tuple[float, int], ...]


def demo_tracks() -> Iterator[DemoTrack]:
    """Synthesize the demo set, one piece at a time: house, rock, a waltz, and a drone without beat.

    Every call returns the same samples. Each piece lasts 30 s.
    """
    for piece in (house, rock, waltz, drone):
        yield piece()


def _truth(mixer: Mixer, grid: DemoGrid, key: str, mode: str) -> Truth:
    return Truth(grid.bpm, grid.meter, key, mode, grid.beats, grid.downbeats, mixer.onsets, mixer.drums)


def _held(phrase: Phrase, meter: int) -> Iterator[tuple[float, int, float]]:
    """Yield beat, note and length in beats of a phrase whose notes each last until the next one."""
    ends = [beat for beat, _ in phrase[1:]] + [float(meter)]
    for (beat, note), end in zip(phrase, ends, strict=True):
        yield beat, note, end - beat


def house() -> DemoTrack:
    """House, 124 BPM, 4/4, A minor: four on the floor, off-beat bass, stabs, a sung line, a break without kick."""
    mixer, grid = Mixer(SECONDS, seed=124), DemoGrid(bpm=124.0, meter=4, start=0.25, bars=14)
    sounds = kick(), snare(mixer.rng, wires=1.0), cymbal(mixer.rng, decay=0.025), cymbal(mixer.rng, decay=0.06)
    thump, clap, closed, open_hat = sounds
    chords: tuple[Chord, ...] = ((57, 60, 64, 69), (57, 60, 65, 69), (57, 62, 65, 69), (56, 59, 64, 68))
    roots = (33, 29, 38, 40)
    line: tuple[Phrase, ...] = (
        ((0, 76), (1.5, 74), (2.5, 72)),
        ((0, 69), (2, 72)),
        ((0, 74), (1.5, 77), (3, 76)),
        ((0, 71), (2, 68)),
    )
    step = 60.0 / grid.bpm
    for bar in range(grid.bars):
        pause = bar in (8, 9)
        for beat in range(4):
            if not pause:
                mixer.hit("kick", thump, grid.time(bar, beat), gain=0.95, reverb=0.02)
            if beat % 2 and not pause:
                mixer.hit("snare", clap, grid.time(bar, beat), gain=0.4, reverb=0.06)
            mixer.hit("hat", open_hat, grid.time(bar, beat + 0.5), gain=0.2, pan=0.25)
            for sixteenth in (0.25, 0.75):
                level = 0.14 * (1 + 0.3 * mixer.rng.uniform(-1, 1))
                mixer.hit("hat", closed, grid.time(bar, beat + sixteenth), gain=level, pan=-0.3)
            if bar >= 2:
                note = roots[bar % 4] + (12 if beat == 3 else 0)
                mixer.play("bass", bass(note, 0.45 * step), grid.time(bar, beat + 0.5), gain=0.55, reverb=0.0)
        if bar >= 2:
            for at in (0, 1.5, 3.0):
                for place, note in zip((-0.5, -0.2, 0.2, 0.5), chords[bar % 4], strict=True):
                    mixer.play("other", stab(note, 0.6 * step), grid.time(bar, at), gain=0.22, pan=place, reverb=0.25)
        if bar >= 4:
            for at, note, beats in _held(line[bar % 4], grid.meter):
                mixer.play("vocals", voice(note, 0.95 * beats * step), grid.time(bar, at), gain=0.4, reverb=0.3)
    end = grid.time(grid.bars)
    mixer.hit("kick", thump, end, gain=0.95)
    mixer.play("bass", bass(33, 1.6), end, gain=0.55, reverb=0.0)
    for note in chords[0]:
        mixer.play("other", stab(note, 1.8), end, gain=0.18, reverb=0.3)
    truth = _truth(mixer, grid, "A", "minor")
    return DemoTrack("Four Lamps", "Night Service", "Last Tram", "House", mixer.mixdown(decay=0.3), truth)


def rock() -> DemoTrack:
    """Rock, 96 BPM, 4/4, G major: backbeat, eighth-note bass, driven guitars left and right, a sung tune."""
    mixer, grid = Mixer(SECONDS, seed=96), DemoGrid(bpm=96.0, meter=4, start=0.4, bars=11)
    sounds = kick(punch=1.4), snare(mixer.rng), cymbal(mixer.rng, decay=0.045), cymbal(mixer.rng, decay=0.5, low=3500.0)
    thump, crack, hat, crash = sounds
    powers: tuple[Chord, ...] = ((43, 50, 55, 59), (48, 55, 60, 64), (43, 50, 55, 59), (50, 57, 62, 66))
    roots = (31, 36, 31, 38)
    tunes: tuple[Phrase, ...] = (
        ((0, 67), (1, 71), (2, 74), (3.5, 71)),
        ((0, 72), (1.5, 71), (2.5, 67)),
        ((0, 71), (1, 69), (2, 67)),
        ((0, 69), (1.5, 66), (2.5, 69)),
    )
    step = 60.0 / grid.bpm
    for bar in range(grid.bars):
        if bar % 4 == 0:
            mixer.hit("cymbal", crash, grid.time(bar), gain=0.35, pan=0.4, reverb=0.1)
        for eighth in range(8):
            level = (0.2 if eighth % 2 == 0 else 0.12) * (1 + 0.15 * mixer.rng.uniform(-1, 1))
            mixer.hit("hat", hat, grid.time(bar, eighth / 2), gain=level, pan=-0.35)
            mixer.play("bass", bass(roots[bar % 4], 0.48 * step), grid.time(bar, eighth / 2), gain=0.45, reverb=0.0)
        for beat in (0, 2, 2.5):
            mixer.hit("kick", thump, grid.time(bar, beat), gain=0.9, reverb=0.05)
        for beat in (1, 3):
            mixer.hit("snare", crack, grid.time(bar, beat), gain=0.65, reverb=0.2)
        for beat, length in ((0, 1.4), (1.5, 0.4), (2, 1.4), (3.5, 0.4)):
            for note in powers[bar % 4]:
                for side in (-0.8, 0.8):
                    sound = guitar(note + 0.03 * side, length * step)
                    mixer.play("other", sound, grid.time(bar, beat), gain=0.14, pan=side, reverb=0.15)
        if bar >= 2:
            for at, note, beats in _held(tunes[(bar - 2) % 4], grid.meter):
                mixer.play("vocals", voice(note, 0.95 * beats * step), grid.time(bar, at), gain=0.45, reverb=0.15)
    end = grid.time(grid.bars)
    mixer.hit("kick", thump, end, gain=0.9)
    mixer.hit("cymbal", crash, end, gain=0.4, pan=0.4)
    mixer.play("bass", bass(31, 1.8), end, gain=0.45, reverb=0.0)
    for note in powers[0]:
        mixer.play("other", guitar(note, 1.9), end, gain=0.14, pan=-0.3, reverb=0.2)
    truth = _truth(mixer, grid, "G", "major")
    return DemoTrack("The Level Crossing", "Gravel Road", "Home by Nine", "Rock", mixer.mixdown(decay=0.25), truth)


def waltz() -> DemoTrack:
    """Waltz, 168 BPM, 3/4, D major: bass on one, chords on two and three, brushes, a piano tune. No voice."""
    mixer, grid = Mixer(SECONDS, seed=168), DemoGrid(bpm=168.0, meter=3, start=0.3, bars=26)
    thump, brush, ride = kick(punch=0.3), snare(mixer.rng, wires=0.5), cymbal(mixer.rng, decay=0.15, low=5000.0)
    chords: tuple[Chord, ...] = (
        ((62, 66, 69),) * 2 + ((61, 64, 67),) * 2 + ((61, 64, 67),) * 2 + ((62, 66, 69),) * 2
        + ((62, 67, 71),) * 2 + ((62, 66, 69),) * 2 + ((61, 64, 67),) * 2 + ((62, 66, 69),) * 2
    )  # fmt: skip
    roots = (38, 45, 33, 40, 33, 40, 38, 45, 43, 38, 38, 45, 33, 40, 38, 45)
    # The eighths define the division of the beat in two: without them, 3/4 at 168 BPM could be 6/8 at 56 BPM.
    tune: tuple[Phrase, ...] = (
        ((0, 78), (1, 79), (1.5, 78), (2, 76)), ((0, 74), (1, 78), (2, 81)),
        ((0, 79), (1, 78), (1.5, 79), (2, 78)), ((0, 76), (2, 74), (2.5, 75)),
        ((0, 76), (1, 78), (1.5, 76), (2, 78)), ((0, 79), (1, 76), (2, 73)),
        ((0, 78), (0.5, 79), (1, 78), (2, 76)), ((0, 74),),
        ((0, 83), (1, 81), (1.5, 83), (2, 81)), ((0, 79), (1, 78), (2, 79), (2.5, 80)),
        ((0, 81), (1, 79), (1.5, 81), (2, 78)), ((0, 74), (2, 73), (2.5, 74)),
        ((0, 76), (1, 78), (1.5, 76), (2, 79)), ((0, 73), (2, 76)),
        ((0, 74), (1, 76), (1.5, 78), (2, 81)), ((0, 78), (1, 74), (2, 69)),
    )  # fmt: skip
    step = 60.0 / grid.bpm
    for bar in range(grid.bars):
        mixer.hit("kick", thump, grid.time(bar), gain=0.55, reverb=0.1)
        mixer.hit("cymbal", ride, grid.time(bar), gain=0.1, pan=0.3)
        mixer.play("bass", bass(roots[bar % 16], 1.5 * step), grid.time(bar), gain=0.7, reverb=0.05)
        for beat in (1, 2):
            level = 0.17 * (1 + 0.2 * mixer.rng.uniform(-1, 1))
            mixer.hit("snare", brush, grid.time(bar, beat), gain=level, pan=0.1, reverb=0.2)
            for note in chords[bar % 16]:
                mixer.play("other", piano(note, 0.8 * step), grid.time(bar, beat), gain=0.2, pan=-0.3, reverb=0.2)
        for at, note, beats in _held(tune[bar % 16], grid.meter):
            sound = piano(note, beats * step + 0.25)
            mixer.play("other", sound, grid.time(bar, at), gain=0.5, pan=0.25, reverb=0.25)
    end = grid.time(grid.bars)
    mixer.hit("kick", thump, end, gain=0.55)
    mixer.play("bass", bass(38, 1.6), end, gain=0.7, reverb=0.05)
    for note in (62, 66, 69, 74):
        mixer.play("other", piano(note, 1.7), end, gain=0.3, pan=-0.1, reverb=0.3)
    truth = _truth(mixer, grid, "D", "major")
    return DemoTrack("Cafe Lindenhof", "Sunday Papers", "Three Chairs", "Waltz", mixer.mixdown(decay=0.4), truth)


def drone() -> DemoTrack:
    """Ambient drone, E minor, no beat: all sounds fade in over seconds, so there are no onsets."""
    mixer = Mixer(SECONDS, seed=5)
    layers = (  # start, seconds, notes; starts and lengths follow no pulse
        (0.0, 30.0, (40, 47, 52)),
        (0.0, 13.7, (55, 59)),
        (8.3, 14.9, (54, 57, 62)),
        (17.2, 12.8, (55, 59, 64)),
        (4.1, 9.7, (67,)),
        (14.6, 10.9, (66,)),
        (22.4, 7.6, (71,)),
    )
    for start, seconds, notes in layers:
        for note in notes:
            sound = pad(note, seconds, attack=min(4.5, seconds / 2), release=min(4.5, seconds / 2))
            place = float(mixer.rng.uniform(-0.7, 0.7))
            mixer.blend("other", sound, start, gain=0.2, pan=place, reverb=0.5)
    for start in (0.0, 14.0):
        sound = pad(28, 16.0, attack=4.0, release=4.0)
        mixer.blend("bass", sound, start, gain=0.3, pan=0.0, reverb=0.1)
    nothing = DemoGrid(bpm=60.0, meter=4, start=0.0, bars=0).beats[:0]
    truth = Truth(None, None, "E", "minor", nothing, nothing, mixer.onsets, mixer.drums)
    return DemoTrack("Slow Weather", "Basin", "Inland Fog", "Ambient", mixer.mixdown(decay=0.8, fade=4.0), truth)

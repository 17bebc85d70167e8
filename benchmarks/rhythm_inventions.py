"""Styles that nobody plays: parts drawn from what parts of popular music have in common.

A tracker tuned on twenty styles learns their patterns by heart. Here every piece has patterns of its own, and kit,
instruments, balance and playing vary as they do between recordings.
"""

import numpy as np
from rhythm_styles import (
    CLAP,
    CRASH,
    HAT,
    KICK,
    OPEN,
    PEDAL,
    RIDE,
    SHAKER,
    SNARE,
    STICK,
    TAMBOURINE,
    TOM_LOW,
    Style,
)

KITS = (0, 1, 3, 5, 8, 10, 16, 24, 25, 32, 40, 48)
KEYS = (0, 1, 4, 6, 16, 21, 24, 25, 26, 27, 28, 29, 30, 48, 50, 61, 81, 88, 90)
LEADS = (11, 22, 30, 40, 52, 56, 65, 66, 68, 71, 73, 80, 81)
BASSES = (32, 33, 34, 35, 36, 38, 39, 43)
#: Tempi (median, spread in octaves) by meter and division of the beat.
TEMPI = {
    ("4/4", 4): (104, 0.36),
    ("4/4", 3): (112, 0.5),
    ("4/4", 2): (132, 0.3),
    ("3/4", 2): (130, 0.35),
    ("3/4", 3): (140, 0.3),
    ("6/8", 6): (68, 0.4),
}


def invented(seed: int, bpm: float | None = None) -> Style:
    """Invent a style, at a tempo if one is given."""
    rng = np.random.default_rng([seed, 7919])
    kinds = list(TEMPI)
    meter, division = kinds[rng.choice(len(kinds), p=(0.5, 0.12, 0.12, 0.1, 0.04, 0.12))]
    center, octaves = TEMPI[meter, division]
    usual = float(np.clip(center * 2 ** rng.normal(0, octaves), 80 if division == 3 else 46, 208))
    bpm = usual if bpm is None else bpm
    parts = _Parts(meter, division, bpm, rng)
    drums = parts.drums() if rng.random() < 0.85 else {}
    levels = tuple(int(v) for v in np.clip(rng.normal((88, 104, 92, 80, 100), 12), 40, 127))
    return Style(
        (bpm, bpm + 0.01),
        meter,
        division,
        drums=(drums,),
        bass=(parts.bass(drums.get(KICK, "")),),
        comp=(parts.comp(),),
        arpeggio=parts.filled(parts.quickest()) if rng.random() < 0.5 else "",
        melody=0.7,
        chord_bars=((0.5, 1, 1, 2) if meter == "4/4" else (1, 1, 2)),
        keys=KEYS,
        basses=BASSES,
        leads=LEADS,
        kits=KITS,
        levels=levels,
        jitter_ms=float(rng.choice([0.5, 1, 3, 5, 8, 10])),
        fills=bool(rng.random() < 0.7),
    )


class _Parts:
    """Draws the parts of a style; every part is one bar of marks as in ``Style``."""

    def __init__(self, meter: str, division: int, bpm: float, rng: np.random.Generator) -> None:
        self.meter, self.division, self.bpm, self.rng = meter, division, bpm, rng
        self.beats = 2 if meter == "6/8" else int(meter[0])
        self.steps = self.beats * division

    def one_of(self, *choices: tuple[float, str]) -> str:
        """Draw a word by its weight."""
        weights = np.array([weight for weight, _ in choices])
        return choices[self.rng.choice(len(choices), p=weights / weights.sum())][1]

    def on(self, *beats: float, mark: str = "X") -> str:
        """Marks at these beats, counted from 0."""
        marks = ["."] * self.steps
        for beat in beats:
            marks[round(beat * self.division) % self.steps] = mark
        return "".join(marks)

    def over(self, under: str, above: str) -> str:
        return "".join(b if b != "." else a for a, b in zip(under, above, strict=True))

    def filled(self, every: int, mark: str = "x") -> str:
        """Marks at every so many steps."""
        return "".join(mark if step % every == 0 else "." for step in range(self.steps))

    def scattered(self, chance: float, mark: str = "x") -> str:
        """Marks at random, off the beat more often than on it."""
        unit = 2 if self.division == 4 and self.bpm > 125 else self.quickest()
        return "".join(
            mark if step % unit == 0 and self.rng.random() < chance * (0.6 if step % self.division == 0 else 1) else "."
            for step in range(self.steps)
        )

    def eighths(self) -> int:
        """Steps in an eighth note, or a beat where that is too quick."""
        return self._playable({4: 2, 3: 3, 2: 1, 6: 2}[self.division])

    def quickest(self) -> int:
        """Steps between the quickest notes that a player keeps up."""
        return self._playable(2 if self.division == 6 else 1)

    def _playable(self, step: int) -> int:
        """The step, or its multiples where there would be more than nine notes a second."""
        while self.bpm / 60 * self.division / step > 9 and step < self.division:
            step *= 3 if self.division in (3, 6) else 2
        return min(step, self.division)

    def drums(self) -> dict[int, str]:
        """A kit: kick and snare, cymbals, small percussion."""
        kick, snare = self._kick(), self._snare()
        struck = int(self.rng.choice([SNARE, SNARE, SNARE, STICK, CLAP]))
        kit = {KICK: kick, struck: snare}
        cymbal = int(self.rng.choice([HAT, HAT, HAT, RIDE, OPEN, CRASH]))
        kit[cymbal] = self._cymbal()
        if self.rng.random() < 0.4:
            kit[int(self.rng.choice([SHAKER, TAMBOURINE, PEDAL]))] = self._cymbal()
        if self.rng.random() < 0.15:
            kit[TOM_LOW] = self.scattered(0.15)
        return {drum: marks for drum, marks in kit.items() if marks.strip(".")}

    def _kick(self) -> str:
        half = self.beats / 2 if self.beats % 2 == 0 else 2
        kind = self.one_of((3, "one"), (4, "halves"), (2 if self.meter != "3/4" else 0.5, "every"), (0.3, "late"))
        if kind == "one":
            kick = self.on(0)
        elif kind == "halves":
            kick = self.on(0, half)
        elif kind == "every":
            return self.filled(self.division, "X")
        else:
            kick = self.on(half)
        return self.over(self.scattered(self.rng.choice([0, 0.1, 0.2])), kick)

    def _snare(self) -> str:
        if self.meter == "6/8":
            snare = self.on(1)
        elif self.meter == "3/4":
            snare = self.on(*((1, 2), (2,), (1,), (1.5, 2))[self.rng.choice(4, p=(0.5, 0.3, 0.15, 0.05))])
        else:
            kind = self.one_of(
                (7, "back"), (1.5, "half time"), (0.7, "off"), (0.7, "every"), (1, "clave"), (0.5, "late")
            )
            if kind == "clave":
                return self.scattered(0.35)
            beats = {
                "back": (1, 3),
                "half time": (2,),
                "off": (0.5, 1.5, 2.5, 3.5),
                "every": (0, 1, 2, 3),
                "late": (3,),
            }
            snare = self.on(*beats[kind])
        return self.over(self.scattered(self.rng.choice([0, 0, 0.15]), "o"), snare)

    def _cymbal(self) -> str:
        step = self.eighths()
        kind = self.one_of((5, "eighths"), (2, "beats"), (2, "all"), (1.5, "off"), (1, "broken"), (0.5, "none"))
        if kind == "eighths" and self.division == 3:
            return self.one_of((2, "x.x" * self.beats), (1, ("x.." + "x.x") * 2))[: self.steps]
        marks = {"eighths": step, "beats": self.division, "all": self.quickest()}
        if kind in marks:
            return self.filled(marks[kind])
        if kind == "off":
            return "".join("." if i % self.division < self.division / 2 else m for i, m in enumerate(self.filled(step)))
        return self.scattered(0.5) if kind == "broken" else "." * self.steps

    def bass(self, kick: str) -> str:
        """A bass line: on the bar, walking, pumping, off the beat, or with the kick."""
        kind = self.one_of((2, "one"), (2, "halves"), (2, "beats"), (2, "pump"), (1, "off"), (3, "kick"), (2, "free"))
        half = self.beats // 2 if self.beats % 2 == 0 else 2
        if kind == "one":
            return self.on(0, mark="R")
        if kind == "halves":
            return self.over(self.on(half, mark="f"), self.on(0, mark="R"))
        if kind == "beats":
            return self.over(
                "".join(self.rng.choice(list("rrfoa")) if i % self.division == 0 else "." for i in range(self.steps)),
                self.on(0, mark="R"),
            )
        if kind == "pump":
            return self.over(self.filled(self.eighths(), "r"), self.on(0, mark="R"))
        if kind == "off" and self.division in (2, 4):
            return "".join("r" if i % self.division == self.division // 2 else "." for i in range(self.steps))
        if kind == "kick" and kick:
            return kick.replace("X", "R").replace("x", "r")
        return self.over(self.scattered(0.3, "r"), self.on(0, mark="R"))

    def comp(self) -> str:
        """Chords: held, on the beats, off the beats, on the back beat, or syncopated."""
        kind = self.one_of((4, "held"), (2, "beats"), (1.5, "off"), (1.5, "back"), (2, "eighths"), (3, "free"))
        if kind == "held":
            return self.on(0, mark="h")
        if kind == "beats":
            return self.over(self.filled(self.division), self.on(0))
        if kind == "off" and self.division in (2, 4):
            return "".join("x" if i % self.division == self.division // 2 else "." for i in range(self.steps))
        if kind == "back":
            return self.on(*range(1, self.beats, 1 if self.meter == "3/4" else 2), mark="x")
        if kind == "eighths":
            return self.filled(self.eighths())
        marks = self.scattered(0.4)
        return marks if marks.strip(".") else self.on(0, mark="h")

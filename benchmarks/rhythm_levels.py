"""Pieces for two questions that the ordinary styles do not ask: which level is the beat, and which bar is it.

*Levels*: styles at tempi uniform in log BPM from 45 to 260, where the score states the beat. *Bars*: meters other than
4/4, 3/4 and 6/8, with groups that are played: 5/4, 7/4, 7/8, 9/8 as 2+2+2+3, 2/4 and 12/8.
"""

from dataclasses import replace

import numpy as np
from rhythm_inventions import BASSES, KEYS, KITS, LEADS, invented
from rhythm_styles import (
    CLAP,
    CRASH,
    HAT,
    KICK,
    MORE_STYLES,
    OPEN,
    RIDE,
    SHAKER,
    SNARE,
    STICK,
    STYLES,
    TAMBOURINE,
    TOM_LOW,
    Style,
)

LOWEST_BPM, HIGHEST_BPM = 45.0, 260.0
#: The ten styles of the "test" half; "tune" has other styles and inventions.
LEVEL_STYLES = ("rock", "house", "ballad", "waltz", "swing", "bossa", "shuffle", "country", "punk", "minuet")
LEVEL_STYLES_TUNE = ("pop", "funk", "disco", "polka", "folk", "motown", "jazzwaltz", "slowwaltz", "nodrums", "metal")
#: Meters, how their bars are grouped (in units: quarters or eighths), and the range of the tempo of a unit.
GROUPS: dict[str, tuple[tuple[int, ...], ...]] = {
    "5/4": ((3, 2), (2, 3)),
    "7/4": ((4, 3), (3, 4), (2, 2, 3)),
    "7/8": ((2, 2, 3), (3, 2, 2)),
    "9/8": ((2, 2, 2, 3),),
    "2/4": ((2,),),
    "12/8": ((1, 1, 1, 1),),
}
UNIT_BPM = {
    "5/4": (90, 200),
    "7/4": (90, 200),
    "7/8": (180, 290),
    "9/8": (190, 300),
    "2/4": (84, 140),
    "12/8": (46, 90),
}


def anywhere(name: str, seed: int) -> Style:
    """A style, or an invented one, at a tempo uniform in log BPM."""
    rng = np.random.default_rng([seed, 104729, *name.encode()])
    bpm = float(2 ** rng.uniform(np.log2(LOWEST_BPM), np.log2(HIGHEST_BPM)))
    style = invented(seed + 5000, bpm) if name == "invented" else (STYLES | MORE_STYLES)[name]
    return replace(style, tempo=(bpm, bpm + 0.01))


def grouped(meter: str, seed: int) -> Style:
    """Invent a style in a meter whose groups are played."""
    rng = np.random.default_rng([seed, 15485863, *meter.encode()])
    groups = GROUPS[meter][rng.integers(len(GROUPS[meter]))]
    division = {"12/8": 3, "2/4": 4}.get(meter, 2)
    units = sum(groups)
    starts = np.concatenate(([0], np.cumsum(groups)[:-1])) * division
    if meter == "2/4":
        starts = np.array([0, division])
    bpm = float(rng.uniform(*UNIT_BPM[meter]))
    steps = units * division
    quick = bpm / 60 * division <= 9

    def marks(at: object, mark: str) -> str:
        chosen = {int(step) % steps for step in np.atleast_1d(np.asarray(at))}
        return "".join(mark if step in chosen else "." for step in range(steps))

    def over(under: str, above: str) -> str:
        return "".join(b if b != "." else a for a, b in zip(under, above, strict=True))

    def scattered(chance: float, mark: str, every: int) -> str:
        return "".join(mark if i % every == 0 and rng.random() < chance else "." for i in range(steps))

    every = np.arange(0, steps, division)
    drums: dict[int, str] = {}
    if rng.random() < 0.8:
        rest = starts[1:]
        back = rest[-1:] if len(rest) and rng.random() < 0.6 else rest[rng.random(len(rest)) < 0.8]
        low = np.concatenate((starts[:1], np.setdiff1d(rest, back))) if rng.random() < 0.7 else starts[:1]
        drums[KICK] = over(scattered(float(rng.choice([0, 0.1])), "x", division), over(marks(low, "x"), marks(0, "X")))
        drums[int(rng.choice([SNARE, SNARE, CLAP, STICK]))] = marks(back, "X")
        cymbal = int(rng.choice([HAT, HAT, RIDE, OPEN, CRASH]))
        fine = np.arange(steps) if meter == "12/8" or (quick and rng.random() < 0.5) else every
        drums[cymbal] = over(marks(fine, "o"), marks(starts, "X") if rng.random() < 0.5 else marks(every, "x"))
        if rng.random() < 0.3:
            drums[int(rng.choice([SHAKER, TAMBOURINE]))] = marks(fine, "o")
        if rng.random() < 0.15:
            drums[TOM_LOW] = marks(starts[-1:], "x")
        drums = {drum: pattern for drum, pattern in drums.items() if pattern.strip(".")}
    bass = over(marks(starts, "r") if rng.random() < 0.6 else scattered(0.3, "r", division), marks(0, "R"))
    comp = (
        marks(0, "h"),
        over(marks(starts, "x"), marks(0, "X")),
        over(marks(every, "x"), marks(starts, "X")),
        scattered(0.5, "x", division) or marks(0, "h"),
    )[rng.integers(4)]
    if meter == "12/8" and (not drums or rng.random() < 0.3):  # the eighths are always played
        comp = over(marks(np.arange(steps), "x"), marks(starts, "X"))
    return Style(
        (bpm, bpm + 0.01),
        meter,
        division,
        drums=(drums,) if drums else (),
        bass=(bass,),
        comp=(comp if comp.strip(".") else marks(0, "h"),),
        arpeggio=marks(every, "x") if rng.random() < 0.5 else "",
        melody=0.6,
        chord_bars=(1, 1, 2),
        keys=KEYS,
        basses=BASSES,
        leads=LEADS,
        kits=KITS,
        levels=tuple(int(v) for v in np.clip(rng.normal((88, 104, 92, 80, 100), 10), 40, 127)),
        jitter_ms=float(rng.choice([0.5, 3, 5, 8])),
        fills=bool(rng.random() < 0.3),
    )

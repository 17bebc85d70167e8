"""Styles of music as patterns for the player of ``rhythm_corpus.py``."""

from dataclasses import dataclass

KICK, STICK, SNARE, CLAP, HAT, PEDAL, OPEN, CRASH, RIDE = 36, 37, 38, 39, 42, 44, 46, 49, 51
TOM_LOW, TOM_MID, TOM_HIGH, TAMBOURINE, SHAKER = 45, 47, 50, 54, 82


@dataclass(frozen=True)
class Style:
    """How a style is played. Patterns are one bar long: ``.`` rest, ``o`` soft, ``x`` normal, ``X`` accented."""

    tempo: tuple[float, float]
    meter: str = "4/4"
    division: int = 4  # steps per beat of the patterns
    drums: tuple[dict[int, str], ...] = ()  # alternatives, one a piece
    bass: tuple[str, ...] = ()  # r root, f fifth, o octave, a approach, R/F/O accented
    comp: tuple[str, ...] = ()  # rhythm of the chords; x short, X accented, h held to the next
    arpeggio: str = ""  # rhythm of broken chords
    melody: float = 0.5  # probability that a piece has a tune
    chord_bars: tuple[float, ...] = (1, 1, 2)
    keys: tuple[int, ...] = (0, 4, 24, 27)  # programs for the chords
    basses: tuple[int, ...] = (33, 34, 38)
    leads: tuple[int, ...] = (73, 65, 80, 30, 52)
    kits: tuple[int, ...] = (0,)  # programs for the drums
    levels: tuple[int, ...] = (88, 104, 92, 80, 100)  # volume of chords, bass, tune, broken chords, drums
    jitter_ms: float = 5.0
    shape: str = "song"  # song, breakdown, ramp, rubato, loop
    fills: bool = True


ROCK_HATS = "x.x. x.x. x.x. x.x."
STYLES: dict[str, Style] = {
    "rock": Style(
        (92, 150),
        drums=(
            {KICK: "X... .... X.x. ....", SNARE: ".... X... .... X...", HAT: ROCK_HATS},
            {KICK: "X... ..x. X... ....", SNARE: ".... X... .... X...", HAT: "X.x. X.x. X.x. X.x."},
            {KICK: "X.x. .... .xX. ....", SNARE: ".... X..o .o.. X...", RIDE: ROCK_HATS},
        ),
        bass=("R.r. r.r. r.r. r.r.", "R... ..r. R.f. r...", "R..r ..r. r..r ..f."),
        comp=("X... x... X... x...", "X.x. x.x. X.x. x.x.", "h... .... ..h. ...."),
        keys=(27, 29, 30, 4),
    ),
    "pop": Style(
        (88, 126),
        drums=(
            {KICK: "X... ...x ..X. ....", SNARE: ".... X... .... X...", HAT: ROCK_HATS},
            {KICK: "X..x ..x. ..x. ..x.", CLAP: ".... X... .... X...", HAT: "xoxo xoxo xoxo xoxo"},
            {KICK: "X... .... X... ..x.", SNARE: ".... X... .... X...", SHAKER: "xoxo xoxo xoxo xoxo"},
        ),
        bass=("R... ...r ..r. ....", "R..r ..r. R..r ..r.", "R... .... R... ..a."),
        comp=("h... .... .... ....", "h... ..h. .... ....", "x... x... x... x..."),
        arpeggio="x.x. x.x. x.x. x.x.",
        melody=0.8,
    ),
    "house": Style(
        (119, 129),
        drums=(
            {
                KICK: "X... X... X... X...",
                CLAP: ".... X... .... X...",
                OPEN: "..x. ..x. ..x. ..x.",
                SHAKER: "o.oo o.oo o.oo o.oo",
            },
            {
                KICK: "X... X... X... X...",
                SNARE: ".... x... .... x...",
                HAT: "..x. ..x. ..xo ..x.",
                TAMBOURINE: "o.x. o.x. o.x. o.x.",
            },
        ),
        bass=("..r. ..r. ..r. ..o.", "r..r ..r. .r.. r.o.", ".rr. .rr. .rr. .ro."),
        comp=("..x. ..x. ..x. ..x.", "x..x ..x. ...x ..x.", "h... .... .... ...."),
        keys=(4, 0, 16, 81),
        basses=(38, 39),
        leads=(80, 81, 54),
        jitter_ms=1.0,
    ),
    "trance": Style(
        (138, 144),
        drums=(
            {
                KICK: "X... X... X... X...",
                CLAP: ".... X... .... X...",
                OPEN: "..X. ..X. ..X. ..X.",
                HAT: "xoxo xoxo xoxo xoxo",
            },
        ),
        bass=("..r. ..r. ..r. ..r.", ".rrr .rrr .rrr .rrr"),
        comp=("h... .... .... ....", "X..X ..X. .X.. X.X."),
        arpeggio="xxxx xxxx xxxx xxxx",
        melody=0.3,
        keys=(81, 90, 50),
        basses=(38, 39),
        leads=(81, 80),
        jitter_ms=0.5,
        chord_bars=(1, 2),
    ),
    "dnb": Style(
        (168, 178),
        drums=(
            {KICK: "X... .... ..X. ....", SNARE: ".... X... .... X...", HAT: "x.x. x.x. x.x. x.x."},
            {KICK: "X... .... ..x. ..x.", SNARE: ".... X..o .o.. X...", HAT: "xoxo xoxo xoxo xoxo"},
            {KICK: "X.x. .... ..X. ....", SNARE: ".... X..o .o.. X..o", RIDE: "x.x. x.x. x.x. x.x."},
        ),
        bass=("R... .... ..r. ....", "R... ..r. ..r. ..o.", "h"),
        comp=("h... .... .... ....",),
        keys=(89, 50, 95),
        basses=(38, 39),
        jitter_ms=2.0,
        chord_bars=(2, 4),
    ),
    "waltz": Style(
        (84, 190),
        meter="3/4",
        division=2,
        drums=(
            {KICK: "X. .. ..", SNARE: ".. x. x.", HAT: "x. x. x."},
            {KICK: "X. .. ..", RIDE: "x. xx x.", PEDAL: ".. x. .."},
            {},
        ),
        bass=("R. .. ..", "R. .. f."),
        comp=(".. x. x.", "h. x. x."),
        melody=0.9,
        keys=(0, 21, 24, 48),
        basses=(32, 43, 33),
        leads=(40, 73, 68, 21),
    ),
    "sixeight": Style(
        (44, 76),
        meter="6/8",
        division=6,
        drums=(
            {KICK: "X..... ......", SNARE: "...... X.....", HAT: "x.x.x. x.x.x."},
            {KICK: "X..... ....x.", SNARE: "...... X.....", RIDE: "X.x.x. x.x.x."},
            {},
        ),
        bass=("R..... R.....", "R...r. R...f.", "R..... f....."),
        comp=("x.x.x. x.x.x.", "h..... h.....", "h..... ......"),
        arpeggio="x.x.x. x.x.x.",
        melody=0.8,
    ),
    "swing": Style(
        (112, 216),
        division=3,
        drums=(
            {RIDE: "X.. x.x X.. x.x", PEDAL: "... x.. ... x..", KICK: "o.. o.. o.. o.."},
            {RIDE: "X.. x.x X.. x.x", PEDAL: "... x.. ... x..", SNARE: "... ..o ... o.o", KICK: "o.. ... ..o ..."},
        ),
        bass=("R.. f.. o.. a..", "R.. r.. f.. a.."),
        comp=("x.. ..x ... ...", "... ..x ... ..x", "..x ... ..x ..."),
        melody=0.8,
        keys=(0, 26, 4),
        basses=(32, 32, 35),
        leads=(65, 66, 56, 11),
        jitter_ms=7.0,
    ),
    "reggae": Style(
        (64, 82),
        drums=(
            {KICK: ".... .... X... ....", STICK: ".... .... X... ....", HAT: "x.xo x.x. x.xo x.x."},
            {KICK: "X... .... X... ....", SNARE: ".... .... X... ....", HAT: "x.x. x.x. x.x. x.x."},
        ),
        bass=("R... ..r. f.r. ....", "r..r ..r. ..f. r..."),
        comp=("..X. ..X. ..X. ..X.", "..Xx ..Xx ..Xx ..Xx"),
        keys=(27, 16, 0),
    ),
    "ballad": Style(
        (58, 80),
        drums=(
            {KICK: "X... .... X... ....", STICK: ".... X... .... X...", HAT: ROCK_HATS},
            {KICK: "X... ...x X... ....", SNARE: ".... X... .... X...", HAT: "xoxo xoxo xoxo xoxo"},
        ),
        bass=("R... .... r... ..a.", "R... ...r R... ...."),
        comp=("h... .... .... ....", "h... x... h... x..."),
        arpeggio="x.x. x.x. x.x. x.x.",
        melody=0.9,
    ),
    "funk": Style(
        (94, 116),
        drums=(
            {KICK: "X..x ...x ..x. .x..", SNARE: ".... X..o .o.. X..o", HAT: "xxxx xxxx xxxx xxxx"},
            {KICK: "X.x. ...x ..X. ....", SNARE: "...o X..o .o.o X...", HAT: "x.xo x.xx x.xo x.x."},
        ),
        bass=("R..r ..o. .r.. f.o.", "R.ro ...r ..r. oo.."),
        comp=("..x. .x.. ..x. .xx.", "x..x ..x. .x.. x..."),
        keys=(27, 4, 7),
        basses=(36, 37, 33),
    ),
    "hiphop": Style(
        (78, 98),
        drums=(
            {KICK: "X... ..x. .xX. ....", SNARE: ".... X... .... X...", HAT: ROCK_HATS},
            {KICK: "X..x .... ..X. ...x", CLAP: ".... X... .... X...", HAT: "xxxx xxxx xxxx xxxx"},
        ),
        bass=("R... ..r. .rr. ....", "R..r .... ..r. ...r"),
        comp=("h... .... .... ....", "x... ..x. .... x..."),
        keys=(4, 0, 88),
        basses=(38, 33),
        melody=0.4,
        chord_bars=(1, 2),
    ),
    "breakdown": Style(
        (120, 142),
        drums=(
            {
                KICK: "X... X... X... X...",
                CLAP: ".... X... .... X...",
                OPEN: "..x. ..x. ..x. ..x.",
                HAT: "xoxo xoxo xoxo xoxo",
            },
        ),
        bass=("..r. ..r. ..r. ..r.", "r..r ..r. .r.. r.o."),
        comp=("x..x ..x. .x.. x.x.", "x.x. x.x. x.x. x.x."),
        arpeggio="x.x. x.x. x.x. x.x.",
        keys=(81, 4, 88),
        basses=(38, 39),
        jitter_ms=1.0,
        shape="breakdown",
    ),
    "ramp": Style(
        (84, 120),
        drums=(
            {KICK: "X... .... X.x. ....", SNARE: ".... X... .... X...", HAT: ROCK_HATS},
            {KICK: "X... X... X... X...", SNARE: ".... X... .... X...", OPEN: "..x. ..x. ..x. ..x."},
        ),
        bass=("R.r. r.r. r.r. r.r.", "R... ..r. R.f. r..."),
        comp=("X... x... X... x...", "X.x. x.x. X.x. x.x."),
        shape="ramp",
    ),
    "nodrums": Style(
        (72, 132),
        bass=("R... .... r... ....", "R... r... f... r...", "R... .... .... ...."),
        comp=("h... x... x... x...", "x... x... x... x...", "h... ..h. .... ...."),
        arpeggio="x.x. x.x. x.x. x.x.",
        melody=0.9,
        keys=(0, 24, 46, 48, 6),
        basses=(32, 42, 0),
        leads=(73, 40, 68, 71),
    ),
    "rubato": Style(
        (50, 90),
        bass=("R... .... .... ....",),
        comp=("h... .... h... ....",),
        arpeggio="x.x. x.x. x.x. x.x.",
        melody=0.8,
        keys=(0, 46, 48),
        basses=(0, 42),
        leads=(0, 73, 40),
        shape="rubato",
        jitter_ms=15,
    ),
    # Never tuned on:
    "techno": Style(
        (128, 138),
        drums=(
            {
                KICK: "X... X... X... X...",
                HAT: "..x. ..x. ..x. ..x.",
                TOM_LOW: "...o ..o. ...o .o..",
                RIDE: ".... .... x... ....",
            },
        ),
        bass=(".rrr .rrr .rrr .rrr", "..r. ..r. ..r. ..r."),
        comp=("...x ..x. ...x ..x.",),
        melody=0.1,
        keys=(81, 62, 90),
        basses=(38, 39),
        jitter_ms=0.5,
        chord_bars=(4,),
    ),
    "bossa": Style(
        (112, 144),
        division=2,
        drums=({KICK: "X. .x x. .x", STICK: "x. .x .. x.", SHAKER: "xo xo xo xo"},),
        bass=("R. .f f. .r",),
        comp=("x. .x .x ..", ".x .x x. .x"),
        melody=0.8,
        keys=(24, 0),
        basses=(32,),
        leads=(73, 66, 11),
    ),
    "shuffle": Style(
        (78, 132),
        division=3,
        drums=(
            {KICK: "X.. ..x X.. ...", SNARE: "... X.. ... X..", HAT: "x.x x.x x.x x.x"},
            {KICK: "X.. x.. X.. x..", SNARE: "... X.. ... X.x", RIDE: "x.x x.x x.x x.x"},
        ),
        bass=("R.r f.f o.o f.f", "R.. f.. o.. f.."),
        comp=("x.x x.x x.x x.x", "... x.. ... x.."),
        keys=(26, 16, 0),
        leads=(22, 27, 65),
    ),
    "country": Style(
        (96, 126),
        drums=(
            {KICK: "X... .... X... ....", SNARE: "ooxo ooXo ooxo ooXo"},
            {KICK: "X... .... X... ....", SNARE: ".... X... .... X...", HAT: ROCK_HATS},
        ),
        bass=("R... .... f... ....",),
        comp=(".... x... .... x...", "..x. x.x. ..x. x.x."),
        melody=0.8,
        keys=(25, 24, 0),
        basses=(32, 33),
        leads=(40, 22, 25),
    ),
    "punk": Style(
        (150, 204),
        drums=(
            {KICK: "X... ..x. X... ....", SNARE: ".... X... .... X...", HAT: ROCK_HATS},
            {KICK: "X... ..X. ..X. ....", SNARE: ".... X... .... X...", CRASH: "x... x... x... x..."},
        ),
        bass=("R.r. r.r. r.r. r.r.",),
        comp=("X.x. x.x. X.x. x.x.",),
        keys=(29, 30),
        basses=(34,),
        leads=(30, 52),
        jitter_ms=8,
    ),
    "minuet": Style(
        (96, 150),
        meter="3/4",
        division=2,
        bass=("R. .. ..", "R. r. f.", "R. f. o."),
        comp=("x. x. x.", ".. x. x.", "h. .. .."),
        arpeggio="xx xx xx",
        melody=1.0,
        keys=(6, 48, 0),
        basses=(42, 6, 70),
        leads=(40, 73, 68, 6),
    ),
}
UNSEEN = ("techno", "bossa", "shuffle", "country", "punk", "minuet")

#: For tuning alone, so that it hears more than the styles it is measured on.
MORE_STYLES: dict[str, Style] = {
    "metal": Style(
        (100, 180),
        drums=(
            {KICK: "XxXx XxXx XxXx XxXx", SNARE: ".... X... .... X...", CRASH: "x... x... x... x..."},
            {KICK: "X.xx X.xx X.xx X.xx", SNARE: ".... .... X... ....", RIDE: "x... x... x... x..."},
            {KICK: "X..x ..x. X..x ..x.", SNARE: ".... X... .... X...", HAT: "x... x... x... x..."},
        ),
        bass=("R.rr r.rr r.rr r.rr", "R... r... r... r..."),
        comp=("X.xx X.xx X.xx X.xx", "X..x ..x. X..x ..x."),
        keys=(29, 30),
        basses=(34,),
        leads=(30,),
        melody=0.3,
        kits=(0, 8, 16),
    ),
    "disco": Style(
        (108, 128),
        drums=(
            {KICK: "X... X... X... X...", SNARE: ".... X... .... X...", HAT: "x.X. x.X. x.X. x.X."},
            {KICK: "X... X... X... X...", CLAP: ".... X... .... X...", OPEN: "..X. ..X. ..X. ..X."},
        ),
        bass=("R.o. R.o. R.o. R.o.", "R..r ..o. R..r ..o."),
        comp=("..x. .x.. ..x. .x..", "h... .... h... ....", "x..x ..x. x..x ..x."),
        keys=(4, 48, 27),
    ),
    "samba": Style(
        (92, 120),
        drums=({KICK: "x..x X..x x..x X..x", SHAKER: "Xoox Xoox Xoox Xoox", STICK: "x.x. .x.x .x.x .xx."},),
        bass=("R..r f..f R..r f..f",),
        comp=("x.x. .x.x .x.x .xx.", ".x.x x.x. x.xx .x.x"),
        melody=0.8,
        keys=(24, 25, 0),
        basses=(32, 33),
        leads=(73, 66),
    ),
    "salsa": Style(
        (84, 112),
        drums=(
            {STICK: "x..x ..x. ..x. x...", KICK: "...x ..x. ...x ..x.", TAMBOURINE: "x.x. x.x. x.x. x.x."},
            {STICK: "..x. x... x..x ..x.", SHAKER: "x.xx x.xx x.xx x.xx", TOM_HIGH: ".... .... .... x.x."},
        ),
        bass=("R..r ..f. ...r ..f.", "...r ..f. ...r ..f."),
        comp=("x.xx .x.x .x.x .x.x", "x..x ..x. x..x ..x."),
        keys=(0,),
        basses=(32, 33),
        leads=(56, 57, 73),
    ),
    "trap": Style(
        (66, 80),
        drums=(
            {KICK: "X... .... ..x. .x..", SNARE: ".... X... .... X...", HAT: "xxxx xxxx xxxx xxxx"},
            {KICK: "X..x .... ..X. ....", CLAP: ".... X... .... X...", HAT: "x.x. x.xx x.x. xxxx"},
        ),
        bass=("R... .... ..r. .r..", "R..r .... ..r. ...."),
        comp=("h... .... .... ....", "x.x. x.x. x.x. x.x."),
        keys=(88, 10, 0),
        basses=(38, 39),
        kits=(25, 24),
        jitter_ms=0.5,
    ),
    "polka": Style(
        (104, 130),
        division=2,
        drums=({KICK: "X. .. X. ..", SNARE: ".x .x .x .x"}, {KICK: "X. X. X. X.", SNARE: ".x .x .x .x"}),
        bass=("R. f. R. f.",),
        comp=(".x .x .x .x",),
        melody=0.9,
        keys=(21, 25, 22),
        basses=(58, 32),
        leads=(21, 71, 56),
        chord_bars=(1, 2),
    ),
    "jazzwaltz": Style(
        (110, 190),
        meter="3/4",
        division=3,
        drums=(
            {RIDE: "X.. x.x x..", PEDAL: "... x.. ...", KICK: "x.. ... ..o"},
            {RIDE: "X.. x.. x.x", PEDAL: "... x.. x..", SNARE: "... ..o ..."},
        ),
        bass=("R.. ... ...", "R.. f.. o..", "R.. ..f ..."),
        comp=("x.. ..x ...", "... x.. x..", "..x ... ..x"),
        melody=0.8,
        keys=(0, 26),
        basses=(32,),
        leads=(65, 11, 66),
        kits=(32, 40),
        jitter_ms=7,
    ),
    "slowwaltz": Style(
        (76, 100),
        meter="3/4",
        division=2,
        drums=({}, {RIDE: "x. x. x.", KICK: "o. .. .."}, {HAT: "x. x. x.", STICK: ".. x. x."}),
        bass=("R. .. ..", "R. r. f."),
        comp=(".. x. x.", "h. .. ..", "x. x. x."),
        arpeggio="xx xx xx",
        melody=1.0,
        keys=(0, 48, 24),
        basses=(32, 43),
        leads=(40, 48, 68, 71),
    ),
    "jig": Style(
        (96, 128),
        meter="6/8",
        division=6,
        drums=({KICK: "X..... x.....", TAMBOURINE: "x.o.x. x.o.x."}, {}),
        bass=("R..... R.....", "R...f. R...f."),
        comp=("x...x. x...x.", "x.x.x. x.x.x."),
        arpeggio="x.x.x. x.x.x.",
        melody=1.0,
        keys=(25, 24, 21),
        basses=(32, 43),
        leads=(40, 72, 73, 21),
    ),
    "march": Style(
        (104, 126),
        drums=(
            {KICK: "X... X... X... X...", SNARE: "x.oo x.oo x.oo xxxx"},
            {KICK: "X... .... X... ....", SNARE: "..x. ..x. ..x. ..x."},
        ),
        bass=("R... f... R... f...",),
        comp=("..x. ..x. ..x. ..x.", "x... x... x... x..."),
        melody=0.9,
        keys=(61, 60),
        basses=(58,),
        leads=(56, 71, 72),
        kits=(48, 0),
    ),
    "motown": Style(
        (100, 134),
        drums=(
            {KICK: "X... ..x. X.x. ....", SNARE: "X... X... X... X...", TAMBOURINE: "..x. ..x. ..x. ..x."},
            {KICK: "X.x. .... X.x. ....", SNARE: ".... X... .... X...", TAMBOURINE: ".... X... .... X..."},
        ),
        bass=("R..r ..r. f.r. o.r.", "R.r. ..f. r..r f.a."),
        comp=(".... x... .... x...", "x... x... x... x..."),
        keys=(4, 0, 27),
        basses=(33,),
        leads=(56, 65, 52),
        kits=(8, 0),
    ),
    "halftime": Style(
        (120, 150),
        drums=(
            {KICK: "X... .... ..x. ....", SNARE: ".... .... X... ....", HAT: "x... x... x... x..."},
            {KICK: "X... ..x. .... ..x.", SNARE: ".... .... X... ....", HAT: ROCK_HATS},
        ),
        bass=("R... .... ..r. ....", "R.r. r.r. r.r. r.r."),
        comp=("h... .... .... ....", "X... x... X... x..."),
        keys=(29, 81, 4),
        chord_bars=(1, 2),
    ),
    "folk": Style(
        (84, 150),
        division=2,
        drums=({}, {SHAKER: "xo xo xo xo"}),
        bass=("R. f. R. f.", "R. .. f. .."),
        comp=(".. x. .. x.", "x. xx .x xx", "x. x. x. x."),
        arpeggio="xx xx xx xx",
        melody=0.9,
        keys=(24, 25, 15),
        leads=(40, 73, 22),
    ),
}

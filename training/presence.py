"""Ask, on real multitracks, whether drums and a voice that play are heard, and those that do not play are not.

    python -m training.presence PATH [PATH ...] --reason TEXT [--log FILE]

Each multitrack is judged whole, without drums, without vocals, and with vocals at 20, 14 and 6 dB below the rest. The
use is appended to a log (default: ``training/presence_log.md``).
"""

import argparse
import datetime
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from mirkit.separation import Presence, survey
from training.material import STEMS, Sound
from training.multitracks import blocks_of, commit, find, read_track

LOG = Path(__file__).with_name("presence_log.md")
#: Levels of the vocals beside the rest in dB.
LEVELS = (-20, -14, -6)
_DRUMS, _VOCALS = STEMS.index("drums"), STEMS.index("vocals")


def judge(mix: Sound) -> Presence:
    """Survey a mix, shape=(2, n)."""
    return survey(partial(blocks_of, mix)(), len(mix))


def versions(stems: Sound) -> Iterator[tuple[str, Sound, bool, bool]]:
    """Yield names of mixes of stems, shape=(4, 2, n), the mixes, and whether drums and a voice play in them."""
    drums, vocals = (bool(stems[i].any()) for i in (_DRUMS, _VOCALS))
    yield "whole", stems.sum(axis=0), drums, vocals
    if drums:
        yield "without drums", np.delete(stems, _DRUMS, axis=0).sum(axis=0), False, vocals
    rest = np.delete(stems, _VOCALS, axis=0).sum(axis=0)
    if vocals:
        yield "without vocals", rest, drums, False
        for level in LEVELS:
            gain = 10 ** (level / 20) * np.sqrt(np.square(rest).mean() / np.square(stems[_VOCALS]).mean())
            yield f"vocals at {level} dB", rest + np.float32(gain) * stems[_VOCALS], drums, True


def main() -> None:
    """Judge, append to the log, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", type=Path, nargs="+", metavar="PATH")
    parser.add_argument("--reason", required=True, help="why the real multitracks are used, for the log")
    parser.add_argument("--log", type=Path, default=LOG)
    arguments = parser.parse_args()
    counts: dict[str, list[int]] = {}
    lines = []
    for folder in find(arguments.paths):
        for name, mix, drums, voice in versions(read_track(folder).stems):
            found = judge(mix)
            heard = "" if found.voice is None else f"{found.voice:.2f}"
            right = (found.no_drums != drums, found.no_voice != voice)
            lines.append(f"{folder.name:28} {name:18} {found.drums_db:7.1f} {heard:>7}   {right[0]!s:5} {right[1]!s:5}")
            for what, is_right in zip(("drums", "voice"), right, strict=True):
                count = counts.setdefault(f"{what}, {name}", [0, 0])
                count[0] += is_right
                count[1] += 1
    summary = "; ".join(f"{name}: {right} of {count} right" for name, (right, count) in counts.items())
    with arguments.log.open("a", encoding="utf-8") as file:
        why = " ".join(arguments.reason.split())
        file.write(f"* {datetime.date.today().isoformat()}, {commit()}, presence, {why}: {summary}\n")
    print(f"{'':28} {'':18} {'drums dB':>7} {'voice':>7}   right: drums, voice")
    print("\n".join(lines))
    print(summary)


if __name__ == "__main__":
    main()

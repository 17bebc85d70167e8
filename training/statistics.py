"""Compare rendered mixes with real songs: spectra, levels, width and density of the stems, crest factor of the mix.

    python -m training.statistics [--count 100] [--data FOLDER] [--cache FOLDER]

prints a table in Markdown: the median of the windows of the songs of training (CC0), and median and 10th to 90th
percentile of renderings without windows of songs. The settings of `training.render` are chosen by it.
"""

import argparse
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.fft

from training.material import RATE, STEMS, MaterialError, Sound, add_data_argument
from training.render import mix, sources

#: Centers of octaves in Hz.
OCTAVES = (31.5, 63, 125, 250, 500, 1000, 2000, 4000, 8000, 16000)
#: Edges, in Hz, of the bands in which the width is measured.
WIDTH_BANDS = {"below 300 Hz": (0, 300), "300 to 3000 Hz": (300, 3000), "above 3000 Hz": (3000, RATE / 2)}
_SILENT = 1e-4
_FRAME = int(0.05 * RATE)

#: Values by the name of the stem, or "mix", and the name of the statistic.
Rows = dict[tuple[str, str], list[float]]


def decibels(ratio: float) -> float:
    """Return a ratio of powers in dB."""
    return 10 * float(np.log10(max(ratio, 1e-10)))


def of_sound(stereo: Sound) -> dict[str, float]:
    """Return the statistics of one stem, shape=(2, n).

    The spectrum is the power of each octave relative to all, in dB; the width is the power of the difference of the
    channels relative to that of the sum and the difference, in percent; the density is the share of frames of 50 ms
    that are at most 25 dB below the 95th percentile, in percent.
    """
    spectra = np.abs(scipy.fft.rfft(np.stack((stereo.sum(axis=0), stereo[0] - stereo[1])) / 2)) ** 2
    hertz = np.fft.rfftfreq(stereo.shape[1], 1 / RATE)
    power = spectra.sum(axis=0)
    found = {}
    for center in OCTAVES:
        inside = (hertz >= center / np.sqrt(2)) & (hertz < center * np.sqrt(2))
        found[f"{center:g} Hz, dB"] = decibels(power[inside].sum() / power.sum())
    for name, (low, high) in WIDTH_BANDS.items():
        inside = (hertz >= low) & (hertz < high)
        found[f"width {name}, %"] = 100 * float(spectra[1, inside].sum() / (power[inside].sum() + 1e-12))
    frames = np.square(stereo[:, : stereo.shape[1] // _FRAME * _FRAME]).mean(axis=0).reshape(-1, _FRAME).mean(axis=1)
    found["density, %"] = 100 * float(np.mean(frames > 10**-2.5 * np.percentile(frames, 95)))
    return found


def of_mixes(mixes: Iterable[Sound]) -> Rows:
    """Return the statistics of mixes, each as its stems, shape=(4, 2, n). Levels count where three stems sound."""
    rows: Rows = {}
    for stems in mixes:
        total = stems.sum(axis=0)
        power = float(np.square(total).mean())
        if power < _SILENT**2:
            continue
        sounding = [i for i in range(len(STEMS)) if np.square(stems[i]).mean() > _SILENT**2]
        for i in sounding:
            found = of_sound(stems[i])
            if len(sounding) >= 3:
                found["level in the mix, dB"] = decibels(float(np.square(stems[i]).mean()) / power)
            for name, value in found.items():
                rows.setdefault((STEMS[i], name), []).append(value)
        if len(sounding) >= 3:
            crest = decibels(float(np.square(total).max()) / power)
            rows.setdefault(("mix", "crest factor, dB"), []).append(crest)
            for name, value in of_sound(total).items():
                rows.setdefault(("mix", name), []).append(value)
    return rows


def table(songs: Rows, renderings: Rows) -> str:
    """Return the comparison as a table in Markdown: in each cell the songs, the renderings, and their range."""
    columns = (*STEMS, "mix")
    names = list(dict.fromkeys(name for _, name in (*renderings, *songs)))
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for name in names:
        cells = []
        for stem in columns:
            real, made = songs.get((stem, name)), renderings.get((stem, name))
            left = f"{np.median(real):.0f}" if real else "-"
            low, middle, high = np.percentile(made, (10, 50, 90)) if made else (np.nan,) * 3
            right = f"**{middle:.0f}** ({low:.0f} to {high:.0f})" if made else "-"
            cells.append(f"{left} / {right}" if real or made else "")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100, help="number of renderings")
    parser.add_argument("--cache", type=Path, help="folder of notes of soundfonts")
    add_data_argument(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            source, lines = sources(arguments.data, False, arguments.cache or Path(scratch))
        except (MaterialError, FileNotFoundError) as error:
            raise SystemExit(f"training.statistics: {error}") from None
        songs = [np.stack([stems[stem] for stem in STEMS]) for stems in source.songs.values()]
        played = replace(source, songs={})
        renderings = of_mixes(mix(number, played)[1] for number in range(arguments.count))
    print(f"{len(songs)} windows of songs, {arguments.count} renderings; songs / **renderings** (10 to 90 %)\n")
    print(table(of_mixes(songs), renderings))
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main()

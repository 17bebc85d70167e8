"""Plots of real output for the pages of features: the demo set, measured with the embedded methods.

The demo set is made and measured once, in ``tutorials/demo``, where the notebook uses it too. Plots that exist are not
drawn again. Everything has fixed seeds, so each build draws the same.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
import numpy as np

import mirkit
from mirkit.catalog import PITCH_CLASSES, feature
from mirkit.track import Track, find_tracks

DOCS = Path(__file__).resolve().parents[1]
DEMO = DOCS / "tutorials" / "demo"
PLOTS = DOCS / "reference" / "features" / "plots"

#: A color for each piece, and for each stem; they can be told apart on white, on black, and by color-blind readers.
PIECES = {"Last Tram": "#d55e00", "Home by Nine": "#0072b2", "Three Chairs": "#009e73", "Inland Fog": "#a56aa0"}
STEMS = {"drums": "#d55e00", "bass": "#0072b2", "other": "#009e73", "vocals": "#a56aa0"}
GRAY = "#808080"
SLICES = 8

mpl.rcParams.update(
    {
        "svg.hashsalt": "mirkit",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 9,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.facecolor": "none",
        "text.color": GRAY,
        "axes.edgecolor": GRAY,
        "axes.labelcolor": GRAY,
        "xtick.color": GRAY,
        "ytick.color": GRAY,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "figure.constrained_layout.use": True,
    }
)

Plot = Callable[[Mapping[str, Track]], Any]
_PLOTS: dict[str, Plot] = {}


def plot(function: Plot) -> Plot:
    """Register a function that draws the plot of its name."""
    _PLOTS[function.__name__] = function
    return function


def demo_tracks() -> dict[str, Track]:
    """Return the tracks of the demo set by title; make and measure it if it is not there."""
    if not (DEMO / "complete").exists():
        DEMO.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {"MIRKIT_OFFLINE": "1", "MIRKIT_CONFIG": str(DEMO / "no-settings.toml")}
        for words in (["demo", str(DEMO)], ["crop", str(DEMO), "--seconds", "6", "--quiet"]):
            # The demo ends with status 1 where a value differs from the truth, which the pages may show.
            command = [sys.executable, "-m", "mirkit", *words]
            done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
            if done.returncode not in (0, 1):
                raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        (DEMO / "complete").touch()
    tracks = {track.folder.name.split(" - ")[-1]: track for track in find_tracks(DEMO)}
    return {title: tracks[title] for title in PIECES}


def info(track: Track) -> dict[str, Any]:
    """Return the values of a track or clip."""
    return dict(json.loads(track.info.read_text(encoding="utf-8")))


def curves(track: Track) -> Any:
    """Return the feature series of a track: a mapping of names to arrays."""
    return np.load(track.feature_series)


def save(figure: Any, name: str) -> None:
    """Write a figure, without the date that would make each build another one."""
    figure.savefig(PLOTS / f"{name}.svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)


def draw_all() -> None:
    """Draw the plots that are missing."""
    PLOTS.mkdir(exist_ok=True)
    missing = [name for name in _PLOTS if not (PLOTS / f"{name}.svg").exists()]
    if missing or not (PLOTS / "values.json").exists():
        tracks = demo_tracks()
        for name in missing:
            save(_PLOTS[name](tracks), name)
        _write_values(tracks)


def _write_values(tracks: Mapping[str, Track]) -> None:
    """Write the values of the pieces and of their slices, of which the directive ``feature`` draws the small plots."""
    values = {}
    for title, track in tracks.items():
        known = mirkit.WindowAnalyzer.open(track.folder)
        slices = known.slices(SLICES, samples=True)
        reasons = known.at(0, known.duration, samples=True).reasons
        values[title] = {"whole": info(track), "slices": slices.values, "reasons": reasons}
    (PLOTS / "values.json").write_text(json.dumps(values), encoding="utf-8")


def strip(name: str) -> str:
    """Return a small plot of one feature as SVG: the four pieces, and eight slices of each; without any value, why."""
    rows = json.loads((PLOTS / "values.json").read_text(encoding="utf-8"))
    known = [
        v for row in rows.values() for v in (row["whole"].get(name), *row["slices"].get(name, ())) if v is not None
    ]
    if not known:
        reasons = {row["reasons"][name] for row in rows.values() if name in row["reasons"]}
        why = escape("; ".join(sorted(reasons)))
        return f'<p class="feature-none">The demo pieces have no value: {why}.</p>' if why else ""
    low, high = min(known), max(known)
    width = (high - low) or 1.0
    left, right, step = 105, 560, 18
    parts: list[str] = []
    texts: list[str] = []
    for at, (title, row) in enumerate(rows.items()):
        y = 12 + at * step
        value = row["whole"].get(name)
        shown = f"{value:.4g}" if value is not None else f"null: {row['reasons'].get(name, 'unknown')}"
        texts.append(f"{title} {shown}")
        parts.append(f'<text x="0" y="{y + 4}">{title}</text>')
        parts.append(f'<line x1="{left}" y1="{y}" x2="{right}" y2="{y}" stroke="currentColor" opacity=".2"/>')
        for each in row["slices"].get(name, ()):
            if each is not None:
                x = left + (each - low) / width * (right - left)
                parts.append(f'<circle cx="{x:.1f}" cy="{y}" r="2.5" fill="{PIECES[title]}" opacity=".45"/>')
        if value is not None:
            x = left + (value - low) / width * (right - left)
            parts.append(f'<circle cx="{x:.1f}" cy="{y}" r="5.5" fill="{PIECES[title]}"/>')
        parts.append(f'<text x="{right + 12}" y="{y + 4}">{escape(shown)}</text>')
    y = 12 + len(rows) * step
    parts.append(f'<text x="{left}" y="{y + 2}" class="axis">{low:.4g}</text>')
    parts.append(f'<text x="{right}" y="{y + 2}" class="axis" text-anchor="end">{high:.4g}</text>')
    label = escape(f"{name}: {'; '.join(texts)}", quote=True)
    return (
        f'<svg class="feature-strip" role="img" aria-label="{label}" viewBox="0 0 720 {y + 6}">{"".join(parts)}</svg>'
    )


def _axes(rows: int = 1, columns: int = 1, height: float = 2.2, **options: Any) -> Any:
    return plt.subplots(rows, columns, figsize=(7.2, height), squeeze=False, **options)


@plot
def tempo(tracks: Mapping[str, Track]) -> Any:
    """Tempo of each interval between two beats."""
    figure, ((axis,),) = _axes()
    for title in ("Last Tram", "Home by Nine", "Three Chairs"):
        values = info(tracks[title])
        beats = np.array(json.loads(tracks[title].grid.read_text(encoding="utf-8"))["beats"])
        label = f"{title}: {values['bpm']:.2f} BPM, regularity {1000 * values['beat_regularity']:.2f} ms"
        axis.plot(beats[1:], 60 / np.diff(beats), ".", color=PIECES[title], ms=4, label=label)
        axis.axhline(values["bpm"], color=PIECES[title], lw=0.8)
    axis.set(xlabel="time (s)", ylabel="tempo (BPM)", ylim=(80, 240))
    axis.legend(loc="upper left", ncols=1, fontsize=8)
    return figure


@plot
def onsets(tracks: Mapping[str, Track]) -> Any:
    """Onsets and their strengths."""
    figure, ((axis,),) = _axes()
    series, values = curves(tracks["Last Tram"]), info(tracks["Last Tram"])
    times, strengths = series["full_mix/onsets/times"], series["full_mix/onsets/strengths"]
    part = times < 10
    axis.vlines(times[part], 0, strengths[part], color=PIECES["Last Tram"], lw=1.2)
    mean, deviation = values["onset_strength_mean"], values["onset_strength_std"]
    axis.axhline(mean, color=GRAY, lw=1)
    axis.axhspan(mean - deviation, mean + deviation, color=GRAY, alpha=0.15, lw=0)
    text = f"Last Tram: {values['onset_density']:.2f} onsets/s; strength {mean:.1f} ± {deviation:.1f} dB"
    axis.set(xlabel="time (s)", ylabel="strength (dB)", title=text, xlim=(0, 10))
    return figure


def _phases(track: Track, times: Any) -> Any:
    beats = np.array(json.loads(track.grid.read_text(encoding="utf-8"))["beats"])
    inside = times[(times >= beats[0]) & (times < beats[-1])]
    return np.interp(inside, beats, np.arange(len(beats))) % 1


@plot
def syncopation(tracks: Mapping[str, Track]) -> Any:
    """Positions of the onsets within the beat, by layer."""
    figure, (axes,) = _axes(1, 3, sharey=True)
    for axis, title in zip(axes, ("Last Tram", "Home by Nine", "Three Chairs"), strict=True):
        series = curves(tracks[title])
        for height, layer in enumerate(("low", "middle", "high")):
            phases = _phases(tracks[title], series[f"full_mix/layers/{layer}"])
            spread = np.random.default_rng(0).uniform(-0.3, 0.3, len(phases))
            axis.plot(phases, height + spread, ".", color=PIECES[title], ms=2.5)
        axis.set(xticks=[0, 0.25, 0.5, 0.75, 1], yticks=[0, 1, 2], yticklabels=["low", "middle", "high"])
        axis.set(xlabel="position in the beat", title=f"{title}: {info(tracks[title])['syncopation']:.2f}")
    return figure


@plot
def intervals(tracks: Mapping[str, Track]) -> Any:
    """Histogram of the intervals in the bins of the entropy."""
    figure, (axes,) = _axes(1, 2, sharey=True)
    for axis, title in zip(axes, ("Last Tram", "Three Chairs"), strict=True):
        values = info(tracks[title])
        lengths = np.diff(curves(tracks[title])["full_mix/onsets/times"]) * values["bpm"] / 60
        steps = np.clip(np.round(3 * np.log2(lengths)), -15, 8)
        shares = [np.mean(steps == k) for k in range(-15, 9)]
        axis.bar(range(-15, 9), shares, color=PIECES[title])
        axis.set(xticks=[-12, -9, -6, -3, 0, 3, 6], xticklabels=["1/16", "1/8", "1/4", "1/2", "1", "2", "4"])
        text = f"complexity {values['rhythmic_complexity']:.2f}, evenness {values['rhythmic_evenness']:.2f}"
        axis.set(xlabel="interval (beats)", title=f"{title}\n{text}")
    axes[0].set(ylabel="share")
    return figure


@plot
def stem_onsets(tracks: Mapping[str, Track]) -> Any:
    """Onsets of three stems, in windows of 4 s."""
    figure, ((axis,),) = _axes()
    series, values = curves(tracks["Home by Nine"]), info(tracks["Home by Nine"])
    times, shares = series["full_mix/stem_onsets/times"], series["full_mix/stem_onsets/probabilities"]
    for column, stem in enumerate(("bass", "drums", "other")):
        own = times[shares[:, column] >= 0.5]
        starts = np.arange(0, times[-1] - 4, 2.0)
        rates = [np.sum((own >= start) & (own < start + 4)) / 4 for start in starts]
        density = values[f"onset_density_average_{stem}"]
        text = f"{stem}: " + ("null" if density is None else f"average {density:.2f}")
        axis.step(starts + 2, rates, where="mid", color=STEMS[stem], label=text)
    axis.set(xlabel="time (s)", ylabel="onsets per second", title="Home by Nine, windows of 4 s", ylim=(0, None))
    axis.legend(fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.25))
    return figure


@plot
def loudness(tracks: Mapping[str, Track]) -> Any:
    """Short-term loudness, integrated loudness and the range."""
    figure, (axes,) = _axes(1, 2, sharey=True)
    for axis, title in zip(axes, ("Home by Nine", "Inland Fog"), strict=True):
        values = info(tracks[title])
        energy = curves(tracks[title])["full_mix/loudness/energy"]
        short = -0.691 + 10 * np.log10(np.convolve(energy, np.ones(30) / 30, "valid") + 1e-12)
        axis.plot(1.5 + np.arange(len(short)) / 10, short, color=PIECES[title])
        axis.axhline(values["lufs"], color=GRAY, lw=1)
        low, high = np.percentile(short, (10, 95))
        axis.axhspan(low, high, color=GRAY, alpha=0.15, lw=0)
        axis.set(xlabel="time (s)", title=f"{title}: {values['lufs']:.1f} LUFS, range {values['lra']:.1f} LU")
    axes[0].set(ylabel="loudness (LUFS)", ylim=(-45, None))
    return figure


@plot
def spectrum(tracks: Mapping[str, Track]) -> Any:
    """Spectral shape over time."""
    names = ("flatness", "flux", "skewness", "kurtosis")
    figure, axes = _axes(2, 2, 3.6, sharex=True)
    for axis, name in zip(axes.flat, names, strict=True):
        for title in ("Last Tram", "Inland Fog"):
            series = curves(tracks[title])[f"full_mix/spectral/{name}"]
            smooth = np.convolve(series, np.ones(43) / 43, "valid")[::11]
            axis.plot(np.arange(len(smooth)) * 11 * 512 / 44100, smooth, color=PIECES[title], lw=1, label=title)
        axis.set(title=name)
        if name in ("flatness", "kurtosis"):
            axis.set_yscale("log")
    axes[0, 0].legend(fontsize=8)
    for axis in axes[1]:
        axis.set(xlabel="time (s)")
    return figure


@plot
def bands(tracks: Mapping[str, Track]) -> Any:
    """Level of the four bands over time."""
    figure, ((axis,),) = _axes()
    values = info(tracks["Last Tram"])
    energy = curves(tracks["Last Tram"])["full_mix/bands/energy"]
    times = np.arange(len(energy)) * 8192 / 44100
    for column, (band, color) in enumerate(zip(("bass", "body", "mid", "air"), STEMS.values(), strict=True)):
        level = 10 * np.log10(energy[:, column] / 8192 + 1e-12)
        axis.plot(times, level, color=color, lw=1, label=f"{band}: {values[f'rms_energy_{band}']:.1f} dB")
    axis.set(xlabel="time (s)", ylabel="level (dBFS)", title="Last Tram", ylim=(-80, 0))
    axis.legend(fontsize=8, ncols=4, loc="lower center")
    return figure


@plot
def chroma(tracks: Mapping[str, Track]) -> Any:
    """Chroma over time, and the values."""
    figure, (axes,) = _axes(1, 2, 2.6, sharey=True, width_ratios=(3, 1))
    title = "Last Tram"
    frames = curves(tracks[title])["tonal/chroma/chroma"].T / 255
    axes[0].imshow(
        frames,
        aspect="auto",
        origin="lower",
        cmap="magma",
        extent=(0, frames.shape[1] * 2048 / 44100, -0.5, 11.5),
        rasterized=True,
    )
    axes[0].set(xlabel="time (s)", yticks=range(12), yticklabels=PITCH_CLASSES, title=f"{title}, A minor")
    axes[1].barh(range(12), [info(tracks[title])[f"chroma_{i}"] for i in range(12)], color=PIECES[title])
    axes[1].set(xlim=(0, 1), xlabel="value")
    return figure


@plot
def movement(tracks: Mapping[str, Track]) -> Any:
    """Harmonic movement and variance in slices."""
    figure, (axes,) = _axes(1, 2, 2.6)
    for axis, name in zip(axes, ("harmonic_movement_other", "harmonic_variance_other"), strict=True):
        for title, track in tracks.items():
            slices = mirkit.WindowAnalyzer.open(track.folder).slices(SLICES)
            series = [np.nan if value is None else value for value in slices.values[name]]
            centers = np.array(slices.edges[:-1]) + np.diff(slices.edges) / 2
            axis.plot(centers, series, ".-", color=PIECES[title], lw=1, label=title)
        axis.set(xlabel="time (s)", title=name, ylim=(0, None))
    figure.legend(*axes[0].get_legend_handles_labels(), fontsize=8, ncols=4, loc="outside lower center")
    return figure


def _table(tracks: Mapping[str, Track], names: tuple[str, ...], limits: tuple[float, float] | None) -> Any:
    """Dots of the pieces for several features."""
    figure, ((axis,),) = _axes(height=0.7 + 0.28 * len(names))
    for title, track in tracks.items():
        values = info(track)
        shown = [(values[name], row) for row, name in enumerate(names) if values[name] is not None]
        axis.plot(*zip(*shown, strict=True), "o", color=PIECES[title], ms=6, label=title)
    axis.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5), xlim=limits)
    axis.grid(axis="y", color=GRAY, alpha=0.25, lw=0.5)
    axis.legend(fontsize=8, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1))
    return figure


@plot
def timbre(tracks: Mapping[str, Track]) -> Any:
    """The eight timbre values."""
    names = ("brightness", "roughness", "hardness", "depth", "booming", "reverberation", "sharpness", "warmth")
    return _table(tracks, names, (0, 100))


@plot
def classification(tracks: Mapping[str, Track]) -> Any:
    """Danceability and atonality."""
    return _table(tracks, ("danceability", "atonality"), (0, 1))


@plot
def descriptors(tracks: Mapping[str, Track]) -> Any:
    """Descriptors of the level."""
    figure, (axes,) = _axes(1, 3, 1.8)
    for axis, name in zip(axes, ("true_peak", "plr", "stereo_width"), strict=True):
        values = [info(track)[name] for track in tracks.values()]
        axis.barh(range(4), values, color=list(PIECES.values()))
        axis.set(yticks=range(4), yticklabels=list(tracks), ylim=(3.5, -0.5), title=f"{name} ({feature(name).unit})")
        if axis is not axes[0]:
            axis.set(yticklabels=[])
    return figure


@plot
def position(tracks: Mapping[str, Track]) -> Any:
    """Clips of a piece and their positions."""
    figure, ((axis,),) = _axes(height=1.8)
    track = tracks["Last Tram"]
    values = info(track)
    for row, clip in enumerate(sorted((track.folder / "crops").iterdir())):
        own = json.loads((clip / f"{clip.name}.INFO").read_text(encoding="utf-8"))
        start = own["position"] * values["duration_seconds"]
        axis.barh(row, own["duration_seconds"], left=start, color=PIECES["Last Tram"], alpha=0.7, height=0.7)
        axis.text(start + 0.2, row, f"{own['position']:.3f}", va="center", color=GRAY, fontsize=8)
    axis.set(
        xlabel="time (s)", ylabel="clip", ylim=(None, None), title="Last Tram, clips of 6 s from downbeats", yticks=[]
    )
    axis.invert_yaxis()
    return figure

"""What all features of a track cost on one core, beside the tools of the field on the same track, in one run.

``python benchmarks/extraction.py [--seconds 180] [--rounds 3] [--json FILE]``. Ours measures full mix and four stems
(FLAC, decode included, neural features not); Essentia's MusicExtractor, librosa's equivalents and timbral_models take
the full mix alone, timbral_models 30 s of it, scaled. Install that one by
``pip install --no-deps timbral_models==0.4.0``: it asks for a package that is gone.

Every measurement is a process of its own on one core, after a warm-up; the rounds alternate, and the ratio is the
median over rounds, because machines change their speed.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: CPU seconds of the modules that mirkit replaces, for a track of 180 s, in a run where MusicExtractor took 11.0.
ANCESTOR_SECONDS, ANCESTOR_EXTRACTOR = 312.0, 11.0
EXCERPT_SECONDS = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180.0, help="length of the track")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the numbers there")
    parser.add_argument("--only-ours", action="store_true", help="leave the other tools out")
    parser.add_argument("--child", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        what, folder = arguments.child
        _pin()
        print(json.dumps(CHILDREN[what](Path(folder)) | {"peak_mib": _peak_mib()}))
        return
    from tracks import make_track

    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp) / "track"
        origin = make_track(folder, arguments.seconds)
        make_track(Path(temp) / "warm", 12.0)
        others = [] if arguments.only_ours else ["essentia", "librosa"]
        runs: dict[str, list[dict[str, Any]]] = {}
        for _ in range(arguments.rounds):
            for what in ("ours", *others):
                runs.setdefault(what, []).append(_measured(what, folder))
        groups = _measured("groups", folder)
        if others:
            runs["timbral_models"] = [_measured("timbral", folder)]
    _print(arguments.seconds, origin, runs, groups)
    if arguments.json:
        machine = {"platform": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()}
        arguments.json.write_text(json.dumps({"machine": machine, "runs": runs, "groups": groups}, indent=1))


def _measured(what: str, folder: Path) -> dict[str, Any]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--child", what, str(folder)]
    done = subprocess.run(command, capture_output=True, env=environment, text=True)
    if done.returncode:
        print(f"{what}: not measured ({done.stderr.strip().splitlines()[-1]})", file=sys.stderr)
        return {"cpu_seconds": None}
    measured: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return measured


def _pin() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[0]})


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _cpu(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def ours(folder: Path) -> dict[str, Any]:
    """The pipeline's own path for the 78 features: decode, measure, reduce, write every file."""
    from mirkit.catalog import FEATURES, MEASURED, TASKS, with_needs
    from mirkit.pipeline.track_task import TrackJob, process
    from mirkit.store import Settings

    backends = dict.fromkeys(TASKS, "embedded") | {"aesthetics": ""}
    wanted = with_needs(tuple({spec.stage for spec in FEATURES} - {"crop"}))
    stages = tuple(stage for stage in MEASURED if stage in wanted)

    def extract(track: Path) -> None:
        for kept in track.glob("*.CURVES.npz"):
            kept.unlink()
        outcome = process(TrackJob(track, stages, backends, Settings(), overwrite=True))
        assert outcome.ok, outcome.failures

    extract(folder.parent / "warm")
    return {"cpu_seconds": _cpu(lambda: extract(folder))}


def groups(folder: Path) -> dict[str, Any]:
    """The same work a group at a time, on sound that is decoded already."""
    from mirkit.audio import open_audio
    from mirkit.catalog import STEMS
    from mirkit.features.extraction import BLOCK, measure
    from mirkit.features.rhythm.beats.track import track_beats

    parts = ("full_mix", *STEMS)
    sound: dict[str, Any] = {}

    def decode() -> None:
        for part in parts:
            sound[part] = list(open_audio(folder / f"{part}.flac", hold_seconds=0).blocks(BLOCK))

    seconds = {"decode 5 files": _cpu(decode)}
    curves: dict[Any, Any] = {}

    def group(*wanted: tuple[str, ...]) -> float:
        def work() -> None:
            for part, *families in wanted:
                sources = ("bass", "other", "vocals") if part == "tonal" else (part,)
                streams = {source: sound[source] for source in sources}
                found, _ = measure(streams, dict.fromkeys(sources, 2), {part: frozenset(families)}, {})
                curves.update(found)

        work()  # compiles
        return _cpu(work)

    seconds["onsets of 4 signals"] = group(*((p, "onset", "onsets") for p in ("full_mix", "drums", "bass", "other")))
    seconds["beats"] = _cpu(lambda: track_beats(curves["full_mix", "onset"], curves["drums", "onset"]))
    seconds["loudness of 5 signals"] = group(*((part, "loudness") for part in parts))
    seconds["spectral shape"] = group(("full_mix", "spectral"))
    seconds["band energy"] = group(("full_mix", "bands"))
    seconds["chroma of 3 signals"] = group(("bass", "chroma"), ("other", "chroma"), ("tonal", "chroma"))
    seconds["danceability envelope"] = group(("full_mix", "envelope"))
    seconds["timbre, 8 models"] = group(("full_mix", "timbre"))
    return {"cpu_seconds": seconds}


def essentia(folder: Path) -> dict[str, Any]:
    import essentia.standard

    essentia.log.infoActive = essentia.log.warningActive = False
    extractor = essentia.standard.MusicExtractor()
    extractor(str(folder.parent / "warm" / "full_mix.flac"))
    return {"cpu_seconds": _cpu(lambda: extractor(str(folder / "full_mix.flac")))}


def librosa(folder: Path) -> dict[str, Any]:
    """What librosa offers of our features, on the mix alone."""
    import librosa
    import numpy as np

    def features(path: Path) -> None:
        y, sr = librosa.load(path, sr=None)
        spectrum = np.abs(librosa.stft(y))
        librosa.onset.onset_detect(y=y, sr=sr)
        librosa.beat.beat_track(y=y, sr=sr)
        librosa.feature.spectral_flatness(S=spectrum)
        librosa.feature.spectral_centroid(S=spectrum, sr=sr)
        librosa.feature.chroma_cqt(y=y, sr=sr)
        librosa.feature.rms(S=spectrum)

    features(folder.parent / "warm" / "full_mix.flac")
    return {"cpu_seconds": _cpu(lambda: features(folder / "full_mix.flac"))}


def timbral(folder: Path) -> dict[str, Any]:
    """The Audio Commons models on an excerpt, with the renames that current librosa and NumPy force."""
    import librosa
    import numpy as np

    from mirkit.audio import encode, open_audio

    positional = {name: getattr(librosa.onset, name) for name in ("onset_detect", "onset_strength")}
    for name, function in positional.items():
        setattr(librosa.onset, name, lambda y, sr=22050, f=function, **more: f(y=y, sr=sr, **more))
    np.lib.pad = np.pad  # type: ignore[attr-defined]
    import timbral_models

    audio = open_audio(folder / "full_mix.flac")
    excerpt = folder.parent / "excerpt.wav"
    encode(excerpt, [audio.window(0, EXCERPT_SECONDS)], rate=audio.rate, channels=audio.channels, bits=16)
    names = ("brightness", "roughness", "hardness", "depth", "booming", "reverb", "sharpness", "warmth")
    functions = [getattr(timbral_models, f"timbral_{name}") for name in names]
    seconds = _cpu(lambda: [function(str(excerpt)) for function in functions])
    return {"cpu_seconds": seconds * audio.duration / EXCERPT_SECONDS, "scaled_from": EXCERPT_SECONDS}


CHILDREN = {"ours": ours, "groups": groups, "essentia": essentia, "librosa": librosa, "timbral": timbral}
NAMES = {
    "ours": "mirkit, mix and 4 stems, 78 features",
    "essentia": "Essentia MusicExtractor, mix",
    "librosa": "librosa's equivalents, mix",
    "timbral_models": f"timbral_models, mix, scaled from {EXCERPT_SECONDS:g} s",
}


def _print(length: float, origin: str, runs: dict[str, list[dict[str, Any]]], groups: dict[str, Any]) -> None:
    print(f"{length:g} s of stereo FLAC ({origin}), one core, CPU seconds (median), {platform.machine()}\n")
    print("| what | CPU s | x real time | peak MiB |\n|---|---|---|---|")
    for what, results in runs.items():
        known = [run["cpu_seconds"] for run in results if run["cpu_seconds"]]
        if known:
            seconds, peak = statistics.median(known), max(run["peak_mib"] for run in results)
            print(f"| {NAMES[what]} | {seconds:.2f} | {length / seconds:.0f} | {peak:.0f} |")
    if groups["cpu_seconds"]:
        print("\n| our group (decoded sound; transforms that groups share are counted in each) | CPU s |\n|---|---|")
        for name, seconds in groups["cpu_seconds"].items():
            print(f"| {name} | {seconds:.2f} |")
    pairs = [
        (ours["cpu_seconds"], theirs["cpu_seconds"])
        for ours, theirs in zip(runs["ours"], runs.get("essentia", []), strict=False)
        if ours["cpu_seconds"] and theirs["cpu_seconds"]
    ]
    if pairs:
        ratios = [a / b for a, b in pairs]
        ours_to_theirs, ancestor = statistics.median(ratios), ANCESTOR_SECONDS / ANCESTOR_EXTRACTOR
        print(f"\nours / MusicExtractor: {ours_to_theirs:.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        print(f"the replaced modules took {ancestor:.1f} x MusicExtractor: {ancestor / ours_to_theirs:.0f} x ours")


if __name__ == "__main__":
    main()

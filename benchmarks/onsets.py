"""Onset F-measure on real drums, singing and synthetic bass lines, ours beside librosa's and Essentia's, in one run.

    python benchmarks/onsets.py [--data FOLDER] [--ours-only]

Drums: every annotated hit of the six drum stems of MDB Drums (hits at the same time count once). mir_eval's F-measure
at 50 ms and 25 ms, precision and recall at 50 ms, and the median timing error of the hits found. Then the lines of
``bass_lines.py``, plain and through low-passes, against what they play; real bass stems through low-passes, against the
onsets of the same stem without a low-pass; noise and dying tones, with the number of onsets found.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import essentia
import essentia.standard
import librosa
import mir_eval
import numpy as np
from bass_lines import KINDS, NOISES, dying_tone, line, low_passed, noise
from beats import RATE, load, onset_curve

essentia.log.infoActive = False


def ours(mono: np.ndarray) -> np.ndarray:
    return onset_curve(mono).all_onsets.times


def theirs_librosa(mono: np.ndarray) -> np.ndarray:
    return librosa.onset.onset_detect(y=mono, sr=RATE, units="time")


def theirs_essentia(method: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return Essentia's tutorial chain: 1024/512 Hann frames, one detection function, ``Onsets``."""

    def detect(mono: np.ndarray) -> np.ndarray:
        detection = essentia.standard.OnsetDetection(method=method)
        window, spectrum = essentia.standard.Windowing(type="hann"), essentia.standard.FFT()
        polar = essentia.standard.CartesianToPolar()
        values = [
            detection(*polar(spectrum(window(frame))))
            for frame in essentia.standard.FrameGenerator(mono, frameSize=1024, hopSize=512)
        ]
        return essentia.standard.Onsets()(essentia.array([values]), [1])

    return detect


def theirs_superflux(mono: np.ndarray) -> np.ndarray:
    return essentia.standard.SuperFluxExtractor()(mono)


DETECTORS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "ours": ours,
    "librosa": theirs_librosa,
    "essentia hfc": theirs_essentia("hfc"),
    "essentia complex": theirs_essentia("complex"),
    "essentia superflux": theirs_superflux,
}


SEEDS = (11, 12, 13)
LOW_PASSES = (150, 220, 400, 800)


def f_measure(truth: np.ndarray, found: np.ndarray, window: float = 0.05) -> tuple[float, float, float]:
    return mir_eval.onset.f_measure(truth, np.sort(np.asarray(found, float)), window=window)


def drums(data: Path, detectors: dict[str, Callable[[np.ndarray], np.ndarray]]) -> None:
    rows: dict[str, list[list[float]]] = {name: [] for name in detectors}
    for path in sorted((data / "mdb" / "drum_only").glob("*.flac")):
        lines = (data / "mdb" / "annotations" / f"{path.stem.removesuffix('_Drum')}_class.txt").read_text().splitlines()
        truth = np.unique([float(line.split()[0]) for line in lines])
        mono = load(path)
        for name, detect in detectors.items():
            found = np.sort(np.asarray(detect(mono), float))
            f50, precision, recall = f_measure(truth, found)
            pairs = mir_eval.util.match_events(truth, found, 0.05)
            error = 1000 * float(np.median([found[j] - truth[i] for i, j in pairs])) if pairs else np.nan
            rows[name].append([f50, f_measure(truth, found, 0.025)[0], precision, recall, error])
    print(f"{'Drum stems':20s}{'F 50 ms':>9s}{'F 25 ms':>9s}{'precision':>11s}{'recall':>8s}{'error ms':>10s}")
    for name, scores in rows.items():
        f50, f25, precision, recall, error = np.mean(scores, axis=0)
        print(f"{name:20s}{f50:9.3f}{f25:9.3f}{precision:11.3f}{recall:8.3f}{error:10.1f}")


def singing(data: Path, detectors: dict[str, Callable[[np.ndarray], np.ndarray]]) -> None:
    for truth_path in sorted((data / "truth").glob("voc_*.json")):
        truth = np.array([note[0] for note in json.loads(truth_path.read_text())["notes"]])
        mono = load(truth_path.with_suffix("") / "full_mix.ogg")
        print(f"\n{'Singing: ' + truth_path.stem:20s}{'F 50 ms':>9s}{'precision':>11s}{'recall':>8s}")
        for name, detect in detectors.items():
            print(f"{name:20s}" + "{:9.3f}{:11.3f}{:8.3f}".format(*f_measure(truth, detect(mono))))


def bass_lines(detectors: dict[str, Callable[[np.ndarray], np.ndarray]]) -> None:
    columns = ["", *(f"low-pass {hertz}" for hertz in LOW_PASSES)]
    print(f"\n{'Synthetic lines, F':20s}" + "".join(f"{'ours ' + c:>18s}" for c in columns), end="")
    print("".join(f"{name:>19s}" for name in detectors if name != "ours"))
    for kind in KINDS:
        scores = []
        for seed in SEEDS:
            sound, truth = line(kind, seed)
            own = [f_measure(truth, ours(s))[0] for s in (sound, *(low_passed(sound, h) for h in LOW_PASSES))]
            theirs = [f_measure(truth, detect(sound))[0] for name, detect in detectors.items() if name != "ours"]
            scores.append([*own, *theirs])
        means = np.mean(scores, axis=0)
        count = len(columns)
        print(
            f"{kind:20s}" + "".join(f"{m:18.3f}" for m in means[:count]) + "".join(f"{m:19.3f}" for m in means[count:])
        )


def real_basses(data: Path) -> Iterator[tuple[str, np.ndarray]]:
    for path in sorted((data / "mdb").glob("*/bass.flac")) + sorted((data / "truth").glob("*/bass.ogg")):
        yield path.parent.name, load(path)


def low_passed_basses(data: Path) -> None:
    print(f"\n{'Real bass stems':24s}{'onsets':>7s}" + "".join(f"{f'F, count at {h}':>18s}" for h in LOW_PASSES))
    for name, mono in real_basses(data):
        truth = ours(mono)
        print(f"{name:24s}{len(truth):7d}", end="")
        for hertz in LOW_PASSES:
            found = ours(low_passed(mono, hertz))
            print(f"{f_measure(truth, found)[0]:11.2f} x{len(found) / len(truth):.2f} ", end="")
        print()


def without_onsets() -> None:
    counts = {name: [len(ours(noise(*NOISES[name], seed))) for seed in SEEDS] for name in NOISES}
    print("\nOnsets in 15 s of noise:", counts)
    tones = {
        (hertz, decay): len(ours(dying_tone(hertz, decay))) for hertz in (35, 50, 80, 110) for decay in (0.3, 1, 3)
    }
    print("Onsets of one dying tone (Hz, s):", tones)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--ours-only", action="store_true")
    options = parser.parse_args()
    detectors = {"ours": ours} if options.ours_only else DETECTORS
    if options.data.is_dir():
        drums(options.data, detectors)
        singing(options.data, detectors)
        low_passed_basses(options.data)
    else:
        print(f"recordings skipped: no {options.data}")
    bass_lines(detectors)
    without_onsets()


if __name__ == "__main__":
    main()

"""Onset F-measure on real drum stems, ours beside librosa's and Essentia's detectors, in one run.

    python benchmarks/onsets.py [--data FOLDER]

Truth: every annotated hit of the six drum stems of MDB Drums (hits at the same time count once). mir_eval's F-measure
at 50 ms and 25 ms, precision and recall at 50 ms, and the median timing error of the hits found.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import essentia
import essentia.standard
import librosa
import mir_eval
import numpy as np
from beats import RATE, load, onset_curve

essentia.log.infoActive = False


def ours(mono: np.ndarray) -> np.ndarray:
    return onset_curve(mono).onsets.times


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    data = parser.parse_args().data / "mdb"
    if not data.is_dir():
        print(f"skipped: no {data}")
        return
    rows: dict[str, list[list[float]]] = {name: [] for name in DETECTORS}
    for path in sorted((data / "drum_only").glob("*.flac")):
        lines = (data / "annotations" / f"{path.stem.removesuffix('_Drum')}_class.txt").read_text().splitlines()
        truth = np.unique([float(line.split()[0]) for line in lines])
        mono = load(path)
        for name, detect in DETECTORS.items():
            found = np.sort(np.asarray(detect(mono), float))
            f50, precision, recall = mir_eval.onset.f_measure(truth, found, window=0.05)
            pairs = mir_eval.util.match_events(truth, found, 0.05)
            error = 1000 * float(np.median([found[j] - truth[i] for i, j in pairs])) if pairs else np.nan
            rows[name].append([f50, mir_eval.onset.f_measure(truth, found, window=0.025)[0], precision, recall, error])
    print(f"{'':20s}{'F 50 ms':>9s}{'F 25 ms':>9s}{'precision':>11s}{'recall':>8s}{'error ms':>10s}")
    for name, scores in rows.items():
        f50, f25, precision, recall, error = np.mean(scores, axis=0)
        print(f"{name:20s}{f50:9.3f}{f25:9.3f}{precision:11.3f}{recall:8.3f}{error:10.1f}")


if __name__ == "__main__":
    main()

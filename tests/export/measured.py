"""Data sets that look as if they were measured and cut: small sound, numbers by seed."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mirkit.audio import encode, open_audio
from mirkit.catalog import FEATURES
from mirkit.features.bands import BandExtractor, bands
from mirkit.features.loudness import LoudnessExtractor, loudness
from mirkit.features.types import Unknown, Window
from mirkit.store import JsonValue, ProvenanceRecord, file_digest, round6, update_info, update_provenance
from mirkit.track import MIX, Track
from mirkit.track.clip import CUT, ClipSource, folder_name

STAND_IN = Path(__file__).parent / "stand_in"
Samples = npt.NDArray[np.float32]
#: Samples of a clip.
SIZE = 16384


def stand_in() -> None:
    """Let the trainer find what it imports and our wheels of the test machine do not have."""
    if str(STAND_IN) not in sys.path:
        sys.path.insert(0, str(STAND_IN))


def _noise(rng: np.random.Generator, shape: tuple[int, int]) -> Samples:
    return (0.1 * rng.standard_normal(shape)).astype(np.float32)


def make_clips(
    root: Path,
    *,
    tracks: int = 3,
    clips: int = 4,
    rate: int = 44100,
    channels: int = 2,
    samples: int = SIZE,
    sound: Callable[[np.random.Generator, tuple[int, int]], Samples] = _noise,
) -> Path:
    """Make track folders, each with clips of ``samples`` samples at 44.1 kHz and all their numbers."""
    for t in range(tracks):
        rng = np.random.default_rng(t)
        folder = root / f"Artist {t} - Träck feat. X {t}"
        folder.mkdir(parents=True)
        size = round(samples * rate / 44100)
        audio = sound(rng, (channels, clips * size))
        encode(folder / "full_mix.flac", [audio], rate=rate, channels=channels, bits=16)
        encode(folder / "drums.flac", [audio], rate=rate, channels=channels, bits=16)
        track = Track.at(folder)
        source = file_digest(track.mix)
        entries = [ProvenanceRecord("loudness", "0", 1, inputs={MIX: source})]
        _know(track, rng, 0.0, clips * size / rate, entries, t)
        for c in range(clips):
            place = track.crops / folder_name(track, "", c + 1)
            place.mkdir(parents=True)
            encode(
                place / "full_mix.flac",
                [audio[:, c * size : (c + 1) * size]],
                rate=rate,
                channels=channels,
                bits=16,
            )
            clip = Track.at(place)
            cut = ClipSource("../..", "", rate, c * size, (c + 1) * size, size)
            entry = ProvenanceRecord(
                CUT,
                "0",
                1,
                parameters=cut.parameters,
                inputs={part: file_digest(path) for part, path in track.sources.items()},
                outputs={MIX: file_digest(clip.mix)},
            )
            _know(clip, rng, c / clips, size / rate, [entry], t)
    return root


def moved(bundle: Path, to: Path) -> Path:
    """Copy a bundle, its configs for the new place."""
    shutil.copytree(bundle, to)
    for name in ("dataset.json", "val_dataset.json"):
        text = (to / name).read_text().replace(bundle.resolve().as_posix(), to.resolve().as_posix())
        (to / name).write_text(text)
    return to


def _levels(track: Track) -> dict[str, float]:
    audio = open_audio(track.mix)
    by_band, whole, window = BandExtractor(audio.channels), LoudnessExtractor(audio.channels), Window(0, audio.duration)
    for extractor in (by_band, whole):
        extractor.push(audio.samples())
    levels = asdict(bands(by_band.finish(), window)) | {"lufs": loudness(whole.finish(), window).lufs}
    return {key: round6(value) for key, value in levels.items() if not isinstance(value, Unknown)}


def _know(
    track: Track, rng: np.random.Generator, position: float, seconds: float, entries: list[ProvenanceRecord], t: int
) -> None:
    numbers: dict[str, float | None] = {}
    for key in FEATURES:
        low, high = (key.low or 0.0), (key.high or 100.0)
        value = rng.uniform(low + 0.3 * (high - low), low + 0.7 * (high - low))
        numbers[key.name] = float(round(value)) if key.kind != "float" else float(f"{value:.6g}")
    # Clips of SIZE are too short for a loudness, which is made up; the other levels are those of the audio.
    numbers |= {"position": position, "lufs": -19.0 - 6 * position, "bpm": 90.0 + 17 * t + position}
    numbers |= _levels(track)
    if t == 0:
        numbers["syncopation_bass"] = None
    numbers |= dict.fromkeys(("content_enjoyment", "content_usefulness", "production_quality"))
    known = {"key": "F#", "mode": "minor", "key_confidence": 0.95, "time_signature": "4/4"}
    update_info(track.info, numbers | known | {"time_signature_confidence": 0.95})
    facts: dict[str, dict[str, JsonValue]] = {
        "duration": {"value": float(f"{seconds:.6g}")},
        "sample_rate": {"value": 44100},
        "tags": {"value": {"artist": f"Artist {t}", "genre": "House", "title": f"Träck {t}"}},
    }
    update_provenance(track.provenance, entries, facts=facts)

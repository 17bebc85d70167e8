"""Tables of docs/how_good/notes.md: f0 and notes of rendered stems, against what was played.

    python benchmarks/notes.py FOLDER [tune|test] [--basic-pitch PATH] [--trackers]

FOLDER receives the pieces of ``note_corpus.py``. PATH is an unpacked wheel of basic-pitch 0.4.0, whose own decoder is
then measured beside ours. ``--trackers`` compares the trackers of f0 instead: the embedded one, SwiftF0's network, and
librosa's pYIN on the first five stems.
"""

import argparse
import sys
import time
from pathlib import Path

import mir_eval
import note_corpus
import numpy as np
import soundfile

from mirkit.features.extraction import SignalExtractor
from mirkit.features.pitch.f0 import BASS, LEAD, F0Extractor
from mirkit.features.pitch.f0 import FRAME_RATE as F0_RATE
from mirkit.features.pitch.note_events import NoteEvents
from mirkit.features.pitch.notes import notes_of_voice
from mirkit.models.basic_pitch.decoder import FRAME_RATE, decode
from mirkit.models.basic_pitch.extractor import _AROUND, NoteExtractor
from mirkit.models.basic_pitch.network import HOP
from mirkit.models.swift_f0.extractor import SwiftF0Extractor

Note = note_corpus.Note


def voice_notes(sound: np.ndarray, stem: str) -> NoteEvents:
    """Return the notes of one voice."""
    extractor = SignalExtractor(1, frozenset({"f0", "onsets"}), {}, stem)
    for start in range(0, len(sound), 1 << 16):
        extractor.push(sound[None, start : start + (1 << 16)])
    series = extractor.finish()
    return notes_of_voice(series["f0"], series["onsets"], BASS if stem == "bass" else LEAD)


def score(found: list[tuple[float, float, int]], truth: list[Note]) -> tuple[float, float, float, float]:
    """Return precision, recall, F, and the share of the found notes that are an octave off."""
    if not found:
        return 0.0, 0.0, 0.0, 0.0
    spans, pitches = _arrays([(start, end, pitch) for pitch, _, start, end in truth])
    own_spans, own_pitches = _arrays(found)
    p, r, f, _ = mir_eval.transcription.precision_recall_f1_overlap(
        spans, pitches, own_spans, own_pitches, offset_ratio=None
    )
    wrong = 0
    for start, _, pitch in found:
        near = [n[0] for n in truth if abs(n[2] - start) < 0.05] or [n[0] for n in truth if n[2] <= start < n[3]]
        wrong += bool(near) and pitch not in near and any((pitch - other) % 12 == 0 for other in near)
    return p, r, f, wrong / len(found)


def _arrays(rows: list[tuple[float, float, int]]) -> tuple[np.ndarray, np.ndarray]:
    spans = np.array([(start, max(end, start + 0.01)) for start, end, _ in rows])
    return spans, 440 * 2 ** ((np.array([pitch for _, _, pitch in rows]) - 69) / 12)


def _rows(notes: NoteEvents) -> list[tuple[float, float, int]]:
    return list(zip(notes.starts.tolist(), notes.ends.tolist(), notes.pitches.tolist(), strict=True))


def measure_voice(folders: list[Path], stem: str) -> None:
    """Print the table of a stem with one voice."""
    table, seconds, started = [], 0.0, time.process_time()
    for path in folders:
        truth = note_corpus.notes_of(path, stem)
        if not truth:
            continue
        sound, rate = soundfile.read(path / f"{stem}.flac", dtype="float32")
        seconds += len(sound) / rate
        table.append((path.name, score(_rows(voice_notes(sound, stem)), truth)))
    spent = time.process_time() - started
    for name, row in sorted(table, key=lambda row: row[1][2])[:6]:
        print(f"    {name:28s} P {row[0]:.3f} R {row[1]:.3f} F {row[2]:.3f} octave {row[3]:.3f}")
    mean = np.mean([row for _, row in table], axis=0)
    print(f"{stem}: {len(table)} stems, P {mean[0]:.3f} R {mean[1]:.3f} F {mean[2]:.3f}, octave errors {mean[3]:.3f}")
    print(f"    f0 and onsets: {180 * spent / seconds:.2f} CPU s for 3 minutes")


def frames_right(times: np.ndarray, pitch: np.ndarray, truth: list[Note]) -> tuple[float, float, float]:
    """Return the shares of the frames within notes that have the right pitch, another octave, and no pitch."""
    counts = np.zeros(4)
    for note, _, start, end in truth:
        away = pitch[(times >= start + 0.05) & (times < min(end, start + 1.0))] - note
        wrong = np.abs(away) >= 0.5
        octave = wrong & (np.abs((away + 6) % 12 - 6) < 0.5)
        counts += len(away), (np.abs(away) < 0.5).sum(), octave.sum(), np.isnan(away).sum()
    return tuple(counts[1:] / max(counts[0], 1))  # type: ignore[return-value]


def measure_trackers(folders: list[Path], stem: str) -> None:
    """Print how right the trackers of f0 are on stems with one voice, frame by frame and by their notes."""
    import librosa

    table: dict[str, list[tuple[float, ...]]] = {}
    spent: dict[str, float] = {}
    count = 0
    voice = BASS if stem == "bass" else LEAD
    for path in folders:
        truth = note_corpus.notes_of(path, stem)
        if not truth:
            continue
        sound, rate = soundfile.read(path / f"{stem}.flac", dtype="float32")
        onsets = SignalExtractor(1, frozenset({"onsets"}), {}, stem)
        onsets.push(sound[None])
        found = onsets.finish()["onsets"]
        for name, tracker in (("embedded", F0Extractor(voice)), ("swift_f0", SwiftF0Extractor())):
            started = time.process_time()
            tracker.push(sound if name == "embedded" else sound[None])
            curve = tracker.finish()
            spent[name] = spent.get(name, 0) + time.process_time() - started
            notes = _rows(notes_of_voice(curve, found, voice))
            times = np.arange(len(curve.cents)) / F0_RATE
            table.setdefault(name, []).append((*frames_right(times, curve.pitch, truth), *score(notes, truth)))
        if count < 5:
            low, high = (440 * 2 ** ((edge - 69) / 12) for edge in (voice.lowest, voice.highest))
            started = time.process_time()
            hertz = librosa.pyin(sound, fmin=low, fmax=high, sr=rate, frame_length=4096, hop_length=512)[0]
            spent["pyin"] = spent.get("pyin", 0) + time.process_time() - started
            times = np.arange(len(hertz)) * 512 / rate
            right = frames_right(times, 69 + 12 * np.log2(hertz / 440), truth)
            table.setdefault("pyin", []).append(right)
            for name in ("embedded", "swift_f0"):
                table.setdefault(f"{name} on the same", []).append(table[name][-1][:3])
        count += 1
    for name, rows in table.items():
        mean = np.mean(rows, axis=0)
        of_notes = (
            f", notes P {mean[3]:.3f} R {mean[4]:.3f} F {mean[5]:.3f} octave {mean[6]:.3f}" if len(mean) > 3 else ""
        )
        seconds = note_corpus.SECONDS * len(rows)
        cpu = f", {spent[name] / seconds:.4f} CPU s for a second" if name in spent else ""
        print(
            f"{stem} {name}: {len(rows)} stems, frames right {mean[0]:.3f}, octave {mean[1]:.3f}, "
            f"no pitch {mean[2]:.3f}{of_notes}{cpu}"
        )


def posteriors(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities of notes and onsets that Basic Pitch's network gives for a sound at 44.1 kHz."""
    extractor = NoteExtractor()
    extractor.push(sound[None])
    notes, onsets = [], []
    decide = extractor._decide

    def keep(frames: int) -> None:
        notes.append(extractor._notes[-frames:])
        onsets.append(extractor._onsets[-frames:])
        decide(frames)

    extractor._decide = keep  # type: ignore[method-assign]
    extractor.finish()
    count = 1 + len(sound) // 2 // HOP
    return tuple(np.concatenate(part)[_AROUND:][:count].astype(float) for part in (notes, onsets))  # type: ignore[return-value]


def measure_polyphonic(folders: list[Path], stem: str, *, reference: bool) -> None:
    """Print precision, recall and F of our decoder, and of that of the package basic-pitch."""
    table, theirs = [], []
    for path in folders:
        truth = note_corpus.notes_of(path, stem)
        if not truth:
            continue
        sound = soundfile.read(path / f"{stem}.flac", dtype="float32")[0]
        notes, onsets = posteriors(sound)
        rows = [(first / FRAME_RATE, last / FRAME_RATE, pitch) for first, last, pitch in decode(notes, onsets)]
        table.append((path.name, score(rows, truth)))
        if reference:
            from basic_pitch.note_creation import output_to_notes_polyphonic

            events = output_to_notes_polyphonic(notes, onsets, 0.5, 0.3, 11, True, None, None, True)
            found = [(first / FRAME_RATE, last / FRAME_RATE, pitch) for first, last, pitch, _ in events]
            theirs.append(score(found, truth))
    for name, row in sorted(table, key=lambda row: row[1][2])[:6]:
        print(f"    {name:28s} P {row[0]:.3f} R {row[1]:.3f} F {row[2]:.3f} octave {row[3]:.3f}")
    for who, rows_of in (("ours", [row for _, row in table]), ("basic-pitch's decoder", theirs)):
        if rows_of:
            mean = np.mean(rows_of, axis=0)
            print(
                f"{stem}, network, {who}: {len(rows_of)} stems, P {mean[0]:.3f} R {mean[1]:.3f} F {mean[2]:.3f}, "
                f"octave errors {mean[3]:.3f}"
            )
    if theirs:
        print("    ours has the higher F in", sum(a[1][2] > b[2] for a, b in zip(table, theirs, strict=True)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("split", nargs="?", default="test", choices=("tune", "test", "check"))
    parser.add_argument("--basic-pitch", type=Path, metavar="PATH")
    parser.add_argument("--trackers", action="store_true")
    arguments = parser.parse_args()
    pieces = note_corpus.render(arguments.folder, arguments.split)
    if arguments.basic_pitch:
        sys.path.insert(0, str(arguments.basic_pitch))
    if arguments.trackers:
        measure_trackers(pieces, "lead")
        measure_trackers(pieces, "bass")
        sys.exit()
    measure_voice(pieces, "bass")
    measure_voice(pieces, "lead")
    for stem in ("other", "lead", "bass"):
        measure_polyphonic(pieces, stem, reference=bool(arguments.basic_pitch))

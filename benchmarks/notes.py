"""Tables of docs/notes.md: f0 and notes of rendered stems, against what was played.

    python benchmarks/notes.py FOLDER [tune|test] [--basic-pitch PATH]

FOLDER receives the pieces of ``note_corpus.py``. PATH is an unpacked wheel of basic-pitch 0.4.0, whose own decoder is
then measured beside ours.
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
from mirkit.features.pitch.f0 import BASS, LEAD
from mirkit.features.pitch.note_events import NoteEvents
from mirkit.features.pitch.notes import notes_of_voice
from mirkit.models.basic_pitch.decoder import FRAME_RATE, decode
from mirkit.models.basic_pitch.extractor import _AROUND, NoteExtractor
from mirkit.models.basic_pitch.network import HOP

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
    arguments = parser.parse_args()
    pieces = note_corpus.render(arguments.folder, arguments.split)
    if arguments.basic_pitch:
        sys.path.insert(0, str(arguments.basic_pitch))
    measure_voice(pieces, "bass")
    measure_voice(pieces, "lead")
    for stem in ("other", "lead", "bass"):
        measure_polyphonic(pieces, stem, reference=bool(arguments.basic_pitch))

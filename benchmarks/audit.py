"""How often the audit of sources finds what was planted, and what it finds in untouched ones.

Each lossless file of the given folders is examined as it is, after each codec at a bit rate (64 to 320 kbit/s in turn),
and with each planted defect. Results are kept in the cache, so that an interrupted run continues.

    python benchmarks/audit.py ../shared/data/mdb ../shared/data/samples RENDERINGS --cache /tmp/audit --most 200

Opus, MP3 and AAC are encoded by PyAV (libopus, libmp3lame, FFmpeg's own AAC), Vorbis by soundfile (libvorbis).
"""

import argparse
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import soundfile

from mirkit.audio import resample
from mirkit.features.audit.extractor import AuditExtractor
from mirkit.features.audit.findings import FINDINGS
from mirkit.features.audit.lossy import SECONDS, Excerpt, codec_rates, excerpt_times, find_traces
from mirkit.features.extraction import BLOCK
from mirkit.features.types import ANALYSIS_RATE

RATES = (64, 96, 128, 192, 256, 320)
CODECS = {"MP3": ("mp3", "libmp3lame"), "AAC": ("adts", "aac"), "Opus": ("ogg", "libopus"), "Vorbis": ("OGG", "")}
#: Quality of libvorbis for each bit rate of two channels at 44.1 kHz.
VORBIS = {64: 0.0, 96: 0.2, 128: 0.4, 192: 0.6, 256: 0.8, 320: 0.9}
#: Parts of the paths of files that are known to be decoded from MP3 (docs/how_good/audit.md).
KNOWN_LOSSY = ("/berklee/", "/bk_", "MusicDelta_Beatles_Drum")
#: Seconds of each file that are used, and where they begin.
LENGTH, START = 6.0, 8.0


def rounded(samples: np.ndarray) -> np.ndarray:
    """Round to 16 bits."""
    return (np.round(np.clip(samples, -1, 1 - 2**-15) * 32768) / 32768).astype(np.float32)


def through(codec: str, kbps: int, samples: np.ndarray, rate: int) -> tuple[np.ndarray, int]:
    """Encode and decode, shape=(channels, n); return the rounded samples and their rate."""
    data, (form, encoder) = io.BytesIO(), CODECS[codec]
    if codec == "Vorbis":
        quality = {"format": form, "subtype": "VORBIS", "compression_level": 1 - VORBIS[kbps]}
        with soundfile.SoundFile(data, "w", rate, len(samples), **quality) as file:
            for start in range(0, samples.shape[1], 8192):
                file.write(samples[:, start : start + 8192].T)
        data.seek(0)
        return rounded(soundfile.read(data, always_2d=True)[0].T), rate
    layout = "stereo" if len(samples) == 2 else "mono"
    with av.open(data, "w", format=form) as container:
        stream = container.add_stream(encoder, rate=48000 if codec == "Opus" else rate)
        stream.layout, stream.bit_rate = layout, kbps * 1000
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples, np.float32), format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        context = stream.codec_context
        convert = av.AudioResampler(context.format.name, layout, stream.rate, frame_size=context.frame_size or 1024)
        for part in (*convert.resample(frame), *convert.resample(None)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    data.seek(0)
    with av.open(data) as container:
        frames = list(container.decode(audio=0))
    scale = 1 if frames[0].format.name.startswith("flt") else 32768
    return rounded(np.concatenate([f.to_ndarray() / scale for f in frames], axis=1)), frames[0].sample_rate


def traces(samples: np.ndarray, rate: int) -> list[dict]:
    """Return the best trace of each codec, as the stage ``audit`` looks for them."""
    times, found = excerpt_times(samples.shape[1] / rate), []
    for at, names in codec_rates(rate).items():
        parts = [samples[:, round(t * rate) : round((t + SECONDS) * rate)] for t in times]
        excerpts = [Excerpt(round(t * at), resample(p, rate, at)) for t, p in zip(times, parts, strict=True)]
        rows = find_traces(excerpts, at, names)
        found += [
            {"codec": row.codec, "score": row.score, "depth": row.depth, "clear": row.is_clear, "kbps": row.kbps}
            for row in rows
        ]
        if any(row.is_clear for row in rows):
            break
    return found


def levels(samples: np.ndarray, rate: int) -> list[str]:
    """Return the names of all other findings."""
    samples = resample(samples.astype(np.float32), rate, ANALYSIS_RATE)
    extractor = AuditExtractor(len(samples))
    for start in range(0, samples.shape[1], BLOCK):
        extractor.push(samples[:, start : start + BLOCK])
    return [finding.name for finding in extractor.finish()]


def gaps(samples: np.ndarray, rng: np.random.Generator, length: int, *, channel: int | None = None) -> np.ndarray:
    """Three gaps at any places."""
    changed = samples.copy()
    for place in rng.integers(4096, max(4097, samples.shape[1] - 8192), 3):
        changed[slice(None) if channel is None else channel, place : place + length] = 0
    return changed


def repeats(samples: np.ndarray, rng: np.random.Generator, length: int) -> np.ndarray:
    """Three blocks that are played twice."""
    changed = samples.copy()
    for place in rng.integers(8192, max(8193, samples.shape[1] - 8192), 3):
        changed[:, place : place + length] = changed[:, place - length : place]
    return changed


def planted(samples: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield finding, description and samples of each planted defect."""
    two = samples if len(samples) == 2 else np.repeat(samples, 2, axis=0)
    signs = np.array([[1], [-1]], np.float32)
    rms = float(np.sqrt(np.mean(samples**2)))
    yield "silent_channel", "one channel silent", two * np.array([[1], [0]], np.float32)
    yield "silent_channel", "one channel at -80 dB", two * np.array([[1e-4], [1]], np.float32)
    yield "inverted_channel", "one channel inverted", two * signs
    for share in (0.1, 0.5, 1.0):
        yield "dc_offset", f"offset of {share:.0%} of the RMS", samples + np.float32(share * rms)
    for name, gain in (("32768", 32768), ("100", 100), ("1/32768", 2**-15), ("1e-5", 1e-5)):
        yield "scale", f"times {name}", (samples * gain).astype(np.float32)
    for length in (44, 132, 441, 2205):
        yield "dropouts", f"3 gaps of {length / 44.1:.0f} ms", gaps(samples, rng, length)
    yield "dropouts", "3 gaps of 10 ms in one channel", gaps(two, rng, 441, channel=0)
    for length in (256, 512, 1024, 4096):
        yield "dropouts", f"3 blocks of {length} twice", repeats(samples, rng, length)
    peak = float(np.abs(samples).max())
    yield "clipped", "clipped by 6 dB", rounded(np.clip(2 * samples, -peak, peak))
    yield "mono", "mono as stereo", np.repeat(samples[:1], 2, axis=0)
    silence = np.zeros((len(samples), 3 * ANALYSIS_RATE), np.float32)
    yield "silence", "3 s of silence at the start", np.concatenate((silence, samples), axis=1)


def examine(path: Path, number: int) -> dict:
    """Examine one file: untouched, through the codecs, with the planted defects."""
    rate, frames = (info := soundfile.info(path)).samplerate, info.frames
    first = max(0, min(int(START * rate), frames - int(LENGTH * rate)))
    read = soundfile.read(path, start=first, frames=int(LENGTH * rate), dtype="float32", always_2d=True)[0]
    samples = np.ascontiguousarray(read.T[:2])
    result: dict = {"rate": rate, "seconds": samples.shape[1] / rate, "found": levels(samples, rate)}
    result["untouched"] = traces(samples, rate)
    result["codecs"] = {}
    for j, codec in enumerate(CODECS):
        kbps = RATES[(number + j) % len(RATES)]
        most = {"Opus": 256 * len(samples), "AAC": 6 * rate * len(samples) / 1000}  # which the codecs allow
        if kbps > most.get(codec, kbps):
            continue
        result["codecs"][codec] = {"kbps": kbps, "traces": traces(*through(codec, kbps, samples, rate))}
    if rate == ANALYSIS_RATE and "silence" not in result["found"]:
        rng = np.random.default_rng(number)
        result["planted"] = [(name, what, name in levels(x, rate)) for name, what, x in planted(samples, rng)]
    return result


def auc(positive: list[float], negative: list[float]) -> float:
    """Area under the curve: share of the pairs in the right order."""
    p, n = np.array(positive)[:, None], np.array(negative)
    return float(np.mean((p > n) + 0.5 * (p == n)))


def best(rows: list[dict]) -> float:
    """Score of the best trace."""
    return max((row["score"] for row in rows), default=0.0)


def report(results: dict[str, dict]) -> None:
    """Print the tables."""
    known = {key: row for key, row in results.items() if any(part in key for part in KNOWN_LOSSY)}
    hits = [[t["codec"] for t in row["untouched"] if t["clear"]] for row in known.values()]
    print(f"known to be decoded from MP3: {len(known)}, found {sum(hit == ['MP3'] for hit in hits)}")
    results = {key: row for key, row in results.items() if key not in known}
    print("sources:", dict(Counter(key.split("|")[0] for key in results)))
    clean = {key: best(row["untouched"]) for key, row in results.items()}
    highest = max(clean.values())
    print("highest scores of untouched ones:", sorted(((round(s, 1), k) for k, s in clean.items()), reverse=True)[:5])
    alarms = [key for key, row in results.items() if any(t["clear"] for t in row["untouched"])]
    alarms += [f"{k}: {n}" for k, row in results.items() for n in row["found"] if FINDINGS[n]]
    print(f"faults of untouched ones: {len(alarms)} {alarms}")
    notices = Counter(name for row in results.values() for name in row["found"] if not FINDINGS[name])
    print("notices of untouched ones:", dict(notices))
    cells: dict[tuple[str, int], list[tuple[str, list[dict]]]] = defaultdict(list)
    for key, row in results.items():
        for codec, cell in row["codecs"].items():
            cells[codec, cell["kbps"]].append((key, cell["traces"]))
    print("| codec | kbit/s | sources | found | right codec | at no false alarm | AUC | rate within half an octave |")
    print("|---|---|---|---|---|---|---|---|")
    for codec in CODECS:
        for kbps in RATES:
            if not (cell := cells[codec, kbps]):
                continue
            clear = [max((t for t in ts if t["clear"]), key=lambda t: t["depth"], default=None) for _, ts in cell]
            found = [t for t in clear if t]
            scores = [best(ts) for _, ts in cell]
            near = sum(abs(np.log2(t["kbps"] / kbps)) <= 0.5 for t in found) / max(1, len(found))
            right = sum(t["codec"] == codec for t in found)
            free = sum(score > highest for score in scores)
            print(
                f"| {codec} | {kbps} | {len(cell)} | {len(found) / len(cell):.2f} | {right / max(1, len(found)):.2f} | "
                f"{free / len(cell):.2f} | {auc(scores, list(clean.values())):.3f} | {near:.2f} |"
            )
    for codec in CODECS:
        of_codec = [row for (name, _), cell in cells.items() if name == codec for row in cell]
        missed = [key for key, found in of_codec if not any(t["clear"] for t in found)]
        print(f"missed {codec}: {len(missed)}", Counter(key.split("|")[0] for key in missed), missed[:6])
    defects: dict[tuple[str, str], list[bool]] = defaultdict(list)
    false: dict[str, list[bool]] = defaultdict(list)
    for row in results.values():
        for name, what, was_found in row.get("planted", ()):
            if not (name == "mono" and "mono" in row["found"]):
                defects[name, what].append(was_found)
        for name in FINDINGS:
            false[name].append(name in row["found"])
    print("| finding | planted | sources | found | in untouched ones |")
    print("|---|---|---|---|---|")
    for (name, what), hits in defects.items():
        print(f"| {name} | {what} | {len(hits)} | {np.mean(hits):.2f} | {sum(false[name])} of {len(false[name])} |")


def files_of(folder: Path, most: int) -> list[Path]:
    """Lossless files of a folder; of a folder of samples, the longest of each instrument."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix in (".flac", ".wav"))
    if (folder / "index.csv").exists():
        longest: dict[Path, Path] = {}
        for path in sorted(paths, key=lambda p: p.stat().st_size):
            longest[path.parent] = path
        return sorted(longest.values())
    return [paths[i] for i in sorted(np.random.default_rng(0).permutation(len(paths))[:most])]


def main() -> None:
    """Examine the files and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--most", type=int, default=200, help="largest number of files of a folder")
    parser.add_argument("--without", type=Path, help="a file with names of files that are left out, one a line")
    parser.add_argument("--only-print", action="store_true", help="print the tables of what is in the cache")
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    store = arguments.cache / "results.jsonl"
    lines = store.read_text().splitlines() if store.exists() else []
    results: dict[str, dict] = dict(json.loads(line) for line in lines)
    without = set(arguments.without.read_text().split()) if arguments.without else set()
    for folder in () if arguments.only_print else arguments.folders:
        for number, path in enumerate(p for p in files_of(folder, arguments.most) if p.name not in without):
            key = f"{folder.name}|{path.relative_to(folder)}"
            if key not in results:
                results[key] = examine(path, number)
                with store.open("a") as file:
                    file.write(json.dumps((key, results[key])) + "\n")
    report(results)


if __name__ == "__main__":
    main()

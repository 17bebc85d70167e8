"""The same recording is found however it was altered; different pieces are not taken for one."""

import dataclasses
import errno
import io
import itertools
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dataset.altered import ALTERATIONS, RATE, Sound, curves
from mirkit.audio import encode
from mirkit.dataset.duplicates import find, stored
from mirkit.dataset.duplicates.alignment import Alignment, align
from mirkit.dataset.duplicates.candidates import candidates
from mirkit.dataset.duplicates.find import Duplicates, best_copy, find_duplicates, read_features
from mirkit.dataset.duplicates.fingerprints import (
    SEMITONES,
    FingerprintFeatures,
    Landmarks,
    fingerprint_features,
    hashes,
    landmarks,
    rotated,
)
from mirkit.dataset.duplicates.stored import Fingerprint, StoredHashes, fingerprint_of
from mirkit.dataset.library import Library, stamps
from mirkit.demo import drone, house, rock, waltz
from mirkit.errors import InfoError, MissingInput
from mirkit.features.bands import BandCurve
from mirkit.features.harmony.chroma import ChromaCurve
from mirkit.features.serialization import to_arrays
from mirkit.store import (
    ProvenanceRecord,
    file_digest,
    library_path,
    update_feature_series,
    update_provenance,
)
from mirkit.track import MIX, Track

SECONDS = 20


def best(first: FingerprintFeatures, second: FingerprintFeatures) -> Alignment | None:
    """The most alike that two tracks can be laid over each other."""
    marks = [landmarks(first), landmarks(second)]
    hashed = [[hashes(rotated(own.cells, semitones)) for semitones in SEMITONES] for own in marks]
    both = (first, second)
    found = [
        align(both[candidate.first], both[candidate.second], candidate)
        for candidate in candidates([own.times for own in marks], hashed)
    ]
    return max(filter(None, found), key=lambda like: like.harmony + like.dynamics, default=None)


@pytest.fixture(scope="module")
def sounds() -> dict[str, Sound]:
    return {make.__name__: make().samples[:, : SECONDS * RATE] for make in (house, rock, waltz, drone)}


@pytest.fixture(scope="module")
def outlines(sounds: dict[str, Sound]) -> dict[str, FingerprintFeatures]:
    return {name: fingerprint_features(*curves(sound)) for name, sound in sounds.items()}


@pytest.mark.parametrize("name", ["house", "waltz"])
@pytest.mark.parametrize("alteration", ALTERATIONS.values(), ids=ALTERATIONS)
def test_an_altered_copy_is_the_same_recording(
    alteration: Callable[[Sound, Path], Sound],
    name: str,
    sounds: dict[str, Sound],
    outlines: dict[str, FingerprintFeatures],
    tmp_path: Path,
) -> None:
    like = best(outlines[name], fingerprint_features(*curves(alteration(sounds[name], tmp_path))))
    assert like is not None
    assert like.is_same
    assert min(like.harmony, like.dynamics) > 0.8  # well above the threshold


def test_how_a_copy_was_altered_is_told(
    sounds: dict[str, Sound], outlines: dict[str, FingerprintFeatures], tmp_path: Path
) -> None:
    def aligned(alteration: str) -> Alignment:
        like = best(
            outlines["waltz"], fingerprint_features(*curves(ALTERATIONS[alteration](sounds["waltz"], tmp_path)))
        )
        assert like is not None
        return like

    trimmed, slower, higher = aligned("trimmed by 3.7 and 2.2 s"), aligned("tempo -3 %"), aligned("pitch +1")
    assert trimmed.offset == pytest.approx(-3.73, abs=0.05)
    assert trimmed.speed == pytest.approx(1, abs=0.003)
    assert trimmed.seconds == pytest.approx(SECONDS - 5.94, abs=0.6)
    assert slower.speed == pytest.approx(0.97, abs=0.003)
    assert (trimmed.semitones, slower.semitones, higher.semitones) == (0, 0, 1)


@pytest.mark.parametrize(
    ("harmony", "dynamics", "same"),
    [
        (0.99, 0.98, True),
        (0.76, 0.77, True),
        (0.74, 0.99, False),
        (0.99, 0.74, False),
        (np.nan, 0.9, True),
        (np.nan, 0.8, False),
        (np.nan, np.nan, False),
    ],
)
def test_where_one_recording_begins(harmony: float, dynamics: float, same: bool) -> None:
    assert Alignment(harmony, dynamics, 0, 1.0, 0.0, 20.0).is_same is same


def test_different_pieces_share_no_landmarks_or_disagree(outlines: dict[str, FingerprintFeatures]) -> None:
    for first, second in itertools.combinations(outlines.values(), 2):
        like = best(first, second)
        assert like is None or not like.is_same


def made(rng: np.random.Generator, seconds: float = 90.0) -> FingerprintFeatures:
    """Features of a made-up piece: a loop of four chords, a tune, a beat, sections."""
    rows = np.zeros((round(seconds * RATE / 8192), 16))
    step = rng.uniform(1.5, 2.5)
    loop = rng.integers(0, 12, 4)
    thirds = rng.integers(3, 5, 4)
    at = np.arange(len(rows)) * 8192 / RATE
    chord = (at / step).astype(int) % 4
    tune = rng.integers(0, 12, len(rows))[(at / step * 4).astype(int)]
    for note in (loop[chord], (loop + thirds)[chord] % 12, (loop + 7)[chord] % 12, tune):
        rows[np.arange(len(rows)), note] += rng.uniform(0.3, 0.8)
    rows[:, :12] -= rows[:, :12].mean(axis=1, keepdims=True)
    section = rng.uniform(-0.6, 0, (len(rows), 4))[(at / step / 8).astype(int)]
    beat = rng.uniform(0, 0.5, (8, 4))[(at / step * 4).astype(int) % 8]  # eight steps of drums, each band its own
    rows[:, 12:] = section + beat + 0.05 * rng.standard_normal((len(rows), 4))
    return FingerprintFeatures(rows.astype(np.float32))


def copy_of(piece: FingerprintFeatures, rng: np.random.Generator) -> FingerprintFeatures:
    """The same, trimmed, transposed or not, with the noise of a codec."""
    first, last = rng.integers(5, 60, 2)
    rows = rotated(piece.rows[first:-last], int(rng.integers(-1, 2)))
    return FingerprintFeatures((rows + 0.02 * rng.standard_normal(rows.shape)).astype(np.float32))


def test_planted_copies_among_many_are_found_and_nothing_else(rng: np.random.Generator) -> None:
    pieces = [made(rng) for _ in range(400)]
    planted = {(i, 400 + k) for k, i in enumerate(rng.choice(400, 40, replace=False).tolist())}
    pieces += [copy_of(pieces[i], rng) for i, _ in sorted(planted, key=lambda pair: pair[1])]
    marks = [landmarks(piece) for piece in pieces]
    hashed = [[hashes(rotated(own.cells, semitones)) for semitones in SEMITONES] for own in marks]
    tried = list(candidates([own.times for own in marks], hashed))
    matched = {
        tuple(sorted((candidate.first, candidate.second)))
        for candidate in tried
        if (like := align(pieces[candidate.first], pieces[candidate.second], candidate)) and like.is_same
    }
    assert matched == planted
    assert len(tried) < 2000  # of 96,580 pairs


def test_hashes_of_many_copies_cost_no_square_of_them(rng: np.random.Generator) -> None:
    marks = landmarks(made(rng))
    hashed = [[hashes(rotated(marks.cells, semitones)) for semitones in SEMITONES]] * 120
    tried = list(candidates([marks.times] * 120, hashed))
    assert {candidate.second for candidate in tried} | {0} == set(range(120))  # all are still connected
    assert len(tried) < 120 * 100


def test_a_beginning_that_all_share_hides_no_copy(rng: np.random.Generator) -> None:
    """Landmarks of a common intro make no candidates of strangers, and copies are found besides."""
    intro = made(rng, 12.0).rows
    pieces = [FingerprintFeatures(np.concatenate((intro, made(rng, 45.0).rows)).astype(np.float32)) for _ in range(300)]
    planted = {(i, 300 + k) for k, i in enumerate(rng.choice(300, 30, replace=False).tolist())}
    pieces += [copy_of(pieces[i], rng) for i, _ in sorted(planted, key=lambda pair: pair[1])]
    marks = [landmarks(piece) for piece in pieces]
    hashed = [[hashes(rotated(own.cells, semitones)) for semitones in SEMITONES] for own in marks]
    tried = list(candidates([own.times for own in marks], hashed))
    assert {(one.first, one.second) for one in tried} | {(one.second, one.first) for one in tried} >= planted
    assert len(tried) < 500  # of 54,285 pairs that share the intro; 15,000 if each shared landmark counted


def test_harmony_and_dynamics_have_to_agree(rng: np.random.Generator) -> None:
    """The dynamics of one piece with the harmony of another are no copy; without harmony, the dynamics count."""
    piece, other = made(rng), made(rng)
    mixed = FingerprintFeatures(np.concatenate((other.rows[:, :12], piece.rows[:, 12:]), axis=1))
    silent = [FingerprintFeatures(one.rows * (np.arange(16) >= 12)) for one in (piece, mixed)]

    def found(first: FingerprintFeatures, second: FingerprintFeatures) -> bool:
        marks = [landmarks(first), landmarks(second)]
        hashed = [[hashes(rotated(own.cells, semitones)) for semitones in SEMITONES] for own in marks]
        return any(candidates([own.times for own in marks], hashed))

    assert found(piece, piece)
    assert not found(piece, mixed)
    assert found(silent[0], silent[1])
    assert not hashes(landmarks(silent[0]).cells).parts[:, 0].any()


@pytest.mark.parametrize("fails", ["never", "at once", "later"])
def test_hashes_are_compared_where_the_disk_is_full(
    fails: str, library: list[Track], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, content: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def opened(**_: object) -> io.BytesIO:
        if fails == "at once":
            raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")
        return Full()

    if fails != "never":
        monkeypatch.setattr(stored.tempfile, "TemporaryFile", opened)
    found = stored.fingerprints(library)
    assert isinstance(found[0].hashed, StoredHashes) is (fails == "never")
    expected = fingerprint_of(library[0])
    assert all(
        np.array_equal(getattr(mine, name), getattr(other, name))
        for mine, other in zip(found[0].hashed, expected.hashed, strict=True)
        for name in ("words", "near", "parts")
    )
    assert find_duplicates(library).groups == [[0, 2]]


def kept(folder: Path, chroma: ChromaCurve, bands: BandCurve, *, part: str = "full_mix", sound: str = "") -> Track:
    """A track with its curves; its sound is never opened."""
    folder.mkdir(parents=True)
    (folder / "full_mix.flac").touch()
    track = Track.at(folder)
    families = {f"{part}/chroma": chroma, "full_mix/bands": bands}
    arrays = {f"{name}/{field}": array for name, curve in families.items() for field, array in to_arrays(curve).items()}
    update_feature_series(track.feature_series, arrays, header={"full_mix/sound": {"sound": sound or str(folder)}})
    return track


@pytest.fixture
def library(sounds: dict[str, Sound], tmp_path: Path) -> list[Track]:
    """A piece, a quieter copy that has stems, another piece, and what cannot be compared."""
    (chroma, bands), (other, levels) = (curves(sounds[name]) for name in ("house", "waltz"))
    root = tmp_path / "library"
    tracks = [kept(root / "a", chroma, bands), kept(root / "b", other, levels)]
    tracks.append(kept(root / "c", chroma, dataclasses.replace(bands, energy=bands.energy * 0.01), part="tonal"))
    tracks.append(
        kept(root / "d", dataclasses.replace(chroma, chroma=chroma.chroma[:40], level_db=chroma.level_db[:40]), bands)
    )
    for name in ("e", "f"):
        (root / name).mkdir()
        (root / name / "full_mix.flac").touch()
        tracks.append(Track.at(root / name))
    tracks[-1].feature_series.write_bytes(b"no zip")
    return tracks


def test_a_library(library: list[Track]) -> None:
    read: list[str] = []
    found = find_duplicates(library, read.append)
    assert found.groups == [[0, 2]]
    assert [(pair.first, pair.second) for pair in found.pairs] == [(0, 2)]
    assert set(found.not_compared) == {3, 4}
    assert "it has not been measured" in found.not_compared[4]
    assert set(found.failed) == {5}
    assert read == ["a", "b", "c", "d", "e", "f"]


def _chroma(classes: np.ndarray, level: float) -> ChromaCurve:
    return ChromaCurve(classes, np.full(len(classes), level, np.float16), 0.0, classes, 0.0, classes, classes)


def test_the_same_file_twice_needs_no_landmarks(library: list[Track], tmp_path: Path) -> None:
    short = _chroma(np.ones((20, 12), np.uint8), -20)
    bands = BandCurve(np.ones((5, 4), np.float32), 40960)
    twins = [kept(tmp_path / name, short, bands, sound="abc") for name in ("x", "y")]
    found = find_duplicates(twins)
    assert found.groups == [[0, 1]]
    assert found.pairs[0].alignment is None
    assert find_duplicates([]) == Duplicates()


def test_curves_of_another_shape_are_refused(tmp_path: Path) -> None:
    chroma = _chroma(np.ones((60, 11), np.uint8), -20)
    track = kept(tmp_path / "x", chroma, BandCurve(np.ones((15, 4), np.float32), 122880))
    with pytest.raises(InfoError, match="12 columns"):
        read_features(track.feature_series)
    with pytest.raises(MissingInput):
        read_features(tmp_path / "none.CURVES.npz")


def test_silence_has_no_landmarks() -> None:
    silent = fingerprint_features(
        _chroma(np.zeros((800, 12), np.uint8), -120), BandCurve(np.zeros((120, 4), np.float32), 120 * 8192)
    )
    assert isinstance(marks := landmarks(silent), Landmarks)
    assert not len(marks.times)


def test_series_of_other_audio_are_not_compared(library: list[Track]) -> None:
    track = library[2]
    track.mix.write_bytes(b"measured")
    entry = ProvenanceRecord("bands", "0", 1, inputs={MIX: file_digest(track.mix)})
    update_provenance(track.provenance, [entry])
    assert find_duplicates(library).groups == [[0, 2]]
    track.mix.write_bytes(b"replaced")
    found = find_duplicates(library)
    assert found.groups == []
    assert "the audio has changed since it was measured" in found.not_compared[2]
    assert set(found.unmeasured) == {2, 4}
    track.mix.write_bytes(b"measured")  # the same content, of another time
    assert find_duplicates(library).groups == [[0, 2]]


def test_the_best_copy_is_lossless_then_longer_then_of_the_higher_rate(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, seconds, rate in (("a.mp3", 9, 48000), ("b.wav", 8, 44100), ("c.flac", 8.2, 48000), ("d.flac", 5, 96000)):
        sound = rng.uniform(-0.1, 0.1, (2, int(seconds * rate))).astype(np.float32)
        encode(tmp_path / name, [sound], rate=rate, channels=2)
    assert best_copy({name: tmp_path / name for name in ("a.mp3", "b.wav", "c.flac", "d.flac")}) == "c.flac"
    assert best_copy({name: tmp_path / name for name in ("a.mp3", "d.flac")}) == "d.flac"
    assert best_copy({"x": tmp_path / "absent.wav", "a": tmp_path / "gone.wav"}) == "a"


def test_fingerprints_are_kept_in_the_library(
    library: list[Track], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamps, "MIN_AGE", -60.0)  # as if a minute had passed
    computed: list[str] = []

    def counted(track: Track) -> Fingerprint:
        computed.append(track.name)
        return fingerprint_of(track)

    monkeypatch.setattr(stored, "fingerprint_of", counted)

    def found() -> tuple[Duplicates, list[str]]:
        computed.clear()
        with Library.open(library[0].folder.parent) as opened:
            return find_duplicates(library, library=opened), list(computed)

    first, read = found()
    assert first == find_duplicates(library)
    assert read == ["a", "b", "c", "d", "e", "f"]
    assert found() == (first, ["e", "f"]), "what could not be read is read again"
    library[1].feature_series.write_bytes(library[0].feature_series.read_bytes())
    second, read = found()
    assert second.groups == [[0, 1, 2]]
    assert read == ["b", "e", "f"]
    with sqlite3.connect(library_path(library[0].folder.parent)) as connection:
        for content in ("x", b"", b"\xff" * (64 + 4 + 116)):
            connection.execute("UPDATE fingerprints SET content = ?", (content,))
            connection.commit()
            assert found()[0] == second
    connection.close()


def test_pairs_are_kept_while_their_tracks_do_not_change(library: list[Track], monkeypatch: pytest.MonkeyPatch) -> None:
    """With the library, every part of the data set, after any change, gives what a new comparison gives."""
    monkeypatch.setattr(stamps, "MIN_AGE", -60.0)  # as if a minute had passed
    searched: list[int] = []

    def counted(*marks: object) -> object:
        searched.append(1)
        return candidates(*marks)  # type: ignore[arg-type]

    monkeypatch.setattr(find, "candidates", counted)
    root = library[0].folder.parent

    def same(tracks: list[Track]) -> bool:
        """Whether pairs were compared anew; the groups are those without a library in any case."""
        with Library.open(root) as opened:
            searched.clear()
            found = find_duplicates(tracks, library=opened)
            anew = bool(searched)
        assert found.groups == find_duplicates(tracks).groups
        return anew

    copies = find_duplicates(library).groups[0]
    assert same(library)
    assert not same(library)
    others = [track for number, track in enumerate(library) if number not in copies[1:]]
    same(others)  # of a group, only one is left
    assert not same(library), "a part does not replace what is known of all"
    changed = library[copies[0]].feature_series
    changed.write_bytes(library[3].feature_series.read_bytes())
    assert same(library)
    assert not same(library)
    with sqlite3.connect(library_path(root)) as connection:
        connection.execute("UPDATE copies SET alignment = 'x'")
    connection.close()
    same(library)

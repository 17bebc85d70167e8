"""Rendering: mixes are known by their numbers, add up, and are built of the effects that are tested here one by one."""

import csv
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile
from training.material import RATE, STEMS, Material, Sound

from training import effects, instruments, render, scores, singers, soundfonts, statistics, voices

SINE_HZ = 220.0


def sine(hertz: float, seconds: float, amplitude: float = 0.3) -> Sound:
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def sung(hertz: float, seconds: float) -> Sound:
    """A tone with the partials of a voice."""
    return np.sum([sine(k * hertz, seconds, 0.3 / k) for k in range(1, 12)], axis=0, dtype=np.float32)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a few sounds of each class on both sides of the split, a song, and a drummer."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(1)
    rows: list[list[object]] = []

    def put(kind: str, instrument: str, name: str, sound: Sound, note: object = "", drum: str = "") -> None:
        path = folder / "samples" / kind / instrument / f"{name}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, sound, RATE)
        rows.append([path.relative_to(folder / "samples"), kind, instrument, note, drum, "CC0-1.0", "A"])

    for instrument in ("rumpf", "muldjord3"):
        for drum in ("kick", "snare", "hihat_closed", "tambourine"):
            hit = rng.normal(0, 0.2, 4000) * np.exp(-np.arange(4000) / 800)
            put("drums", instrument, drum, hit.astype(np.float32), drum=drum)
    tonal = {"bass": ("swag", "yamaha_yr"), "keys": ("wurli", "upright_kw"), "wind": ("bearsax", "mtgsax_alt")}
    for kind, names in tonal.items():
        for instrument in names:
            for note in (36, 48, 60):
                put(kind, instrument, str(note), sine(440 * 2 ** ((note - 69) / 12), 0.5), note)
    for singer in ("eif1_hydrogen", "eif7_francium"):
        put("voice", singer, "0", sung(SINE_HZ, 2))
    for kind in ("drums", "bass", "synth", "voice"):
        put(kind, "stems", "eif1_hydrogen_w0", np.stack((sung(80, 3), sung(81, 3)), axis=1))
    with (folder / "samples" / "index.csv").open("w", newline="") as file:
        head = ["path", "class", "instrument", "midi_note", "drum_class", "license", "attribution"]
        csv.writer(file).writerows([head, *rows])
    (folder / "midi").mkdir()
    lines = ["path,kind,split,licence,attribution"]
    for split in ("train", "test"):
        track = mido.MidiTrack()
        for _ in range(8):
            track.append(mido.Message("note_on", channel=9, note=36, velocity=100, time=0))
            track.append(mido.Message("note_off", channel=9, note=36, time=240))
        file_ = mido.MidiFile(ticks_per_beat=480)
        file_.tracks.append(track)
        file_.save(folder / "midi" / f"{split}.mid")
        lines.append(f"{split}.mid,drums,{split},CC-BY-4.0,B")
    (folder / "midi" / "index.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def source(data: Path, tmp_path_factory: pytest.TempPathFactory) -> render.Sources:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(soundfonts, "ALLOWED", ())
        return render.sources(data, False, tmp_path_factory.mktemp("notes"))[0]


def test_a_number_is_a_mix(source: render.Sources) -> None:
    first, again = render.mix(3, source), render.mix(3, source)
    np.testing.assert_array_equal(first[1], again[1])
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.array_equal(first[0], render.mix(4, source)[0])


def test_mixes_are_whole(source: render.Sources) -> None:
    for number in range(8):
        mixed, stems = render.mix(number, source)
        assert mixed.shape == (2, 10 * RATE)
        assert stems.shape == (4, 2, 10 * RATE)
        assert mixed.dtype == stems.dtype == np.float32
        assert np.isfinite(mixed).all()
        assert 0.2 < np.abs(stems.sum(axis=0)).max() < 1
        # a codec's error is small beside the mix; without a codec there is none
        assert np.square(mixed - stems.sum(axis=0)).mean() < 0.2 * np.square(mixed).mean()


def test_each_stem_is_absent_in_a_third(rng: np.random.Generator) -> None:
    drawn = [render._present(rng) for _ in range(4000)]
    for stem in STEMS:
        assert np.mean([stem not in present for present in drawn]) == pytest.approx(1 / 3, abs=0.04)
    assert all(drawn)
    assert np.mean([len(present) == 1 for present in drawn]) > render._SOLO


def test_sounds_that_are_held_out_are_other_sounds(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundfonts, "ALLOWED", ())
    opened: dict[bool, set[Path]] = {}
    for held_out in (False, True):
        seen: set[Path] = set()
        monkeypatch.setattr(Material, "sound", lambda self, s, seen=seen: seen.add(s.path) or np.ones(9, np.float32))
        source, _ = render.sources(data, held_out, tmp_path)
        for number in range(render.HELD_OUT_FROM, render.HELD_OUT_FROM + 6):
            render.mix(number, source)
        opened[held_out] = seen | set(source.material.grooves)
        assert bool(source.songs) != held_out
    assert opened[True]
    assert not opened[True] & opened[False]


def test_recorded_samples_can_be_left_out(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundfonts, "ALLOWED", ())
    source, _ = render.sources(data, False, tmp_path, ["samples"])
    monkeypatch.setattr(Material, "sound", lambda self, sample: pytest.fail(f"{sample.path} was opened"))
    assert source.songs
    assert source.material.grooves
    assert any(render.mix(number, source)[1].any() for number in range(6))


def test_synthesized_singing_can_be_left_out(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundfonts, "ALLOWED", ())
    source, _ = render.sources(data, False, tmp_path, ["singing"])
    for name in ("resung", "on_melody", "breathy", "breath"):
        monkeypatch.setattr(voices, name, lambda *_: pytest.fail("a voice was synthesized"))
    rng = np.random.default_rng(0)
    for _ in range(12):
        lead = singers.vocals(rng, source.material, scores.harmony(rng), source.synthesized_singing)[0]
        assert lead.any()


def test_songs_are_mixed_anew(data: Path, source: render.Sources) -> None:
    mixes = [render.remixed(number, source.songs) for number in range(40)]
    np.testing.assert_array_equal(mixes[3], render.remixed(3, source.songs))
    assert mixes[0].shape == (4, 2, 10 * RATE)
    present = np.array([[bool(stem.any()) for stem in stems] for stems in mixes])
    assert present.any(axis=1).all()
    np.testing.assert_allclose(present.mean(axis=0), 2 / 3, atol=0.2)
    window = mixes[int(np.flatnonzero(present[:, 0])[0])][0]
    song = next(iter(source.songs.values()))["drums"]
    gain = np.abs(window).max() / np.abs(song).max()
    assert np.square(window).mean() == pytest.approx(gain**2 * np.square(song).mean(), rel=0.2)


def test_drums_of_soundfonts_are_drums_that_kits_need() -> None:
    assert set(soundfonts._DRUMS) <= {*instruments._classes(), *instruments._PERCUSSION}
    assert set(instruments._KIT) <= set(soundfonts._DRUMS)


@pytest.mark.skipif(not soundfonts.available(), reason="no soundfont is installed")
def test_kits_of_soundfonts_are_held_out_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundfonts, "ALLOWED", soundfonts.available()[:1])
    monkeypatch.setattr(soundfonts, "_PROGRAMS", {"bass": (32, 33)})
    monkeypatch.setattr(soundfonts, "_KITS", (0, 8))
    sides = [soundfonts.notes(tmp_path, held_out)[0] for held_out in (False, True)]
    kits = [{s.instrument for s in side if s.kind == "drums"} for side in sides]
    assert [len(kit) for kit in kits] == [1, 1]
    assert not kits[0] & kits[1]
    kick = next(s for s in sides[0] if s.drum == "kick")
    samples, rate = soundfile.read(kick.path)
    assert kick.note is None
    assert rate == RATE
    assert np.abs(samples).max() > 0.5
    power = np.abs(np.fft.rfft(samples)) ** 2
    assert power[: 300 * len(samples) // RATE].sum() > 0.5 * power.sum()


def test_a_soundfont_that_is_not_there_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    font = soundfonts.Soundfont(tmp_path / "none.sf2", "MIT", "A", "some-package")
    monkeypatch.setattr(soundfonts, "ALLOWED", (font,))
    samples, lines = soundfonts.notes(tmp_path, held_out=False)
    assert samples == []
    assert lines == [f"not used: {font.path} (install fluidsynth and some-package)"]


def test_a_limiter_reduces_peaks_and_keeps_the_sum(rng: np.random.Generator) -> None:
    stems = rng.normal(0, 0.1, (4, 2, RATE)).astype(np.float32)
    stems[0, :, ::5000] += 2
    limited = effects.limit(stems, 9)
    mixed, before = limited.sum(axis=0), stems.sum(axis=0)
    assert statistics.decibels(np.square(before).max() / np.square(before).mean()) > 15
    assert statistics.decibels(np.square(mixed).max() / np.square(mixed).mean()) < 12
    gains = limited / stems
    np.testing.assert_allclose(gains, np.broadcast_to(gains[:1, :1], gains.shape), rtol=1e-4)


def test_a_position_is_a_position(rng: np.random.Generator) -> None:
    mono = sine(440, 1)
    for pan, left in ((-1, 1), (0, 0.5), (1, 0)):
        power = np.square(effects.place(rng, mono, pan, 0)).sum(axis=1)
        assert power[0] / power.sum() == pytest.approx(left, abs=1e-4)
    room = effects.place(rng, mono, -1, 0.5)
    assert np.square(room[1]).sum() > 0.01 * np.square(room[0]).sum()


def test_width_grows_with_frequency(rng: np.random.Generator) -> None:
    noise = rng.normal(0, 0.1, 4 * RATE).astype(np.float32)
    found = statistics.of_sound(effects.widen(rng, np.stack((noise, noise)), noise, 0.5))
    low, middle, high = (found[f"width {name}, %"] for name in statistics.WIDTH_BANDS)
    assert low < middle < high
    assert low < 4


def test_narrow_makes_mono() -> None:
    stems = np.random.default_rng(0).normal(size=(4, 2, 100)).astype(np.float32)
    mono = effects.narrow(stems, 0)
    np.testing.assert_allclose(mono[:, 0], mono[:, 1])
    np.testing.assert_allclose(effects.narrow(stems, 1), stems, atol=1e-6)


def test_a_lower_rate_takes_the_top_away(rng: np.random.Generator) -> None:
    stems = rng.normal(0, 0.1, (4, 2, RATE)).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(effects.resample(stems, 22050)[0, 0]))
    assert spectrum[11100:].max() < 1e-3 * spectrum[:9000].max()


@pytest.mark.parametrize("codec", sorted(effects.CODECS))
def test_a_codec_changes_little_and_shifts_nothing(rng: np.random.Generator, codec: str) -> None:
    noise = effects.band_pass(rng.normal(0, 0.1, RATE).astype(np.float32), 100, 4000)
    mix = np.stack((noise, 0.5 * noise))
    coded = effects.encode(mix, codec, 128)
    assert coded.shape == mix.shape
    assert np.square(coded - mix).sum() < 0.1 * np.square(mix).sum()


@pytest.mark.parametrize("semitones", [-7, -3, 0, 4, 12])
def test_a_voice_is_moved_by_semitones(semitones: int) -> None:
    voice = voices.analyze(sung(SINE_HZ, 1.5))
    assert voice.pitch == pytest.approx(57, abs=0.1)
    moved = voices.analyze(voices.resung(voice, semitones))
    assert moved.pitch == pytest.approx(57 + semitones, abs=0.15)


def test_speed_and_formants_leave_the_pitch(rng: np.random.Generator) -> None:
    voice = voices.analyze(sung(SINE_HZ, 2))
    faster = voices.resung(voice, 0, speed=1.25, formants=1.2)
    assert len(faster) == int(len(voice.samples) / 1.25)
    assert voices.analyze(faster).pitch == pytest.approx(57, abs=0.1)

    def centroid(sound: Sound) -> float:
        spectrum = np.abs(np.fft.rfft(sound)) ** 2
        return float((np.fft.rfftfreq(len(sound), 1 / RATE) * spectrum).sum() / spectrum.sum())

    assert centroid(faster) > 1.02 * centroid(voice.samples)


def test_a_voice_sings_a_melody(rng: np.random.Generator) -> None:
    notes = [scores.Note(0, 57, 1, 1), scores.Note(1, 62, 1, 1)]
    found = voices.analyze(voices.on_melody(rng, voices.analyze(sung(SINE_HZ, 2)), notes)).hertz
    first, second = (69 + 12 * np.log2(np.median(part[part > 0]) / 440) for part in (found[20:80], found[120:180]))
    assert second - first == pytest.approx(5, abs=0.6)


def test_noise_is_not_voiced(rng: np.random.Generator) -> None:
    voice = voices.analyze(rng.normal(0, 0.1, RATE).astype(np.float32))
    assert np.mean(voice.hertz > 0) < 0.2
    assert np.isnan(voices.analyze(np.zeros(RATE, np.float32)).pitch)
    assert len(voices.resung(voice, 5)) == RATE


def test_short_midi_repeats_and_long_midi_is_cut(data: Path) -> None:
    notes = scores.groove(np.random.default_rng(0), (data / "midi" / "train.mid",))
    assert 30 <= len(notes) <= 40  # a hit every 0.25 s
    assert all(0 <= note.time < scores.SECONDS for note in notes)


def test_arrangements_are_ten_seconds_of_a_band(data: Path) -> None:
    rng = np.random.default_rng(0)
    drums = basses = 0
    for _ in range(30):
        found = scores.arrangement(rng, ())
        drums, basses = drums + bool(found.drums), basses + bool(found.bass)
        for part in (found.drums, found.bass, *found.others):
            assert all(0 <= note.time < scores.SECONDS and note.seconds > 0 and 0 < note.gain <= 1 for note in part)
        if found.bass:
            assert np.median([note.pitch for note in found.bass]) < 50
    assert drums > 4
    assert basses > 4


def test_statistics_of_known_sounds() -> None:
    tone = sine(1000, 4)
    found = statistics.of_sound(np.stack((tone, tone)))
    assert found["1000 Hz, dB"] == pytest.approx(0, abs=0.01)
    assert found["4000 Hz, dB"] < -60
    assert found["width 300 to 3000 Hz, %"] == pytest.approx(0, abs=1e-6)
    assert found["density, %"] == 100
    left = statistics.of_sound(np.stack((tone, 0 * tone)))
    assert left["width 300 to 3000 Hz, %"] == pytest.approx(50, abs=1e-3)
    half = tone.copy()
    half[: len(half) // 2] = 0
    assert statistics.of_sound(np.stack((half, half)))["density, %"] == pytest.approx(50, abs=2)
    stems = np.stack([np.stack((sine(h, 4, a),) * 2) for h, a in ((100, 0.4), (200, 0.2), (400, 0.1), (800, 0))])
    rows = statistics.of_mixes([stems])
    assert rows["drums", "level in the mix, dB"] == [pytest.approx(10 * np.log10(16 / 21), abs=0.01)]
    assert ("vocals", "density, %") not in rows
    assert "| density, % |" in statistics.table(rows, {})

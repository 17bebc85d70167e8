"""Examples, the loss and the training: the loss is the separation error, and an interruption changes nothing."""

import csv
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training.examples import CONFIG, NAMES, example, load, path_of, spectra_of, split  # noqa: E402
from training.material import RATE, STEMS, Sound  # noqa: E402
from training.network import Network, augmented, errors, loss, network_of, of_mix, scores, weights_of  # noqa: E402

from mirkit.separation import network as inference  # noqa: E402
from mirkit.separation.tiles import BANDS, Parts, band_bank, tile_features  # noqa: E402
from training import evaluate, examples, train  # noqa: E402


def stems_of(seed: int, absent: int | None = None) -> Sound:
    """Half a second of clicks, a low tone, a high tone to the left, and a tone in the center."""
    rng = np.random.default_rng(seed)
    time = np.arange(RATE // 2) / RATE
    hits = np.zeros(len(time))
    hits[:: RATE // 8] = 1
    drums = np.convolve(hits, rng.normal(0, 1, 400) * np.exp(-np.arange(400) / 80))[: len(time)]
    low, left, center = (0.1 * np.sin(2 * np.pi * rng.uniform(*r) * time) for r in ((50, 90), (2e3, 4e3), (400, 900)))
    stems = np.stack([[drums, drums], [low, low], [left, 0 * left], [center, center]]).astype(np.float32)
    if absent is not None:
        stems[absent] = 0
    return stems


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three examples for training, and of two for validation."""
    folder = tmp_path_factory.mktemp("examples")
    for first, seeds in ((0, (1, 2, 3)), (900_000, (4, 5))):
        made = [example(stems.sum(axis=0), stems) for stems in (stems_of(s, absent=s % 4) for s in seeds)]
        np.savez(path_of(folder, first), **{name: np.stack([getattr(e, name) for e in made]) for name in NAMES})
    return folder


def test_each_bin_is_split_among_bands_and_parts() -> None:
    bank = band_bank(CONFIG.bins).dense
    np.testing.assert_allclose(bank.sum(axis=0), 1, atol=1e-5)
    assert (bank >= 0).all()
    shares = np.random.default_rng(0).uniform(size=(2, 5, 7)).astype(np.float32)
    np.testing.assert_allclose(split(*shares).sum(axis=0), 1, atol=1e-6)


def test_features_do_not_depend_on_the_level() -> None:
    mix = stems_of(1).sum(axis=0)
    loud, quiet = (tile_features(s, Parts.of(s)) for s in (spectra_of(mix), spectra_of(0.01 * mix)))
    assert loud.shape[1:] == (BANDS, 8)
    np.testing.assert_allclose(loud, quiet, atol=1e-3)


def test_the_error_is_that_of_the_spectra() -> None:
    """With the same gain everywhere, the estimate is the scaled mix, whose error is known."""
    stems = stems_of(2)
    mix = stems.sum(axis=0)
    batch = train.one(example(mix, stems))
    spectra, own = spectra_of(mix), [spectra_of(stem) for stem in stems]
    unit = float((np.abs(own[0]) ** 2).sum()) / float(batch["energies"][0, 0])
    for gain in (0.0, 0.3, 1.0):
        error, estimate = errors(torch.full_like(batch["correlations"], gain), *(batch[n] for n in NAMES[1:]))
        expected = [float((np.abs(gain * spectra - s) ** 2).sum()) / unit for s in own]
        np.testing.assert_allclose(error[0], expected, rtol=5e-3, atol=1e-3 * float(of_mix(batch["products"])))
        assert float(estimate[0, 0]) == pytest.approx(gain**2 * float((np.abs(spectra) ** 2).sum()) / unit, rel=2e-3)


def test_the_true_masks_separate_and_the_leak_is_that_of_the_mix() -> None:
    stems = stems_of(3, absent=3)
    batch = train.one(example(stems.sum(axis=0), stems))
    none, everything = (torch.full_like(batch["correlations"], value) for value in (0.0, 1.0))
    _, leak, there = scores(everything, batch)
    assert there[0].tolist() == [True, True, True, False]
    assert float(leak[0, 3]) == pytest.approx(0, abs=0.02)
    sdr, leak, _ = scores(none, batch)
    assert float(leak[0, 3]) == pytest.approx(-40, abs=0.01)
    np.testing.assert_allclose(sdr[0, :3], 0, atol=1e-4)


def test_the_signal_processing_finds_what_it_is_made_for() -> None:
    stems = stems_of(1)
    row = train.evaluate(Network(4), [train.one(example(stems.sum(axis=0), stems))])
    assert all(row[f"sdr_{stem}"] > 3 for stem in STEMS), row
    gain = Network(4).gains(torch.randn(1, 2, BANDS, 3, 4))
    assert torch.allclose(gain.sum(dim=-2), torch.tensor(1.0))


def test_an_untrained_network_changes_nothing(folder: Path) -> None:
    batch = train.batches_of(folder, "validation")[0]
    assert not Network(8)(batch["features"])[0].any()
    changed = augmented(batch["features"], torch.Generator().manual_seed(0))
    assert changed.shape == batch["features"].shape
    assert not torch.equal(changed, batch["features"])


def test_training_reduces_the_loss_and_can_be_interrupted(folder: Path, tmp_path: Path) -> None:
    arrays, sets = load(sorted(folder.glob("training_*.npz"))), {"renderings": train.batches_of(folder, "validation")}
    settings = train.Settings(epochs=4, channels=6, batch=3, warmup=1, rate=0.02)
    whole = train.Run(tmp_path / "whole", settings)
    whole.train(arrays, sets)
    assert whole.history[-1]["loss"] < whole.history[0]["loss"]

    stopped = train.Run(tmp_path / "parts", settings)
    save, stopped._save = stopped._save, lambda chosen_by: stop(save, chosen_by, stopped)
    with pytest.raises(KeyboardInterrupt):
        stopped.train(arrays, sets)
    again = train.Run(tmp_path / "parts", settings)
    assert len(again.history) == 2
    again.train(arrays, sets)
    for name, tensor in whole.network.state_dict().items():
        torch.testing.assert_close(again.network.state_dict()[name], tensor, rtol=0, atol=0)
    with (tmp_path / "parts" / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert float(rows[3]["loss"]) == whole.history[3]["loss"]

    best = max(row["renderings_sdr_mean"] for row in whole.history)
    network = evaluate.network_from(tmp_path / "whole" / "weights.npz")
    assert train.evaluate(network, sets["renderings"])["sdr_mean"] == pytest.approx(best, abs=1e-3)
    lines = evaluate.table(network, sets).splitlines()
    assert [text.split("|")[2].strip() for text in lines[2:]] == ["mix", "signal processing", "network"]
    assert f" {best:.2f} |" in lines[-1]

    with pytest.raises(SystemExit, match=r"other settings \(seed\)"):
        train.Run(tmp_path / "parts", train.Settings(**{**vars(settings), "seed": 1}))


def stop(save, chosen_by: str, run: train.Run) -> None:
    if len(run.history) == 3:
        raise KeyboardInterrupt
    save(chosen_by)


def test_a_second_call_trains_no_more(folder: Path, tmp_path: Path) -> None:
    arrays, sets = load(sorted(folder.glob("training_*.npz"))), {"renderings": train.batches_of(folder, "validation")}
    settings = train.Settings(epochs=1, channels=4, batch=2)
    train.Run(tmp_path, settings).train(arrays, sets)
    before = (tmp_path / "weights.npz").stat().st_mtime_ns
    train.Run(tmp_path, settings).train(arrays, sets)
    assert (tmp_path / "weights.npz").stat().st_mtime_ns == before


def test_gradients_reach_every_weight(folder: Path) -> None:
    batch = train.batches_of(folder, "validation")[0]
    network = Network(6)
    torch.nn.init.normal_(network.output.weight)
    loss(network, batch["features"], batch).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_a_folder_holds_examples_of_each_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    silence = np.zeros((2, RATE), np.float32)
    monkeypatch.setattr(examples, "sources", lambda *a: calls.append(a[1:]) or (None, []))
    monkeypatch.setattr(examples, "mix", lambda number, source: (silence, np.zeros((4, 2, RATE), np.float32)))
    monkeypatch.setattr(examples, "remixed", lambda number, songs: stems_of(number)[:, :, : RATE // 2])
    monkeypatch.setattr(
        examples, "songs", lambda data, validation: {} if validation else pytest.fail("songs of training")
    )
    for numbers in (range(2), range(900_000, 900_002), range(950_000, 950_002)):
        examples.write(path_of(tmp_path, numbers.start), numbers, tmp_path, tmp_path, ["singing"])
    assert calls == [(False, tmp_path, ["singing"]), (True, tmp_path, ())]
    assert [len(train.batches_of(tmp_path, kind)) for kind in ("training", "validation", "remixed")] == [1, 1, 1]
    assert len(train.batches_of(tmp_path, "remixed", size=1)) == 2


def test_without_examples_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["train", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"holds no examples; run python -m training\.examples first"):
        train.main()
    monkeypatch.setattr("sys.argv", ["evaluate", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"run python -m training\.train first"):
        evaluate.main()


def test_mirkit_computes_the_same_without_pytorch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = Network(6)
    for weights in network.parameters():
        torch.nn.init.normal_(weights, std=1.0)
    stored = weights_of(network)
    network = network_of(stored)  # to half precision
    network.eval()
    features = train.batches_of(folder, "validation")[0]["features"][:1]
    with torch.no_grad():
        change, _ = network(features)
        gains = network.gains(change, bass=0.0)[0].numpy()
    loaded = inference.Network({name: np.ascontiguousarray(array, np.float32) for name, array in stored.items()})
    assert np.abs(change[0]).max() > 1
    np.testing.assert_allclose(loaded.correction(features[0].numpy()), change[0], atol=1e-3)
    monkeypatch.setattr(inference, "trained", lambda: loaded)
    found = inference.tile_shares(features[0].numpy())
    np.testing.assert_allclose(found, gains[:, :, [0, 1, 3]], atol=1e-3)
    assert (found >= 0).all()
    assert (found.sum(axis=2) <= 1 + 1e-6).all()

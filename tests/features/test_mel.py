import numpy as np
import pytest

from mirkit.features.stft import MelBank


def dense(bank: MelBank) -> np.ndarray:
    out = np.zeros((bank.n_mels, bank.n_bins), np.float32)
    for m, (start, stop) in enumerate(zip(bank.offsets, bank.offsets[1:], strict=False)):
        out[m, bank.first[m] : bank.first[m] + stop - start] = bank.weights[start:stop]
    return out


@pytest.mark.reference
@pytest.mark.parametrize("n_mels", [40, 128])
def test_weights_are_those_of_librosa(n_mels):
    librosa = pytest.importorskip("librosa")
    expected = librosa.filters.mel(sr=44100, n_fft=2048, n_mels=n_mels)
    np.testing.assert_allclose(dense(MelBank(n_mels)), expected, rtol=1e-5, atol=1e-9)


def test_filters_have_unit_area():
    weights = dense(MelBank(40))
    # The lowest filters hold too few bins for the sum to be the integral.
    np.testing.assert_allclose(weights[10:].sum(axis=1) * 44100 / 2048, 1, rtol=0.02)


@pytest.mark.parametrize("frames", [0, 1, 3, 4, 9])
def test_product_is_that_of_the_dense_matrix(rng, frames):
    bank = MelBank(128)
    power = rng.random((frames, 1025), dtype=np.float32)
    np.testing.assert_allclose(bank.apply(power), power @ dense(bank).T.astype(np.float64), rtol=1e-5)


def test_frames_do_not_depend_on_their_neighbors(rng):
    bank = MelBank(40)
    power = rng.random((11, 1025), dtype=np.float32)
    one_by_one = np.concatenate([bank.apply(power[i : i + 1]) for i in range(11)])
    assert np.array_equal(bank.apply(power), one_by_one)


def test_wrong_number_of_bins_is_refused():
    with pytest.raises(ValueError, match="1025"):
        MelBank(40).apply(np.zeros((2, 513), np.float32))

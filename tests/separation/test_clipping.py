import numpy as np

from mirkit.separation import fit_full_scale


def test_stems_within_full_scale_are_left_alone() -> None:
    stems = np.array([[[0.5, -0.7]], [[0.5, 0.2]]], np.float32)
    assert fit_full_scale(stems, stems.sum(axis=0)) is stems


def test_excess_goes_where_there_is_room(rng: np.random.Generator) -> None:
    stems = rng.normal(0, 1.5, (4, 2, 5000)).astype(np.float32)
    stems[3] -= stems.sum(axis=0) - np.clip(stems.sum(axis=0), -1, 1)
    mix = stems.sum(axis=0)
    fitted = fit_full_scale(stems, mix)
    assert np.abs(stems).max() > 2
    assert np.abs(fitted).max() <= np.maximum(1, np.abs(mix)).max()
    np.testing.assert_allclose(fitted.sum(axis=0), mix, atol=5e-6)  # seen: 7.2e-7, rounding in single precision


def test_a_mix_beyond_full_scale_keeps_its_sum() -> None:
    mix = np.array([[1.5]], np.float32)
    fitted = fit_full_scale(np.array([[[4.0]], [[-2.5]]], np.float32), mix)
    np.testing.assert_allclose(fitted.sum(axis=0), mix)
    assert np.abs(fitted).max() <= 1.5

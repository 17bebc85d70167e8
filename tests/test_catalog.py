"""Every row of every table."""

import re

import pytest

from mirkit import catalog
from mirkit.catalog import FEATURES, GROUPS, MEASURED, STAGES, STEMS, TEXT_KEYS, TRACK_KEYS
from mirkit.models import registry
from mirkit.stages import stage_function

STAGE_NAMES = [stage.name for stage in STAGES]
SOURCES = {"full_mix", "tonal", *STEMS}


def test_numbers_of_features() -> None:
    assert len(FEATURES) == 78
    assert len(TRACK_KEYS) == 77
    assert len(TEXT_KEYS) == 5
    assert len({key.name for key in FEATURES}) == 78


@pytest.mark.parametrize("key", FEATURES, ids=lambda key: key.name)
def test_key(key: catalog.FeatureSpec) -> None:
    assert key.stage in STAGE_NAMES or key.name == "position"
    assert re.fullmatch(r"[a-z][a-z0-9_]*", key.name)
    assert key.low is None or key.high is None or key.low < key.high
    assert key.unit
    assert key.description
    assert (key.kind == "flag") == (key.unit == "flag")


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_stage(stage: catalog.Stage) -> None:
    assert stage.version >= 1
    assert {part for part, _ in stage.series} <= SOURCES
    before = STAGE_NAMES[: STAGE_NAMES.index(stage.name)]
    assert set(stage.needs) <= set(before), "a stage needs only stages before it"
    assert not stage.task or stage.task in catalog.TASKS


@pytest.mark.parametrize("name", ["drums", *MEASURED])
def test_every_stage_has_a_registered_function(name: str) -> None:
    assert stage_function(catalog.stage(name)).__doc__


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_group(group: catalog.Group) -> None:
    assert set(group.stages) <= set(STAGE_NAMES)


@pytest.mark.parametrize("backend", registry.built_in(), ids=lambda row: f"{row.task}-{row.name}")
def test_backend(backend: registry.Backend) -> None:
    assert backend.code_license
    assert backend.weights_license
    installed = any(model.install for model in backend.weights)
    assert not backend.is_network or backend.extra or installed, "what is no part of mirkit has to be installed"
    assert backend.name != "embedded" or (backend.commercial and not backend.package)


def test_needs_are_followed_in_order() -> None:
    assert catalog.with_needs(("stem_harmonic",)) == ("beats", "stem_harmonic")
    assert catalog.with_needs(("danceability", "syncopation")) == ("beats", "onsets", "syncopation", "danceability")


#: Ranges of the contract, by the beginning of the name; the longest one that fits counts.
RANGES: dict[str, tuple[float, float | None]] = {
    "bpm": (40, 300),
    "bpm_is_defined": (0, 1),
    "beat_count": (0, None),
    "beat_regularity": (0, 0.5),
    "syncopation": (0, 1),
    "on_beat_ratio": (0, 1),
    "onset_count": (0, None),
    "onset_density": (0, 50),
    "onset_density_variance": (0, 100),
    "onset_strength": (0, 40),
    "rhythmic_": (0, 1),
    "ioi_": (0, 10),
    "lufs": (-70, 0),
    "lra": (0, 40),
    "spectral_flatness": (0, 1),
    "spectral_flux": (0, 3),
    "spectral_skewness": (-20, 20),
    "spectral_kurtosis": (1, 1000),
    "rms_energy_": (-120, 0),
    "chroma_": (0, 1),
    "harmonic_": (0, 1),
    **dict.fromkeys(("brightness", "roughness", "hardness", "depth", "booming", "reverberation"), (0, 100)),
    **dict.fromkeys(("sharpness", "warmth"), (0, 100)),
    **dict.fromkeys(("content_", "production_"), (1, 10)),
    **dict.fromkeys(("danceability", "atonality", "position"), (0, 1)),
}


@pytest.mark.parametrize("key", FEATURES, ids=lambda key: key.name)
def test_ranges_are_those_of_the_contract(key: catalog.FeatureSpec) -> None:
    assert (key.low, key.high) == RANGES[max((p for p in RANGES if key.name.startswith(p)), key=len)]


def test_features_of_the_length_repeat_another_one() -> None:
    assert {key.name: key.repeats for key in FEATURES if key.repeats} == {
        "beat_count": "bpm",
        "onset_count": "onset_density",
    }

"""Splits: whole groups, the share, the seed; and which tracks belong together."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.artist_pairs import DIFFERENT, SAME
from mirkit.dataset.duplicates import TrackNames, group_tracks
from mirkit.dataset.duplicates.find import Duplicates
from mirkit.dataset.duplicates.names import artist_keys, tags_of_path
from mirkit.dataset.split import split, split_tracks
from mirkit.errors import SettingsError
from mirkit.track import Track

groupings = st.lists(st.integers(1, 6), max_size=40).map(
    lambda sizes: [[f"{g}-{i}" for i in range(size)] for g, size in enumerate(sizes)]
)


@given(groupings, st.floats(0, 0.99), st.integers(0, 5), st.randoms())
def test_every_name_once_and_no_group_on_both_sides(groups, share, seed, random) -> None:
    train, val, test = split(groups, share, seed)
    assert not test
    names = [name for group in groups for name in group]
    assert sorted((*train, *val)) == sorted(names)
    assert all(not set(group) & set(val) or set(group) <= set(val) for group in groups)
    if len(val) > share * len(names) + 1e-6:  # only where not even the smallest group had room
        assert set(val) in [set(group) for group in groups if len(group) == min(map(len, groups))]
    if share and len(groups) > 1:
        assert val
        assert train
    for group in groups:
        random.shuffle(group)
    random.shuffle(groups)
    assert split(groups, share, seed) == (train, val, ())


def test_the_seed_decides() -> None:
    groups = [[f"t{i}"] for i in range(200)]
    validations = {split(groups, 0.1, seed)[1] for seed in range(20)}
    assert len(validations) == 20
    assert {len(val) for val in validations} == {20}
    # What is added later moves few of the others.
    before, after = split(groups, 0.1, 1)[1], split([*groups, ["new"]], 0.1, 1)[1]
    assert len(set(before) & set(after)) >= 19


@pytest.mark.parametrize("share", [-0.1, 1.0, 7.0, float("nan")])
def test_a_share_that_is_none(share: float) -> None:
    with pytest.raises(SettingsError, match="0 or more and less than 1"):
        split([["a"], ["b"]], share, 0)


def test_a_test_beside_the_validation() -> None:
    groups = [[f"t{i}", f"u{i}"] for i in range(50)]
    plain = split(groups, 0.1, 3)
    train, val, test = split(groups, 0.1, 3, test_share=0.2)
    assert (len(train), len(val), len(test)) == (70, 10, 20)
    assert val == plain[1]
    assert not {name[1:] for name in val} & {name[1:] for name in test}
    assert sorted((*train, *val, *test)) == sorted(name for group in groups for name in group)
    # Something is left for training, and each share that is not 0 gets a group while there is one.
    assert list(map(len, split([["a"], ["b"], ["c"]], 0.1, 0, test_share=0.1))) == [1, 1, 1]
    assert list(map(len, split([["a"], ["b"]], 0.1, 0, test_share=0.1))) == [1, 1, 0]
    with pytest.raises(SettingsError, match="leave nothing for training"):
        split(groups, 0.5, 0, test_share=0.5)


def test_one_group_is_all_training() -> None:
    assert split([["a", "b"]], 0.5, 0) == (("a", "b"), (), ())
    assert split([], 0.5, 0) == ((), (), ())


TRACKS = [
    TrackNames(("Aa",), album="One"),
    TrackNames(("aa feat. Bb",), album="Two"),
    TrackNames(("Bb",), album="Three"),
    TrackNames(("Various Artists",), album="Mix", folder="mix"),
    TrackNames(("Cc",), album="mix ", folder="mix"),
    TrackNames(("Various Artists",), album="Other mix", folder="mix"),
    TrackNames(),
    TrackNames(),
]


@pytest.mark.parametrize(
    ("keys", "groups"),
    [
        (("artist", "album"), [[0, 1], [2], [3, 4], [5], [6, 7]]),
        (("artist",), [[0, 1], [2], [3], [4], [5], [6, 7]]),
        (("album",), [[0], [1], [2], [3, 4], [5], [6, 7]]),
        ((), [[0], [1], [2], [3], [4], [5], [6, 7]]),
    ],
)
def test_what_belongs_together(keys: tuple, groups: list[list[int]]) -> None:
    assert group_tracks(TRACKS, [[6, 7]], keys) == groups


def test_an_albums_artist_counts_too() -> None:
    tracks = [TrackNames(("Aa",)), TrackNames(("Guest",), "AA"), TrackNames(("Guest",))]
    assert group_tracks(tracks, [], ("artist",)) == [[0, 1, 2]]


def test_groups_grow_by_what_their_tracks_share() -> None:
    tracks = [
        TrackNames(("a",), folder="p"),
        TrackNames(album="x", folder="p"),
        TrackNames(),
        TrackNames(("b",), album="y", folder="p"),
        TrackNames(),
        TrackNames(("A",), album="y", folder="p"),
    ]
    assert group_tracks(tracks, []) == [[0, 3, 5], [1], [2], [4]]
    assert group_tracks(tracks, [[1, 4]], ()) == [[0], [1, 4], [2], [3], [5]]


def test_albums_of_one_title_are_told_apart_by_artist_and_folder() -> None:
    tracks = [
        TrackNames(("Joni",), album="Blue", folder="Joni/Blue"),
        TrackNames(("LeAnn",), album="Blue", folder="LeAnn/Blue"),
        TrackNames(("Other",), album="Blue", folder="LeAnn/Blue"),
        TrackNames(("X",), "Various Artists", "Blue"),
        TrackNames(("Y",), "Various Artists", "Blue (CD 2)"),
        TrackNames(("Z",), album="Greatest Hits", folder="all"),
        TrackNames(("W",), album="Greatest Hits", folder="all"),
    ]
    assert group_tracks(tracks, []) == [[0], [1, 2], [3, 4], [5], [6]]


@pytest.mark.parametrize("pair", SAME, ids=" | ".join)
def test_spellings_of_one_artist(pair: tuple[str, str]) -> None:
    assert artist_keys(pair[:1]) & artist_keys(pair[1:])


@pytest.mark.parametrize("pair", DIFFERENT, ids=" | ".join)
def test_artists_with_similar_names_and_placeholders(pair: tuple[str, str]) -> None:
    assert not artist_keys(pair[:1]) & artist_keys(pair[1:])


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("A - B - C", ("A", "B")),
        ("A - C", ("A", None)),
        ("C", (None, None)),
        ("Artist - 01 - Title", ("Artist", None)),
        ("Artist - Album - 01 - Title", ("Artist", "Album")),
        ("Artist/Album/01 - Title", ("Artist", "Album")),
        ("Artist/Album/CD 2/03. Title", ("Artist", "Album")),
        ("Artist - Album/07 Title", ("Artist", "Album")),
        ("01 - Title", (None, None)),
    ],
)
def test_paths_name_what_tags_do_not(path: str, names: tuple[str | None, str | None]) -> None:
    told = tags_of_path(path.split("/"))
    assert (told.get("artist"), told.get("album")) == names


def test_tracks_are_split_by_their_tags(tmp_path: Path) -> None:
    tracks = []
    for name, artist in (("one", "X"), ("two", "x"), ("three", "Y"), ("X - four", None), ("five", "Z"), ("six", "W")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "full_mix.flac").touch()
        track = Track.at(folder)
        if artist:
            facts = {"facts": {"tags": {"value": {"artist": artist, "year": 1999}}}}
            track.provenance.write_text(json.dumps(facts))
        tracks.append(track)
    tracks[-1].provenance.write_text("no JSON")  # then its name tells
    names = [track.name for track in tracks]
    parted = split_tracks(tracks, names, 0.5, 3, duplicates=Duplicates(groups=[[2, 5]]))
    assert parted.groups == (("X - four", "one", "two"), ("six", "three"))
    assert set(parted.train) | set(parted.val) == set(names)
    for group in parted.groups:
        assert set(group) <= set(parted.val) or set(group) <= set(parted.train)

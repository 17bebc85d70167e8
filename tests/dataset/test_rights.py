"""Licenses by name, rights from tags and ``rights.csv``, and what an export does with them."""

import csv
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from mutagen.flac import FLAC

from export.measured import make_clips
from library import make_track
from mirkit.cli import main
from mirkit.dataset.licenses import license_name, license_of, permits
from mirkit.dataset.rights import RightsReader
from mirkit.errors import SettingsError
from mirkit.track import Track

pytestmark = pytest.mark.usefixtures("in_process")

STATEMENTS = {
    "http://creativecommons.org/licenses/by-nc/3.0/us/": "cc-by-nc-3.0",
    "https://creativecommons.org/licenses/by/4.0/": "cc-by-4.0",
    "https://creativecommons.org/publicdomain/zero/1.0/": "cc0-1.0",
    "http://creativecommons.org/publicdomain/mark/1.0/": "public-domain",
    "2014 X. Licensed to the public under http://creativecommons.org/licenses/by-nc-sa/3.0/ verify at http://x/": (
        "cc-by-nc-sa-3.0"
    ),
    "CC0": "cc0-1.0",
    "CC0 1.0 Universal": "cc0-1.0",
    "Creative Commons 0": "cc0-1.0",
    "Creative Commons Zero": "cc0-1.0",
    "Attribution": "cc-by",
    "Attribution NonCommercial": "cc-by-nc",
    "Attribution-NonCommercial-ShareAlike 4.0 International (CC BY-NC-SA 4.0)": "cc-by-nc-sa-4.0",
    "Creative Commons Attribution 3.0 Unported": "cc-by-3.0",
    "Creative Commons Attribution-Noncommercial-No Derivative Works 3.0": "cc-by-nc-nd-3.0",
    "Creative Commons Attribution-NonCommercial-NoDerivs 2.5": "cc-by-nc-nd-2.5",
    "cc-by-nc-nd": "cc-by-nc-nd",
    "cc_by_sa_4.0": "cc-by-sa-4.0",
    "CC BY 4.0": "cc-by-4.0",
    "Public Domain": "public-domain",
    "© 2020 Foo. All Rights Reserved.": "all-rights-reserved",
    "(c) 2019 A Label": None,
    "This is not CC0": None,
    "CC BY 4.0 or CC BY-NC 4.0": None,
    "CC BY 4.0. All rights reserved.": None,
    "Attribution to the author is required": None,
    "accord CCO": None,
    "": None,
}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_statement_names_one_license_or_none(statement: str) -> None:
    assert license_of(statement) == STATEMENTS[statement]


def test_the_name_of_a_license_is_its_own_name() -> None:
    for name in {name for name in STATEMENTS.values() if name} | {"label-contract-7", "mit"}:
        assert license_name(name) == name


@pytest.mark.parametrize(
    ("allowed", "license", "yes"),
    [
        ("cc-by", "cc-by-4.0", True),
        ("cc-by", "cc-by", True),
        ("cc-by", "cc-by-nc-4.0", False),
        ("cc-by", "cc-by-sa-4.0", False),
        ("cc-by-4.0", "cc-by-3.0", False),
        ("cc-by-4.0", "cc-by", False),
        ("cc0-1.0", "cc0-1.0", True),
        ("my", "my-7", True),
        ("my", "my-label", False),
    ],
)
def test_a_name_without_version_permits_all_versions(allowed: str, license: str, yes: bool) -> None:
    assert permits([allowed], license) is yes


def tag(folder: Path, **tags: str) -> None:
    file = FLAC(folder / "full_mix.flac")
    file.update({name.upper(): text for name, text in tags.items()})
    file.save()


def rights_in(root: Path) -> dict[str, Any]:
    reader = RightsReader(root)
    return {folder.name: reader.of(Track.at(folder)) for folder in sorted(root.glob("[!.]*")) if folder.is_dir()}


def test_tags_state_rights_and_the_table_comes_before_them(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        make_track(tmp_path / name, seconds=1.0)
    tag(tmp_path / "a", license="https://creativecommons.org/licenses/by/4.0/", artist="Ann", source="https://x/1")
    tag(tmp_path / "b", copyright="(c) 2020 Ben. CC BY-NC 4.0", ai_training="no")
    tag(tmp_path / "c", license="CC BY 4.0", copyright="All rights reserved")
    tag(tmp_path / "d", license="Studio contract 7", **{"tdm-reservation": "1"})
    found = rights_in(tmp_path)
    assert found["a"].as_dict() == {"source": "https://x/1", "license": "cc-by-4.0", "attribution": "Ann"}
    assert found["b"].as_dict() == {
        "license": "cc-by-nc-4.0",
        "attribution": "(c) 2020 Ben. CC BY-NC 4.0",
        "ai_training": False,
    }
    assert (found["c"].license, found["c"].conflict) == ("", "the tags name several: all-rights-reserved, cc-by-4.0")
    assert (found["d"].license, found["d"].ai_training) == ("studio-contract-7", False)

    (tmp_path / "rights.csv").write_text(
        "\ufeffFile;Licence;AI_Training\n*;;yes\n c ;CC0;\nb/full_mix.flac;;unknown\n./d/;;YES\n", encoding="utf-8"
    )
    found = rights_in(tmp_path)
    assert [found[name].license for name in "abcd"] == ["cc-by-4.0", "cc-by-nc-4.0", "cc0-1.0", "studio-contract-7"]
    assert [found[name].ai_training for name in "abcd"] == [True, True, True, True]
    assert found["c"].conflict == ""
    assert found["c"].origin["license"] == "rights.csv, line 3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("a,b\n1,2\n", "the first line must name the columns path"),
        ("path,license,licence\nx,cc0,cc0\n", "two columns hold the license"),
        ("path,license\n,cc0\n", "line 2: the path is missing"),
        ("path,ai_training\nx,yes\ny,perhaps\n", "line 3: ai_training is 'perhaps'; write yes or no"),
        ('path,license\n"x,cc0\n', "cannot be read as CSV"),
    ],
)
def test_a_wrong_table_is_refused(text: str, message: str, tmp_path: Path) -> None:
    make_track(tmp_path / "x", seconds=1.0)
    (tmp_path / "rights.csv").write_text(text)
    with pytest.raises(SettingsError, match=message.replace("(", r"\(")):
        RightsReader(tmp_path)
    (tmp_path / "rights.csv").write_bytes(b"path,license\nx,\xff\n")
    with pytest.raises(SettingsError, match="not UTF-8"):
        RightsReader(tmp_path)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Five tracks, each with other rights."""
    root = make_clips(tmp_path / "music", tracks=5, clips=1)
    rows = ["0*,cc0,", "1*,CC BY 4.0,yes", "2*,CC BY-NC 4.0,yes", "3*,cc-by-4.0,no"]
    (root / "rights.csv").write_text(
        "path,license,ai_training,attribution,source\n" + "".join(f"Artist {row},=1+1,https://x\n" for row in rows)
    )
    return root


@pytest.mark.parametrize(
    ("words", "tracks"),
    [
        ([], "0124"),
        (["--license", "cc0,cc-by"], "01"),
        (["--license", "cc-by-nc-4.0"], "2"),
        (["--strict-rights"], "12"),
        (["--license", "CC0,cc-by", "--strict-rights"], "1"),
    ],
)
@pytest.mark.parametrize("target", ["sat", "csv"])
def test_exactly_the_permitted_tracks_are_exported(
    target: str, words: list[str], tracks: str, mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    options = ["--val", "0", "-j", "1", "--keep-duplicates", "--json", *words]
    assert main(["export", target, str(mixed), "-o", str(out), *options]) == 0
    rights = json.loads(capsys.readouterr().out)["export"]["rights"]
    assert "".join(sorted(name[7] for name in rights["left out"])) == "".join(sorted(set("01234") - set(tracks)))
    assert rights["left out"][next(name for name in rights["left out"] if name[7] == "3")].startswith(
        "its rights forbid AI training (rights.csv, line 5)"
    )
    if target == "csv":
        rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    else:
        rows = list(csv.DictReader((out / "mirkit_rights.csv").read_text(encoding="utf-8").splitlines()))
        assert {row["path"][7] for row in rows} == set(tracks)
        for row in rows:
            mix = mixed / row["path"] / "full_mix.flac"
            assert row["sha256"] == sha256(mix.read_bytes()).hexdigest()
            assert row["attribution"] == ("Artist 4" if row["path"][7] == "4" else "'=1+1")
        rows = [{"source": row["path"]} for row in rows]
    assert {row["source"][7] for row in rows} == set(tracks)


def test_nothing_permitted_is_an_error_that_names_the_reason(
    mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "sat", str(mixed), "-o", str(tmp_path / "b"), "--license", "cc-by-sa"]) == 1
    assert "its license is cc0-1.0 (rights.csv, line 2)" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()
    assert main(["export", "sat", str(mixed), "-o", str(tmp_path / "b"), "--license", "CC: BY"]) == 2


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ("cc0,cc-byy", "--license 'cc-byy': no track has this license, and it is not the name of a known one; did you"),
        ("cc0,public-domian", "did you mean public-domain?"),
        ("cc0,bla", "the tracks have cc-by-4.0, cc-by-nc-4.0, cc0-1.0"),
        ("cc0,my-contract-2", "did you mean my-contract-1?"),
    ],
)
def test_a_license_that_is_none_is_told(
    names: str, says: str, mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "contract" in names:
        with (mixed / "rights.csv").open("a") as file:
            file.write("Artist 4*,My contract 1,,,\n")
    words = [
        "export",
        "csv",
        str(mixed),
        "-o",
        str(tmp_path / "t.csv"),
        "--keep-duplicates",
        "--overwrite",
        "--license",
    ]
    assert main([*words, names]) == 0
    assert says in capsys.readouterr().err
    alone = names.partition(",")[2]
    assert main([*words, alone]) == 1  # nothing is left, and the reason comes first
    error = capsys.readouterr().err
    assert says in error
    assert error.index("no track has this license") < error.index("its license is")


@pytest.mark.parametrize("names", ["cc0", "CC-BY", "cc-by-sa", "cc0,my-contract-1", "cc-by-4.0,Public-Domain"])
def test_names_of_licenses_are_not_questioned(
    names: str, mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (mixed / "rights.csv").open("a") as file:
        file.write("Artist 4*,My contract 1,,,\n")
    words = ["export", "csv", str(mixed), "-o", str(tmp_path / "t.csv"), "--keep-duplicates", "--license", names]
    assert main(words) in (0, 1)
    assert "no track has this license" not in capsys.readouterr().err


def test_the_card_lists_every_source(mixed: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    out = tmp_path / "out"
    assert main(["export", "hf", str(mixed), "-o", str(out), "--val", "0", "-j", "1", "--keep-duplicates", "-q"]) == 0
    card = (out / "README.md").read_text()
    assert card.startswith("---\nlicense:\n- cc0-1.0\n- cc-by-4.0\n- cc-by-nc-4.0\n- unknown\n")
    for folder in (folder for folder in mixed.glob("[!.]*") if folder.is_dir() and folder.name[7] != "3"):
        assert sha256((folder / "full_mix.flac").read_bytes()).hexdigest() in card
    assert "For 2 tracks nobody states" in card
    one = tmp_path / "one"
    words = ["--license", "cc-by", "--val", "0", "-j", "1", "-q"]
    assert main(["export", "hf", str(mixed), "-o", str(one), *words]) == 0
    assert (one / "README.md").read_text().startswith("---\nlicense: cc-by-4.0\n")


def test_the_command_shows_rights_and_writes_a_table_to_complete(
    mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rights", str(mixed), "-v"]) == 0
    shown = capsys.readouterr().out
    assert "5 tracks, 1 without a license" in shown
    assert main(["rights", str(mixed), "-o", str(mixed / "rights.csv")]) == 2
    assert "may have been completed by hand; name another file, or add --overwrite" in capsys.readouterr().err
    table = tmp_path / "table.csv"
    assert main(["rights", str(mixed), "-o", str(table), "-q"]) == 0
    (mixed / "rights.csv").write_bytes(table.read_bytes())
    before = json.loads(_json(mixed, capsys))
    assert before["tracks"]["Artist 0 - Träck feat. X 0"]["attribution"] == "=1+1"  # as it was, not escaped twice
    assert [row.get("license") for row in before["tracks"].values()] == [
        *("cc0-1.0", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-4.0", None)
    ]


def test_a_row_that_fits_no_track_is_reported(mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (mixed / "rights.csv").open("a") as file:
        file.write("Artist 9,cc0,,,\n")
    assert main(["rights", str(mixed)]) == 1
    assert "line 6: 'Artist 9' fits no track" in capsys.readouterr().err
    assert main(["export", "csv", str(mixed), "-o", str(mixed.parent / "t.csv"), "--keep-duplicates"]) == 0
    assert "fits no track of this export; check the file with: mirkit rights" in capsys.readouterr().err


def test_several_rows_for_a_track_are_one_line(mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "Artist 2 - Träck feat. X 2"
    assert main(["rights", str(mixed)]) == 0
    assert "several rows" not in capsys.readouterr().err
    with (mixed / "rights.csv").open("a") as file:  # a row for several tracks, and one for a track, are no such case
        file.write(f"{name},cc-by,,,\n")
    assert main(["rights", str(mixed)]) == 0
    assert "several rows" not in capsys.readouterr().err
    with (mixed / "rights.csv").open("a") as file:
        file.write(f"{name}/full_mix.flac,cc0,,,\n")
    assert main(["rights", str(mixed)]) == 0
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"1 track with several rows, for example {name} (lines 6 and 7); where they differ, the last one" in error
    assert json.loads(_json(mixed, capsys))["tracks"][name]["license"] == "cc0-1.0"


def test_what_to_do_with_the_table_depends_on_what_is_there(
    mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there, other = mixed / "rights.csv", tmp_path / "other.csv"
    assert main(["rights", str(mixed), "-o", str(other)]) == 0
    assert f"with what {there} states; that table counts until you put the new one in" in capsys.readouterr().err
    assert main(["rights", str(mixed), "-o", str(there), "--overwrite"]) == 0
    assert f"{there} has a row for each track; complete it there" in capsys.readouterr().err
    there.unlink()
    assert main(["rights", str(mixed), "-o", str(other), "--overwrite"]) == 0
    assert f"has a row for each track; complete it, and save it as {there}" in capsys.readouterr().err


def _json(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["rights", str(path), "--json"]) == 0
    return capsys.readouterr().out

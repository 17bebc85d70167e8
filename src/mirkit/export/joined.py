"""Bundles of ``sat`` that are trained together: data sets of one ``dataset.json``, each with its weight."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirkit.errors import SettingsError, printable
from mirkit.export.validation import load_json

#: Files of a ``sat`` bundle.
INDEX, PATCH = "mirkit_index.json", "model_config_patch.json"
DATASETS = {"train": "dataset.json", "val": "val_dataset.json", "test": "test_dataset.json"}


@dataclass(frozen=True)
class JoinedBundle:
    """Another bundle of the same training.

    Attributes
    ----------
    folder : str
    weight : float
        How often it is drawn, per file.
    entries : dict
        Split -> its entry in ``dataset.json``; a split without files is missing.
    ranges : dict
        Conditioner's name -> its range.
    """

    folder: str
    weight: float
    entries: Mapping[str, Mapping[str, Any]]
    ranges: Mapping[str, tuple[float, float]]


def read_joined(
    folders: Sequence[str], names: Sequence[str], sample_size: int, *, random_crops: bool
) -> list[JoinedBundle]:
    """Read the bundles that are trained together with a new one.

    Parameters
    ----------
    folders : sequence of str
    names : sequence of str
        Conditioners of the new bundle, which the others must have too, because the trainer needs every conditioner
        in every sample.
    sample_size : int
        Sample size of the new bundle.
    random_crops : bool
        Whether the trainer cuts random parts of its files.

    Raises
    ------
    SettingsError
        A folder holds no such bundle, or one that does not fit.
    """
    return [_read(Path(folder), names, sample_size, random_crops) for folder in folders]


def _read(folder: Path, names: Sequence[str], sample_size: int, random_crops: bool) -> JoinedBundle:
    faults: list[str] = []
    where = f"--join {printable(folder)}"
    index, patch, dataset = (load_json(folder / name, faults) for name in (INDEX, PATCH, DATASETS["train"]))
    if faults:
        raise SettingsError(f"{where}: this is not a complete bundle of the target sat ({faults[0]})")
    try:
        other = list(index["names"])
        if different := sorted(set(names) ^ set(other)):
            has, lacks = ("the new bundle", "it") if different[0] in names else ("it", "the new bundle")
            raise SettingsError(
                f"{where}: {has} has the conditioner {different[0]}, and {lacks} has not; the trainer needs the same "
                "conditioners in all bundles: export them with the same --keys and with --unknown fill or drop"
            )
        if own := [name for name in names if name.startswith("percentile_")]:
            raise SettingsError(
                f"{where}: {own[0]} is a percentile among the tracks of one bundle and means something else in the "
                "other; leave it out with --keys, or put all tracks into one folder and export that"
            )
        if index["sample_size"] != sample_size:
            raise SettingsError(
                f"{where}: its sample size is {index['sample_size']}, and that of the new bundle is {sample_size}; "
                "export one of them again with --sample-size"
            )
        if bool(dataset["random_crop"]) != random_crops:
            raise SettingsError(
                f"{where}: one bundle holds clips and the other whole tracks; export both with the same --from"
            )
        if any("-weight" in str(row.get("id")) for row in dataset["datasets"]):
            raise SettingsError(f"{where}: it was exported with --weights, so it holds several data sets already")
        entries = {"train": dataset["datasets"][0]}
        for split in ("val", "test"):
            if (folder / DATASETS[split]).exists():
                entries[split] = load_json(folder / DATASETS[split], faults)["datasets"][0]
        ranges = {
            row["id"]: (row["config"]["min_val"], row["config"]["max_val"])
            for row in patch["model"]["conditioning"]["configs"]
            if row["type"] == "number"
        }
    except (KeyError, IndexError, TypeError) as error:
        raise SettingsError(f"{where}: this is not a complete bundle of the target sat") from error
    return JoinedBundle(str(folder), float(entries["train"].get("weight", 1.0)), entries, ranges)

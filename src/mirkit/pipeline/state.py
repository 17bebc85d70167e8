"""What is known of a track before it is worked on: its files, its provenance, and which stages must run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mirkit.catalog import STEMS, Stage, stage, with_needs
from mirkit.errors import InfoError
from mirkit.pipeline.done import EXTERNAL, Inputs, inputs_of, why_not_done
from mirkit.store import (
    Fingerprint,
    Provenance,
    Settings,
    fingerprint,
    read_info,
    read_provenance,
)
from mirkit.store.sidecar import JsonObject
from mirkit.track import Track


@dataclass
class State:
    """A track's files as they are.

    Attributes
    ----------
    prints : dict
        Part (``full_mix`` and stems that exist) -> fingerprint of its file.
    names : dict
        Part -> file name.
    notes : list of str
        Sidecars that could not be read and will be set aside.
    """

    track: Track
    provenance: Provenance
    info: JsonObject
    prints: dict[str, Fingerprint]
    names: dict[str, str]
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, track: Track) -> "State":
        """Look at a track: one stat a file, content read only where size or time differ from what is known."""
        notes: list[str] = []
        provenance, info = Provenance(), {}
        try:
            provenance = read_provenance(track.provenance)
        except InfoError as error:
            notes.append(str(error))
        try:
            info = read_info(track.info)
        except InfoError as error:
            notes.append(str(error))
        known = {
            name: print_
            for entry in provenance.stages.values()
            for name, print_ in (*entry.inputs.items(), *entry.outputs.items())
        }
        paths = {"full_mix": track.mix, **track.stems}
        prints = {part: fingerprint(path, known.get(path.name)) for part, path in paths.items()}
        return cls(track, provenance, info, prints, {part: path.name for part, path in paths.items()}, notes)

    def foreign_stems(self) -> dict[str, Fingerprint]:
        """Stems that the user brought: present, and not what our separation wrote."""
        entry = self.provenance.stages.get("separate")
        ours = entry.outputs if entry and entry.backend != EXTERNAL else {}
        return {
            stem: self.prints[stem]
            for stem in STEMS
            if stem in self.prints and _content(ours.get(self.names[stem])) != self.prints[stem].sha256
        }

    def outstanding(
        self, wanted: Iterable[str], backends: Mapping[str, str], settings: Settings, *, overwrite: bool = False
    ) -> dict[str, str]:
        """Stages that must run, in order, each with why; what the wanted ones need is looked at too."""
        wanted = tuple(wanted)
        todo: dict[str, str] = {}
        identities: dict[str, str] = {}
        for name in with_needs(wanted):
            row = stage(name)
            entry = self.provenance.stages.get(name)
            needs = {need: identities[need] for need in row.needs}
            why = why_not_done(
                row,
                entry,
                backends.get(row.job, ""),
                self.inputs(row, settings),
                needs,
                settings,
                products_there=self._products_there(row),
            )
            if name == "separate" and not overwrite and len(self.foreign_stems()) == len(STEMS):
                why = ""  # the user's own stems stay
            if overwrite and name in wanted:
                why = "overwrite"
            if why:
                todo[name] = why
            identities[name] = "" if why or entry is None else entry.identity
        return todo

    def inputs(self, row: Stage, settings: Settings) -> Inputs:
        """What a stage would read now."""
        return inputs_of(row, self.prints, self.names, settings)

    def _products_there(self, row: Stage) -> bool:
        if row.name == "separate":
            return all(stem in self.prints for stem in STEMS)
        keys_there = all(key in self.info for key in row.keys)
        return keys_there and all(self.product(suffix).exists() for suffix in row.files)

    def product(self, suffix: str) -> Path:
        """Path of a file that a stage writes."""
        paths: dict[str, Path] = {"BEATS_GRID": self.track.grid, "ONSETS": self.track.onsets}
        return paths[suffix]


def _content(print_: Fingerprint | None) -> str:
    return print_.sha256 if print_ else ""

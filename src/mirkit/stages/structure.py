"""The stage of the form of a track: its sections."""

from mirkit.analysis import TrackAnalysis
from mirkit.catalog import STEMS
from mirkit.features.structure.bars import Sources
from mirkit.features.structure.form import section_values
from mirkit.features.structure.sections import form
from mirkit.features.types import Unknown
from mirkit.stages import Result, register, values_of
from mirkit.store import Settings, format_sections, read_sections, sections_as_stored


@register("sections")
def sections(track: TrackAnalysis, settings: Settings) -> Result:
    """Find the sections of a whole track; where the user has edited the file, its values are those of the file.

    Stems of the embedded separation hold other instruments too, so there the mix is measured instead.
    """
    separated = not track.has_embedded_stems and all(track.has(stem) for stem in STEMS)
    mix = {kind: track.series("full_mix", kind) for kind in ("bands", "spectral", "loudness")}
    measured = form(
        Sources(
            duration=track.duration,
            beats=track.beats,
            chroma=track.series(track.tonal_source, "chroma"),
            onsets=track.series("full_mix", "onsets").times,
            layers=track.series("drums" if separated else "full_mix", "layers"),
            stems={stem: track.series(stem, "loudness") for stem in STEMS} if separated else {},
            **mix,
        )
    )
    found = sections_as_stored(measured)
    track.form = read_sections(track.track.sections) if "SECTIONS" in track.edited_files else found
    grid = None if isinstance(found, Unknown) else found.grid
    return Result(
        values_of(section_values(track.form, track.window)),
        files={"SECTIONS": format_sections(found)},
        method={"signals": "stems" if separated else "full_mix", "grid": grid},
    )

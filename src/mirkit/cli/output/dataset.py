"""Print results about a data set: verification, windows, statistics, duplicates, splits and moved files."""

from __future__ import annotations

import json
import math
import os
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirkit.catalog import MEASURED, feature
from mirkit.cli.output import failure, line, note, table
from mirkit.cli.output import unusable as print_unusable
from mirkit.cli.output.style import styled
from mirkit.dataset.find import iter_tracks
from mirkit.dataset.unusable import why_unusable
from mirkit.errors import MissingInput, counted, pasted, printable
from mirkit.track import CROPS, Track
from mirkit.track.listing import Unread

if TYPE_CHECKING:
    from mirkit.dataset.duplicates.find import Duplicates
    from mirkit.dataset.duplicates.known import Pair
    from mirkit.dataset.split import Split
    from mirkit.dataset.statistics import FeatureStatistics, Statistics
    from mirkit.dataset.verify import TrackReport
    from mirkit.windows import Slices, WindowFeatures

#: Variance inflation factor above which a feature is nearly determined by the others.
_REDUNDANT = 10.0
_MOST_LINES = 12
_NAMED = 3
#: With fewer tracks, the percentiles 0.5 and 99.5 equal the minimum and maximum.
_FEW = 200


#: A group of more than this share of the data set gets a note.
_LARGE = 0.5


def _place(report: TrackReport, root: str) -> str:
    """Return the path of a track in its data set, as ``run`` prints it: two tracks may have the same name."""
    place = Path(report.path)
    if not (root and report.path) or place.parent.name == CROPS:
        return report.name
    path = os.path.relpath(place, root)
    return report.name if path == os.curdir or path.startswith(os.pardir) else Path(path).as_posix()


def verified(
    reports: Sequence[TrackReport], mixed: dict[str, dict[str, int]], root: str = "", *, missing: bool, quiet: bool
) -> None:
    """Print one line per track of the folder ``root``, then the totals."""
    from mirkit.dataset.verify import stages_of

    for report in reports:
        name = printable(_place(report, root))
        if report.excluded:
            if not quiet:
                print(f"{styled('EXCLUDED', 'yellow', sys.stdout)} {name}: {printable(report.excluded)}")
        elif report.problem:
            failure(f"{name}: {report.problem}")
        elif not quiet:
            parts = [f"{report.values} values", f"{len(report.nulls)} null", f"{len(report.missing)} missing"]
            parts += [f"{stage} failed: {printable(why)}" for stage, why in report.failed.items()]
            if report.stale:
                parts.append(f"audio changed after it was measured: {', '.join(report.stale)}")
            if report.edited:
                names = ", ".join(map(_edited_name, report.edited))
                parts.append(f"changed by hand since the last run: {names}")
            if report.older:
                parts.append(f"older than its track, of which has changed: {', '.join(report.older)}; crop it again")
            if report.altered:
                parts.append(f"content differs from the recorded digest: {printable(', '.join(report.altered))}")
            parts += report.notices
            if report.out_of_range:
                parts.append(f"out of range: {', '.join(_outside(report.out_of_range))}")
            found = {kind: [text for text, of in report.audit.items() if of == kind] for kind in ("fault", "notice")}
            parts += [f"{kind}: {printable(text)}" for kind, texts in found.items() for text in texts]
            good = "FAULTY " if found["fault"] else "ok     "
            word = good if report.ok else "OUTSIDE" if report.complete else "MISSING"
            state = styled(word, "green" if word == "ok     " else "red", sys.stdout)
            print(f"{state} {name}: {', '.join(parts)}")
            for field, compared in report.texts.items():
                for conflict in compared.conflicts:
                    print(f"        caption {printable(field)} contradicts the measurements: {conflict.description}")
        if report.out_of_range and not report.excluded:
            failure(f"{name}: {_remedy(report)}")
        if missing and report.missing:
            print(f"        missing: {', '.join(report.missing)}")
            print(f"        written by: {', '.join(stages_of(report.missing))}")
    if quiet:
        return
    reasons = Counter(why for report in reports for why in report.nulls.values())
    for why, count in reasons.most_common(12):
        print(f"null    {counted(count, 'value')}: {printable(why)}")
    for stage, counts in mixed.items():
        methods = ", ".join(f"{printable(method)} in {count}" for method, count in counts.items())
        print(f"mixed   {printable(stage)}: {methods}; values of different methods are not comparable")
    for why, count in Counter(why for report in reports for why in report.absent.values()).most_common(12):
        print(f"no caption for {counted(count, 'prompt')}: {printable(why)}")
    _contradictions(reports)
    excluded = sum(bool(report.excluded) for report in reports)
    incomplete = sum(not report.complete for report in reports)
    outside = sum(bool(report.out_of_range) for report in reports)
    complete = len(reports) - incomplete - excluded
    faulty = sum("fault" in report.audit.values() for report in reports)
    left_out = f", {faulty} with a faulty source" if faulty else ""
    left_out += f", {excluded} excluded" if excluded else ""
    print(
        f"{counted(len(reports), 'track')}: {complete} complete, {incomplete} incomplete, "
        f"{outside} out of range{left_out}"
    )


def _edited_name(name: str) -> str:
    """Name a key of the ``.INFO``, a sidecar by its suffix, or a MIDI file."""
    return f".{name}" if name.isupper() else name


def _outside(values: Mapping[str, float | str]) -> Iterator[str]:
    """Describe values that are out of range, or none of the categories."""
    for name, value in values.items():
        if isinstance(value, str):
            allowed = feature(name).categories
            yield f"{name} is {printable(value)}, not {'one of ' + ', '.join(allowed) if allowed else 'a number'}"
        else:
            yield f"{name} = {value:g}"


def _remedy(report: TrackReport) -> str:
    """Say which values of a track cannot be right, and what to do."""
    said = []
    for name, value in report.out_of_range.items():
        spec = feature(name)
        limits = [f"at least {spec.low:g}"] if spec.low is not None else []
        limits += [f"at most {spec.high:g}"] if spec.high is not None else []
        wanted = " ".join(["a number", "of", " and ".join(limits)] if limits else ["a number"])
        wanted = f"one of {', '.join(spec.categories)}" if spec.categories else wanted
        said.append(f"{name} is {printable(value) if isinstance(value, str) else f'{value:g}'}, but must be {wanted}")
    what = "the value" if len(said) == 1 else "the values"
    on_request = {feature(name).stage for name in report.out_of_range} - {*MEASURED, "crop"}
    command, path = min(on_request, default="extract"), Path(report.path)
    if path.parent.name == CROPS:
        command, path = "crop", path.parents[1]
    again = f"mirkit {command} {pasted(path)}"
    return f"{'; '.join(said)}. Correct {what} in the .INFO, or remove the keys there and measure again with: {again}"


def _contradictions(reports: Sequence[TrackReport]) -> None:
    """Print how often captions contradict the measurements."""
    from mirkit.dataset.facts import contradictions

    totals = contradictions(report.texts for report in reports)
    if totals.rate is not None:
        kinds = ", ".join(f"{kind} {count}" for kind, count in totals.kinds.items())
        by_kind = f" ({kinds}; in {counted(totals.tracks, 'track')})" if kinds else ""
        share = f"{sum(totals.kinds.values())} of {totals.claims} checked claims contradict the measurements"
        print(f"claims  {counted(totals.texts, 'caption')}: {share}, {100 * totals.rate:.0f} %{by_kind}")


def verify_json(reports: Sequence[TrackReport], mixed: dict[str, dict[str, int]]) -> dict[str, Any]:
    """The same as a JSON object."""
    from mirkit.dataset.facts import contradictions

    totals = contradictions(report.texts for report in reports)
    tracks = [asdict(report) | {"complete": report.complete} for report in reports]
    return {"tracks": tracks, "mixed_methods": mixed, "contradictions": asdict(totals) | {"rate": totals.rate}}


def window(result: WindowFeatures, arguments: Namespace) -> None:
    """Print the values of a window, and why unknown values are unknown."""
    if arguments.json:
        print(json.dumps(asdict(result), indent=2))
        return
    for name, value in result.values.items():
        print(f"{name:<32} {result.reasons[name] if value is None else _shown(value, 6)}")


def _shown(value: float | str, digits: int) -> str:
    return value if isinstance(value, str) else f"{value:.{digits}g}"


def slices(result: Slices, arguments: Namespace) -> None:
    """Print the values of consecutive windows: one line per feature."""
    if arguments.json:
        print(json.dumps(asdict(result), indent=2))
        return
    print(
        f"{counted(len(result.edges) - 1, 'slice')} of {result.edges[1] - result.edges[0]:.3f} "
        f"s, the first from {result.edges[0]:g} s on"
    )
    for name, values in result.values.items():
        if feature(name).kind == "text":
            continue
        cells = " ".join("-" if value is None else _shown(value, 4) for value in values)
        wide = f"  (measured over {result.widened[name]:g} s)" if name in result.widened else ""
        reason = "" if any(value is not None for value in values) else f"  {result.reasons[name][0]}"
        print(f"{name:<32} {cells}{wide}{reason}")


def unmeasured(count: int, tracks: int, path: str) -> str:
    """Return a sentence with the number of tracks that have not been measured, and the command that measures them."""
    return f"tracks that have not been measured: {count} of {tracks}; measure them with: mirkit extract {pasted(path)}"


def outdated(names: Sequence[str], path: str, what: str = "track") -> str:
    """Return a sentence that tracks are left out because their audio was replaced, and how to measure them."""
    named = ", ".join(map(printable, names[:_NAMED]))
    named += f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (
        f"{counted(len(names), what)} left out, because the audio was replaced since it was measured ({named}); "
        f"measure again with: mirkit run {pasted(path)}"
    )


def statistics(result: Statistics, path: str) -> None:
    """Print one line per feature, then notes on the whole data set."""
    head = ("key", "coverage", "P0.5", "median", "P99.5", "outside", "min_val", "max_val", "")
    table(head, [_line(row) for row in result.keys], whole=range(len(head) - 1))
    print()
    for why, count in _nulls(result):
        line(f"null     {counted(count, 'value')}: {printable(why)}")
    for row in result.keys:
        if row.extreme:
            named = ", ".join(f"{printable(name)} ({value:.4g})" for name, value in row.extreme[:3])
            line(f"outlier  {row.key}: {named}" + (f" and {row.outliers - 3} more" if row.outliers > 3 else ""))
    for name, twin in result.duplicates.items():
        line(f"repeats  {name}: {twin}; conditioners leave it out unless --keys names it")
    for stage, counts in result.mixed.items():
        methods = ", ".join(f"{printable(method)} in {count}" for method, count in counts.items())
        line(f"mixed    {stage}: {methods}; values of different methods are not comparable")
    for name, counts in result.classes.items():
        if counts:
            line(f"{name:<8} " + ", ".join(f"{printable(value)} {count}" for value, count in counts.items()))
    for name, why in result.excluded.items():
        line(f"excluded {printable(name)}: {printable(why)}")
    for fault in result.unreadable:
        failure(fault)
    print_unusable(list(result.unusable), path)
    if result.unmeasured:
        note(f"note     {unmeasured(result.unmeasured, result.tracks, path)}")
    if result.outdated:
        note(f"note     {outdated(result.outdated, path)}")
    few = f"; ranges from fewer than {_FEW} tracks are only rough" if result.tracks < _FEW else ""
    line(f"{counted(result.tracks, 'track')}{few}")


def _line(row: FeatureStatistics) -> tuple[str, ...]:
    if not row.count:
        return (row.key, "0 %", "", "", "", "", "", "", next(iter(row.nulls), ""))
    numbers = (row.percentiles[p] for p in ("0.5", "50", "99.5"))
    proposal = ("", "") if row.range is None else (f"{row.range.min_val:g}", f"{row.range.max_val:g}")
    share = f"{100 * row.outside:.1f} %" if row.outside else ""
    have = f"{100 * row.coverage:.4g} %"
    return (row.key, have, *(f"{number:.4g}" for number in numbers), share, *proposal, "; ".join(_remarks(row)))


def _remarks(row: FeatureStatistics) -> Iterator[str]:
    if row.range is not None and row.range.scale != "linear":
        yield {"log": "log", "logit": "log odds", "percentile": "percentile"}[row.range.scale]
    if row.constant:
        yield "constant"
    for name, r in row.alike[:2]:
        yield f"like {name} (r {r:.2f})"
    if row.vif is not None and row.vif > _REDUNDANT:
        yield f"VIF {row.vif:.3g}"
    if row.outliers:
        yield counted(row.outliers, "outlier")


def _nulls(result: Statistics) -> list[tuple[str, int]]:
    """Reasons for unknown values, the most frequent first."""
    counts: dict[str, int] = {}
    for row in result.keys:
        for why, count in row.nulls.items():
            counts[why] = counts.get(why, 0) + count
    return sorted(counts.items(), key=lambda item: -item[1])[:_MOST_LINES]


@dataclass(frozen=True)
class TrackSelection:
    """The tracks below a folder.

    Attributes
    ----------
    tracks, names
        Those that are not excluded.
    excluded : dict
        Track -> reason for which it is excluded.
    unusable : dict
        Track or folder that cannot be read, or track that failed in the last run and has no values -> why.
    """

    tracks: list[Track]
    names: list[str]
    excluded: dict[str, str]
    unusable: dict[str, str]

    @classmethod
    def below(cls, path: Path) -> TrackSelection:
        """List the tracks of a folder; raises MissingInput if there is none."""
        unread: list[Unread] = []
        listed = list(iter_tracks(path, unread))
        kept = [member for member in listed if not member.excluded]
        unusable = {member.name: why for member in kept if (why := why_unusable(member.track))}
        kept = [member for member in kept if member.name not in unusable]
        if not kept:
            which = " that is not excluded, and can be read" if listed else ""
            raise MissingInput(f"{printable(path)}: there is no track in this folder{which}")
        excluded = {member.name: member.excluded for member in listed if member.excluded}
        unusable |= {os.path.relpath(one.path, path): one.line for one in unread}
        return cls([member.track for member in kept], [member.name for member in kept], excluded, unusable)


def duplicates(selection: TrackSelection, same: Duplicates, path: str) -> None:
    """Print a table of pairs, then the tracks that could not be compared."""
    rows = [
        (printable(selection.names[pair.first]), printable(selection.names[pair.second]), *_cells(pair))
        for pair in same.pairs
    ]
    if rows:
        table(("track", "same recording", "harmony", "dynamics", "pitch", "speed", "begins at"), rows)
    _left(selection, same, path)
    copies = sum(len(group) - 1 for group in same.groups)
    groups = counted(len(same.groups), "recording")
    line(f"{counted(len(selection.tracks), 'track')}; {groups} found more than once, {counted(copies, 'extra copy')}")


def split(selection: TrackSelection, same: Duplicates, result: Split, path: str) -> None:
    """Print the tracks for validation and for the test, a note on large groups, and the counts."""
    for use, names in (("val", result.val), ("test", result.test)):
        for name in names[:_MOST_LINES]:
            line(f"{use:<8} {printable(name)}")
        if len(names) > _MOST_LINES:
            line(f"         and {len(names) - _MOST_LINES} more; --output or --json lists all")
    _left(selection, same, path)
    count = len(result.train) + len(result.val) + len(result.test)
    largest = max(map(len, result.groups), default=1)
    if largest > _LARGE * count:
        note(
            f"note     {largest} of {count} tracks are in one group of related tracks; to split "
            "it, use --together artist, album or none"
        )
    line(
        f"{counted(len(result.train), 'track')} for training, {len(result.val)} for validation "
        f"({len(result.val) / count:.1%}), "
        + (f"{len(result.test)} for the test ({len(result.test) / count:.1%}), " if result.test_share else "")
        + f"seed {result.seed}; "
        f"{counted(len(result.groups), 'group')} of related tracks on one side"
    )


def duplicates_json(selection: TrackSelection, same: Duplicates) -> dict[str, Any]:
    """The same as a JSON object."""
    return {
        "tracks": len(selection.tracks),
        "groups": [[selection.names[number] for number in group] for group in same.groups],
        "pairs": [
            {"first": selection.names[pair.first], "second": selection.names[pair.second], **_numbers(pair)}
            for pair in same.pairs
        ],
    } | _left_out_json(selection, same)


def split_json(selection: TrackSelection, same: Duplicates, result: Split) -> dict[str, Any]:
    """The same as a JSON object."""
    return {
        "seed": result.seed,
        "share": result.share,
        "test_share": result.test_share,
        "train": result.train,
        "val": result.val,
        "test": result.test,
        "groups": result.groups,
    } | _left_out_json(selection, same)


def _left_out_json(selection: TrackSelection, same: Duplicates) -> dict[str, Any]:
    return {
        "not_compared": {selection.names[number]: why for number, why in same.not_compared.items()},
        "not_measured": [selection.names[number] for number in same.unmeasured],
        "failed": {selection.names[number]: why for number, why in same.failed.items()},
        "excluded": selection.excluded,
        "unusable": selection.unusable,
    }


def _left(selection: TrackSelection, same: Duplicates, path: str) -> None:
    """Print the tracks that were not compared, with the reasons."""
    for number, why in list(same.not_compared.items())[:_MOST_LINES]:
        line(f"skipped  {printable(selection.names[number])}: not compared: {why}")
    if len(same.not_compared) > _MOST_LINES:
        line(f"         and {len(same.not_compared) - _MOST_LINES} more; --output or --json lists all")
    for name, why in selection.excluded.items():
        line(f"excluded {printable(name)}: {why}")
    for fault in same.failed.values():
        failure(fault)
    print_unusable(list(selection.unusable), path)
    if same.unmeasured:
        note(f"note     {unmeasured(len(same.unmeasured), len(selection.tracks), path)}")


def _cells(pair: Pair) -> tuple[str, ...]:
    alignment = pair.alignment
    if alignment is None:
        return ("same file", "", "", "", "")
    scores = ("" if math.isnan(value) else f"{value:.2f}" for value in (alignment.harmony, alignment.dynamics))
    return (
        *scores,
        f"{alignment.semitones:+d}" if alignment.semitones else "",
        f"{alignment.speed:.3f}",
        f"{alignment.offset:.2f} s",
    )


def _numbers(pair: Pair) -> dict[str, Any]:
    alignment = pair.alignment
    if alignment is None:
        return {"same_file": True}
    return {
        "same_file": False,
        "harmony": None if math.isnan(alignment.harmony) else round(alignment.harmony, 4),
        "dynamics": None if math.isnan(alignment.dynamics) else round(alignment.dynamics, 4),
        "semitones": alignment.semitones,
        "speed": round(alignment.speed, 5),
        "offset": round(alignment.offset, 3),
        "shared_seconds": round(alignment.seconds, 2),
    }

"""What ``mirkit stats`` prints."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mirkit.cli.output.run_summary import failure, note, table, unmeasured

if TYPE_CHECKING:
    from mirkit.dataset.statistics import FeatureStatistics, Statistics

#: Above this, the other keys say nearly the same.
_REDUNDANT = 10.0
_MOST_LINES = 12
#: Fewer tracks have no P0.5 but their least.
_FEW = 200


def statistics(found: "Statistics", path: str) -> None:
    """A line a key, then what concerns the whole data set."""
    from mirkit.store import printable

    head = ("key", "have", "P0.5", "median", "P99.5", "outside", "min_val", "max_val", "")
    table(head, [_line(row) for row in found.keys])
    print()
    for why, count in _nulls(found):
        print(f"null     {count} x {printable(why)}")
    for row in found.keys:
        if row.extreme:
            named = ", ".join(f"{printable(name)} ({value:.4g})" for name, value in row.extreme[:3])
            print(f"outlier  {row.key}: {named}" + (f" and {row.outliers - 3} more" if row.outliers > 3 else ""))
    for stage, counts in found.mixed.items():
        told = ", ".join(f"{printable(method)} in {count}" for method, count in counts.items())
        print(f"mixed    {stage}: {told}; values of different methods are not comparable")
    for name, counts in found.classes.items():
        if counts:
            print(f"{name:<8} " + ", ".join(f"{printable(value)} {count}" for value, count in counts.items()))
    for name, why in found.excluded.items():
        print(f"excluded {printable(name)}: {printable(why)}")
    for line in found.unreadable:
        failure(line)
    if found.unmeasured:
        note(f"note     {unmeasured(found.unmeasured, found.tracks, path)}")
    few = f"; ranges from fewer than {_FEW} are a guess" if found.tracks < _FEW else ""
    print(f"{found.tracks} tracks{few}")


def _line(row: "FeatureStatistics") -> tuple[str, ...]:
    if not row.count:
        return (row.key, "0 %", "", "", "", "", "", "", next(iter(row.nulls), ""))
    numbers = (row.percentiles[p] for p in ("0.5", "50", "99.5"))
    proposal = ("", "") if row.range is None else (f"{row.range.min_val:g}", f"{row.range.max_val:g}")
    share = f"{100 * row.outside:.1f} %" if row.outside else ""
    have = f"{100 * row.coverage:.4g} %"
    return (row.key, have, *(f"{number:.4g}" for number in numbers), share, *proposal, "; ".join(_remarks(row)))


def _remarks(row: "FeatureStatistics") -> Iterator[str]:
    if row.range is not None and row.range.scale == "log":
        yield "log"
    if row.constant:
        yield "constant"
    for name, r in row.alike[:2]:
        yield f"like {name} (r {r:.2f})"
    if row.vif is not None and row.vif > _REDUNDANT:
        yield f"VIF {row.vif:.3g}"
    if row.outliers:
        yield f"{row.outliers} outliers"


def _nulls(found: "Statistics") -> list[tuple[str, int]]:
    """Reasons by the number of values that they take away."""
    counts: dict[str, int] = {}
    for row in found.keys:
        for why, count in row.nulls.items():
            counts[why] = counts.get(why, 0) + count
    return sorted(counts.items(), key=lambda item: -item[1])[:_MOST_LINES]

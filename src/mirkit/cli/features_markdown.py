"""``docs/features.md``, printed from the catalog."""

from mirkit.catalog import BACKENDS, FEATURES, STAGES, TEXT_KEYS, FeatureSpec, feature


def features_page() -> str:
    """The page of every key, stage and method as Markdown."""
    lines = [
        "# Features",
        "",
        "Printed from `src/mirkit/catalog.py` by `mirkit features`; do not edit by hand.",
        "",
        "A value that could not be measured is `null` in the `.INFO`; the reason stands in the `.PROVENANCE`.",
        "`range` is what `mirkit verify` accepts, not what a trainer's conditioner should be given.",
        "",
        f"## The {len(FEATURES)} numbers",
        "",
        "| key | stage | unit | range | what it says |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| `{row.name}` | {row.stage} | {row.unit} | {_range(row)} | {row.description} |" for row in FEATURES]
    lines += ["", "## The texts", ""]
    lines += [f"- `{name}`" for name in TEXT_KEYS]
    lines += ["", "## The stages", "", "| stage | version | needs | writes |", "|---|---|---|---|"]
    for stage in STAGES:
        writes = ", ".join([*stage.files, *(f"`{name}`" for name in _short(stage.keys))])
        lines.append(f"| {stage.name}: {stage.description} | {stage.version} | {', '.join(stage.needs)} | {writes} |")
    lines += ["", "## The methods", ""]
    lines += ["| job | method | in this version | code | weights | commercial use |", "|---|---|---|---|---|---|"]
    for backend in BACKENDS:
        built, commercial = ("yes" if flag else "no" for flag in (backend.built, backend.commercial))
        lines.append(
            f"| {backend.job} | {backend.name}: {backend.says} | {built} | {backend.code_license} "
            f"| {backend.weights_license} | {commercial} |"
        )
    return "\n".join(lines) + "\n"


def _range(row: FeatureSpec) -> str:
    low, high = ("" if bound is None else f"{bound:g}" for bound in (row.low, row.high))
    scale = ", log" if row.scale == "log" else ""
    return f"{low} to {high}{scale}" if high else f"from {low}{scale}"


def _short(keys: tuple[str, ...]) -> list[str]:
    """Name the chroma keys once."""
    if len(keys) == 12 and feature(keys[0]).name == "chroma_0":
        return ["chroma_0 ... chroma_11"]
    return list(keys)

"""Tables of the documentation, generated from the declarations; tests compare the pages with them.

``python -m mirkit.cli.output.markdown`` prints the tables of settings and export options.
"""

import re

from mirkit.catalog import DESCRIPTORS, FEATURES, REQUESTED, STAGES, TEXT_KEYS, FeatureSpec
from mirkit.export.options import EXPORT_OPTIONS
from mirkit.models import registry
from mirkit.settings import SETTINGS, Kind, Setting


def features_page() -> str:
    """Return the Markdown page of all features, stages and methods."""
    lines = [
        "# List of features",
        "",
        "Printed from `src/mirkit/catalog.py` by `mirkit features`; do not edit by hand.",
        "",
        "A value that could not be measured is `null` in the `.INFO`; the reason is in the `.PROVENANCE`.",
        "`range` is what `mirkit verify` accepts, not what a trainer's conditioner should be given.",
        "",
        f"## The {len(FEATURES)} features",
        "",
        "| key | stage | unit | range | meaning |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| `{row.name}` | {row.stage} | {row.unit} | {_range(row)} | {row.description} |" for row in FEATURES]
    lines += [
        "",
        f"## The {len(DESCRIPTORS)} descriptors",
        "",
        "Numbers and categories beside the features, in the `.INFO` of tracks and of clips. A category is a",
        "conditioner of the type `list`. Key, mode, time signature and voice may be corrected in the `.INFO`:",
        "mirkit keeps what was changed by hand, names it under `user` in the `.PROVENANCE`, and gives it to the",
        "clips that it cuts.",
        "What is removed from the `.INFO` is measured again.",
        "",
        "| key | stage | unit | values | meaning |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| `{row.name}` | {row.stage} | {row.unit} | {_range(row)} | {row.description} |" for row in DESCRIPTORS]
    lines += [
        "",
        "Stages that run only on request add these, once they have run; tables have a column for each.",
        "",
        "| key | stage | unit | values | meaning |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| `{row.name}` | {row.stage} | {row.unit} | {_range(row)} | {row.description} |" for row in REQUESTED]
    lines += ["", "## The captions", ""]
    lines += [f"- `{name}`" for name in TEXT_KEYS]
    lines += ["", "## The stages", "", "| stage | version | needs | writes |", "|---|---|---|---|"]
    for stage in STAGES:
        writes = ", ".join([*stage.files, *(f"`{name}`" for name in _short(stage.keys))])
        lines.append(f"| {stage.name}: {stage.description} | {stage.version} | {', '.join(stage.needs)} | {writes} |")
    lines += ["", "## The backends", ""]
    lines += ["| task | backend | code | weights | commercial use |", "|---|---|---|---|---|"]
    for row in registry.built_in():
        commercial = "yes" if row.commercial else "no"
        lines.append(
            f"| {row.task} | {row.name}: {row.title} | {row.code_license} | {row.weights_license} | {commercial} |"
        )
    return "\n".join(lines) + "\n"


def settings_table() -> str:
    """Return the table of all settings, for their page."""
    lines = [
        "| setting | default | meaning | in a data set | environment | option |",
        "|---|---|---|---|---|---|",
    ]
    allowed = {Kind.ADDRESS: "refused", Kind.MODEL: "a name"}
    for name, setting in SETTINGS.items():
        section, _, key = name.partition(".")
        cells = (
            f"`[{section}]{f' {key}' if key else ''}`",
            _code(setting.default_text),
            _cell(setting.help),
            allowed.get(setting.kind, "yes"),
            _code(setting.variable),
            " ".join(_code(_with_value(option, setting)) for option in (setting.option, *setting.units) if option),
        )
        lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |"))
    return "\n".join(lines) + "\n"


def export_table() -> str:
    """Return the table of the options of ``mirkit export``, for the page on exports."""
    lines = ["| option | default | meaning |", "|---|---|---|"]
    lines += [
        f"| `{_with_value(row.option, row)}` | {_code(row.default_text)} | {_cell(row.help)} |".replace("|  |", "| |")
        for row in EXPORT_OPTIONS.values()
    ]
    return "\n".join(lines) + "\n"


def _with_value(option: str, setting: Setting) -> str:
    """An option, and what stands for its value."""
    if setting.is_switch:
        return option
    return f"{option} {'N' if option in setting.units else setting.check.metavar}".rstrip()


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    return re.sub(r"<\w+>\S*|\bchroma_\*|; \*", lambda match: match[0].replace("*", r"\*").replace("<", r"\<"), text)


def _range(row: FeatureSpec) -> str:
    if not row.is_number:
        return ", ".join(row.categories) or row.kind
    low, high = ("" if bound is None else f"{bound:g}" for bound in (row.low, row.high))
    scale = {"linear": "", "log": ", log", "logit": ", log odds"}[row.scale]
    return f"{low} to {high}{scale}" if high else f"from {low}{scale}"


def _short(keys: tuple[str, ...]) -> list[str]:
    """Shorten a list of features: the twelve chroma features become one entry."""
    if keys and keys[0] == "chroma_0":
        return ["chroma_0 ... chroma_11", *keys[12:]]
    return list(keys)


if __name__ == "__main__":
    print(settings_table(), export_table(), sep="\n", end="")

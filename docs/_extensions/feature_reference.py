"""The directive ``feature``: unit, range and other properties of features, as the catalog declares them.

::

    ```{feature} bpm
    ```

The plots of the pages of features show real output; :mod:`feature_plots` draws them before the pages are read.
"""

from typing import Any, ClassVar

import feature_plots
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from mirkit.catalog import feature, stage
from mirkit.feature_spec import FeatureSpec

#: A directive that names more features draws no small plots.
MOST_DRAWN = 4


def stage_words(name: str) -> str:
    """Return the name of a stage as a user types it."""
    return name.replace("_", "-")


def facts(spec: FeatureSpec) -> list[tuple[str, str]]:
    """Return what the catalog states about a feature: (label, text)."""
    if not spec.is_number:
        rows = [("values", ", ".join(spec.categories) or spec.kind)]
    else:
        low, high = ("" if bound is None else f"{bound:g}" for bound in (spec.low, spec.high))
        rows = [("unit", spec.unit), ("valid range", f"{low} to {high}" if high else f"{low} or more")]
    if spec.scale != "linear":
        rows.append(("conditioner", {"log": "decimal logarithm", "logit": "log odds or percentile"}[spec.scale]))
    rows.append(("measured by", f"mirkit measure {stage_words(spec.stage)}" if spec.stage != "crop" else "mirkit crop"))
    rows.append(("formula version", str(stage(spec.stage).version)))
    return rows


class Feature(SphinxDirective):
    """A line of facts about one or several features that have the same ones."""

    required_arguments = 1
    optional_arguments = 20
    has_content = False
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Return the line."""
        specs = [feature(name) for name in self.arguments]
        seen = self.env.metadata.setdefault(self.env.docname, {})
        seen["features"] = " ".join([seen.get("features", ""), *self.arguments])
        paragraph = nodes.paragraph(classes=["feature-facts"])
        if len({tuple(facts(spec)) for spec in specs}) > 1:
            raise self.error(f"{' '.join(self.arguments)}: their units or ranges differ")
        for label, text in facts(specs[0]):
            span = nodes.inline(classes=["feature-fact"])
            span += nodes.inline(text=f"{label} ", classes=["feature-label"])
            span += nodes.literal(text=text) if text.startswith("mirkit ") else nodes.Text(text)
            paragraph += span
        drawn = [feature_plots.strip(spec.name) for spec in specs] if len(specs) <= MOST_DRAWN else []
        named = len(specs) > 1
        body = "".join(
            f"<figure>{f'<figcaption><code>{spec.name}</code></figcaption>' if named else ''}{svg}</figure>"
            for spec, svg in zip(specs, drawn, strict=False)
            if svg
        )
        plots = [nodes.raw("", f'<div class="feature-strips">{body}</div>', format="html")] if body else []
        return [paragraph, *plots]


def draw(app: Sphinx) -> None:
    """Draw the plots that are missing."""
    feature_plots.draw_all()


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("feature", Feature)
    app.connect("builder-inited", draw)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

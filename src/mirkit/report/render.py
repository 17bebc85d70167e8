"""Templates of the pages. Everything that comes from a file is escaped."""

import json
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, **values: Any) -> bytes:
    """Fill a template of ``templates``; every value is escaped for HTML."""
    # A name may hold bytes that are no text: they are shown as such.
    return _environment().get_template(template).render(**values).encode("utf-8", "backslashreplace")


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def as_data(value: Any) -> Markup:
        """JSON that a script element can hold: nothing in it can end the element."""
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
        return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))

    environment = Environment(
        loader=PackageLoader("mirkit.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data"] = as_data
    return environment

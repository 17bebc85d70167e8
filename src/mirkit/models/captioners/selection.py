"""Selection of the backend that writes captions: the one in the settings, or the first usable one."""

import importlib.util

from mirkit.errors import MirkitError, MissingExtra
from mirkit.models import registry
from mirkit.models.backend import Backend
from mirkit.models.captioners import Captioner, flamingo, http, llama
from mirkit.store import Settings
from mirkit.store.settings_file import where_to_put


def choose(settings: Settings) -> Captioner:
    """Return the captioner that the settings name, without loading it.

    Raises
    ------
    MissingExtra
        With ``auto``, no backend can be used. For a named backend, its class raises its own errors.
    """
    name = settings.backends.texts
    name = resolve(settings) if name == "auto" else registry.backend("texts", name).name
    if name == "http":
        return http.Server(settings.texts)
    return llama.LlamaServer(settings) if name == "llama" else flamingo.Checkpoint(settings)


def resolve(settings: Settings) -> str:
    """Return the name of a backend; for ``auto``, a server in the settings, else one whose model is on this machine.

    Raises
    ------
    MissingExtra
        There is none. The message states what the first choice lacks.
    """
    if settings.texts.url:
        return "http"
    reasons = {row.name: unavailable(row, settings) for row in registry.backends_of("texts")}
    if name := next((name for name in ("llama", "transformers") if not reasons[name]), ""):
        return name
    raise MissingExtra(f"no model that describes music is installed. {reasons['llama']}")


def unavailable(row: Backend, settings: Settings) -> str:
    """Return the reason why a caption backend cannot be used on this machine, or ""."""
    try:
        if row.name == "http":
            return "" if settings.texts.url else f"no server is named; put texts.url {where_to_put('texts.url')}"
        if row.name == "transformers":
            if importlib.util.find_spec(row.package) is None:
                return f"{row.package} is not installed; {row.install_command}"
            flamingo.find(settings)
            return ""
        llama.program(settings)
        if model := llama.NAMES.get(settings.texts.model or llama.DEFAULT):
            return llama.lacking(model, settings)
        llama.find(settings)
    except MirkitError as error:
        return str(error)
    return ""

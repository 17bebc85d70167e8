"""`from core.json_handler import read_json, write_json`, as the user manual has it."""

from mirkit.store import read_info as read_json
from mirkit.store import write_info as write_json

__all__ = ["read_json", "write_json"]

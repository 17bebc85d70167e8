"""The library of a data set: a table of its tracks and clips, kept in ``.mirkit/library.sqlite``."""

from mirkit.dataset.library.answers import Answers
from mirkit.dataset.library.fields import FIELDS, NUMBER_KEYS, Field
from mirkit.dataset.library.library import TABLES, Library, TableName

__all__ = ["FIELDS", "NUMBER_KEYS", "TABLES", "Answers", "Field", "Library", "TableName"]

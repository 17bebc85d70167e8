"""The query language of ``mirkit ls``, ``--where`` and ``mirkit.load``: from a text to a condition in SQL."""

from mirkit.dataset.query.conditions import Sql as Sql
from mirkit.dataset.query.conditions import fields_in as fields_in
from mirkit.dataset.query.conditions import order_sql as order_sql
from mirkit.dataset.query.conditions import to_sql as to_sql
from mirkit.dataset.query.fields import QueryField as QueryField
from mirkit.dataset.query.fields import choose_fields as choose_fields
from mirkit.dataset.query.fields import find_field as find_field
from mirkit.dataset.query.fields import query_fields as query_fields
from mirkit.dataset.query.functions import add_functions as add_functions
from mirkit.dataset.query.functions import fold as fold
from mirkit.dataset.query.syntax import Query as Query
from mirkit.dataset.query.syntax import format_query as format_query
from mirkit.dataset.query.syntax import from_arguments as from_arguments
from mirkit.dataset.query.syntax import parse as parse
from mirkit.dataset.query.syntax import parse_sort as parse_sort

"""Tables from files: CSV as people write it, and Parquet; what is wrong with them."""

from skdae._reading._bytes import STDIN
from skdae._reading._chunks import Chunk, Chunks, open_chunks
from skdae._reading._errors import TableError, close_names
from skdae._reading._kinds import (
    ColumnKinds,
    check_target,
    is_numeric,
    listed,
    split_columns,
)
from skdae._reading._table import Sheet, read_sheet, read_table
from skdae._reading._text import NAMES_OF_DELIMITERS, Dialect, Format

__all__ = [
    "NAMES_OF_DELIMITERS",
    "STDIN",
    "Chunk",
    "Chunks",
    "ColumnKinds",
    "Dialect",
    "Format",
    "Sheet",
    "TableError",
    "check_target",
    "close_names",
    "is_numeric",
    "listed",
    "open_chunks",
    "read_sheet",
    "read_table",
    "split_columns",
]

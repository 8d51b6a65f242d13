"""Tables from files: CSV as people write it, and Parquet; what is wrong with them."""

from skdae._files._bytes import STDIN
from skdae._files._chunks import Chunk, Chunks, open_chunks
from skdae._files._errors import TableError, close_names
from skdae._files._kinds import (
    ColumnKinds,
    check_target,
    is_numeric,
    listed,
    split_columns,
)
from skdae._files._table import Sheet, read_sheet, read_table
from skdae._files._text import NAMES_OF_DELIMITERS, Dialect, Format

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

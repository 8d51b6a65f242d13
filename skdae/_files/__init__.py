"""Tables from files: CSV as people write it, and Parquet; what is wrong with them."""

from skdae._files._bytes import STDIN
from skdae._files._chunk import Chunk, OpenTable
from skdae._files._dates import parse_times
from skdae._files._dialect import NAMES_OF_DELIMITERS, Dialect, Format
from skdae._files._errors import TableError, close_names, listed, shortened, shown
from skdae._files._table import Sheet, open_chunks, read_sheet, read_table
from skdae._files._targets import check_target

__all__ = [
    "NAMES_OF_DELIMITERS",
    "STDIN",
    "Chunk",
    "Dialect",
    "Format",
    "OpenTable",
    "Sheet",
    "TableError",
    "check_target",
    "close_names",
    "listed",
    "open_chunks",
    "parse_times",
    "read_sheet",
    "read_table",
    "shortened",
    "shown",
]

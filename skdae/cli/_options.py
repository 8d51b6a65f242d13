"""Options that several commands have."""

from typing import Annotated

import typer

from skdae._reading import NAMES_OF_DELIMITERS, Format, TableError

CSV_PANEL = "How the CSV is written"

Data = Annotated[
    str, typer.Argument(metavar="DATA", help="The table: CSV, Parquet, or - for stdin.")
]
Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="A file made by skdae fit.")
]
ModelOrData = Annotated[
    str, typer.Argument(metavar="MODEL|DATA", help="A model file or a table.")
]
Output = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        help="Where to write: .csv, .csv.gz, .parquet, or - for stdout.",
    ),
]
Keep = Annotated[
    bool,
    typer.Option(
        "--keep", help="Write columns that the model does not know too, unchanged."
    ),
]
ChunkRows = Annotated[
    int,
    typer.Option(
        "--chunk-rows",
        min=1,
        help="Rows in memory at a time; tables may be larger than memory.",
    ),
]
Force = Annotated[
    bool, typer.Option("--force", "-f", help="Overwrite a file that is there.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")]
Delimiter = Annotated[
    str | None,
    typer.Option(
        "--delimiter",
        help="comma, semicolon, tab, bar or a character.",
        rich_help_panel=CSV_PANEL,
    ),
]
Decimal = Annotated[
    str | None,
    typer.Option(
        "--decimal", help="Mark of decimals: . or ,", rich_help_panel=CSV_PANEL
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding", help="utf-8, cp1252, shift_jis, ...", rich_help_panel=CSV_PANEL
    ),
]
Header = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header",
        help="Whether the first line names the columns.",
        rich_help_panel=CSV_PANEL,
    ),
]
Missing = Annotated[
    list[str] | None,
    typer.Option(
        "--missing",
        metavar="TEXT",
        help="A further marker of missing values, such as -999; may be repeated.",
        rich_help_panel=CSV_PANEL,
    ),
]


def make_format(
    delimiter: str | None,
    decimal: str | None,
    encoding: str | None,
    header: bool | None,
    missing: list[str] | None,
) -> Format:
    """Return how the user says that CSV is written."""
    by_name = {name: mark for mark, name in NAMES_OF_DELIMITERS.items()}
    mark = by_name.get(delimiter or "", delimiter)
    mark = "\t" if mark == "\\t" else mark
    if mark is not None and len(mark) != 1:
        raise TableError(
            f"--delimiter {delimiter!r} must be one character, or one of "
            f"{', '.join(by_name)}."
        )
    if decimal not in (None, ".", ","):
        raise TableError(f"--decimal {decimal!r} must be '.' or ','.")
    return Format(mark, decimal, encoding, header, frozenset(missing or ()))

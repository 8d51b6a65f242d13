"""Options that several commands have."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from skdae._files import NAMES_OF_DELIMITERS, Format, TableError, close_names

CSV_PANEL = "How the CSV is written"


def must(holds: Callable[[Any], bool], rule: str) -> Callable[[Any], Any]:
    """Return a callback that refuses values of an option by a rule with its remedy."""

    def check(value: Any) -> Any:
        if value is not None and not holds(value):
            raise typer.BadParameter(f"{value} must {rule}.")
        return value

    return check


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
        callback=must(lambda n: n >= 1, "be at least 1, such as 10000"),
        help="Rows in memory at a time; tables may be larger than memory.",
    ),
]
Use = Annotated[
    list[str] | None,
    typer.Option(
        "--use",
        metavar="COL",
        help="A column to learn from that would be left out, such as a number "
        "that counts the rows; may be repeated.",
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed",
        callback=must(lambda n: 0 <= n < 2**32, "be from 0 to 4294967295, such as 0"),
        help="Same table and seed, same result.",
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


@contextmanager
def as_typed(options: Mapping[str, str]) -> Iterator[None]:
    """Let an error name options, not parameters, by patterns of what it says."""
    try:
        yield
    except ValueError as error:
        said = str(error)
        for parameter, option in options.items():
            said = re.sub(parameter, option, said)
        raise TableError(said) from error


def check_columns(
    named: Iterable[tuple[str, str | None]], columns: Iterable[str]
) -> None:
    """Refuse columns that options name and that are not there, or have two roles."""
    roles: dict[str, str] = {}
    known = list(columns)
    for option, name in named:
        if name is None:
            continue
        if name not in known:
            raise TableError(
                f"{option} {name!r}: the table has no such column; "
                f"{close_names(name, known)}"
            )
        if roles.setdefault(name, option) != option:
            raise TableError(
                f"{roles[name]} and {option} must name different columns, and both "
                f"name {name!r}; take it out of one."
            )


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

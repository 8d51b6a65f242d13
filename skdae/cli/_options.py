"""Options of commands, declared as their help shows them.

``Annotated[int, "--seed -s N: Same table and seed, same result."]`` is an option, and
``Annotated[str, "DATA: The table."]`` an argument; a word in capitals stands for the
value. A rule may follow: what must hold of a value, and how the message puts it. A
parameter of a command whose type is a class of options stands for its fields.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass
from functools import cached_property
from inspect import Parameter, signature
from typing import Annotated, Any, cast, get_args, get_type_hints

import typer

from skdae._files import NAMES_OF_DELIMITERS, Format, TableError, close_names

DECLARED = r"((?:--?[a-z/-]+ ?)*)([A-Z|=]*): (.*)"  # names, metavar, help

Data = Annotated[str, "DATA: The table: CSV, Parquet, or - for stdin."]
Columns = list[str] | None
Drop = Annotated[Columns, "--drop COL: A column to leave out; may be repeated."]
Use = Annotated[
    Columns,
    "--use COL: A column to learn from that would be left out, such as a number that "
    "counts the rows; may be repeated.",
]
Target = Annotated[str | None, "--target -t COL: The column to predict."]
Time = Annotated[
    str | None,
    "--time COL: The column of times, by which rows are sorted, here and in later "
    "tables (imputer, denoiser).",
]
Groups = Annotated[
    str | None,
    "--groups COL: The column of units, files or runs, which are kept apart, here and "
    "in later tables (imputer, denoiser).",
]
Seed = Annotated[
    int,
    "--seed: Same table and seed, same result.",
    (lambda n: 0 <= n < 2**32, "be from 0 to 4294967295, such as 0"),
]
Force = Annotated[bool, "--force -f: Overwrite a file that is there."]
QUIET = Annotated[bool, "--quiet -q: Say nothing but errors."]
DEBUG = Annotated[bool, "--debug: Show where an error comes from."]


@dataclass(frozen=True, kw_only=True)
class Csv:
    """How the CSV is written."""

    delimiter: Annotated[
        str | None, "--delimiter: comma, semicolon, tab, bar or a character."
    ] = None
    decimal: Annotated[str | None, "--decimal: Mark of decimals: . or ,"] = None
    encoding: Annotated[str | None, "--encoding: utf-8, cp1252, shift_jis, ..."] = None
    header: Annotated[
        bool | None, "--header/--no-header: Whether the first line names the columns."
    ] = None
    missing: Annotated[
        Columns,
        "--missing TEXT: A further marker of missing values, such as -999; may be "
        "repeated.",
    ] = None

    @cached_property
    def form(self) -> Format:
        """How the user says that CSV is written."""
        by_name = {name: mark for mark, name in NAMES_OF_DELIMITERS.items()}
        mark = {**by_name, "\\t": "\t"}.get(self.delimiter or "", self.delimiter)
        if mark is not None and len(mark) != 1:
            raise TableError(
                f"--delimiter {self.delimiter!r} must be one character, or one of "
                f"{', '.join(by_name)}."
            )
        if self.decimal not in (None, ".", ","):
            raise TableError(f"--decimal {self.decimal!r} must be '.' or ','.")
        missing = frozenset(self.missing or ())
        return Format(mark, self.decimal, self.encoding, self.header, missing)


# --- parameters of commands ----------------------------------------------------------


def parameters(function: Callable[..., Any]) -> list[Parameter]:
    """Return the parameters of a command for typer, options in place of classes."""
    found = [*_parameters(signature(function).parameters.values(), function, None)]
    for name, kind in (("quiet", QUIET), ("debug", DEBUG)):
        found.append(_parameter(name, kind, False, None))
    return found


def bundled(owner: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a command, the values of options put into classes."""
    kinds: dict[str, Any] = get_type_hints(owner)
    return {
        name: cast(Any, kind)(**bundled(kind, values))
        if is_dataclass(kind)
        else values[name]
        for name, kind in kinds.items()
        if name != "return"
    }


def _parameters(
    given: Iterable[Parameter], owner: Any, panel: str | None
) -> Iterator[Parameter]:
    """Yield parameters as typer takes them."""
    kinds: dict[str, Any] = get_type_hints(owner, include_extras=True)
    for each in given:
        kind = kinds[each.name]
        if is_dataclass(kind):
            of_kind = signature(cast(Any, kind)).parameters.values()
            yield from _parameters(of_kind, kind, kind.__doc__ if kind is Csv else None)
        else:
            yield _parameter(each.name, kind, each.default, panel)


def _parameter(name: str, kind: Any, default: Any, panel: str | None) -> Parameter:
    """Return what typer makes an option or an argument of."""
    base, text, *rule = get_args(kind)
    names, metavar, words = re.findall(DECLARED, text)[0]
    shown: dict[str, Any] = {"help": words, "metavar": metavar or None}
    if names:
        check = must(*rule[0]) if rule else None
        shown |= {"callback": check, "rich_help_panel": panel and panel.rstrip(".")}
        info = typer.Option(*names.split(), **shown)
    else:
        info = typer.Argument(**shown)
    kind = Annotated[base, info]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def must(holds: Callable[[Any], bool], rule: str) -> Callable[[Any], Any]:
    """Return a callback that refuses values of an option by a rule with its remedy."""

    def check(value: Any) -> Any:
        if value is not None and not holds(value):
            raise typer.BadParameter(f"{value} must {rule}.")
        return value

    return check


# --- errors --------------------------------------------------------------------------


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


def check_columns(named: Mapping[str, Any], columns: Iterable[str]) -> None:
    """Refuse columns that options name and that are not there, or have two roles."""
    roles: dict[str, str] = {}
    known = list(columns)
    for option, given in named.items():
        for name in [given] if isinstance(given, str) else given or ():
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

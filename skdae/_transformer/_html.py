"""The phases of a plan as a table of HTML, below scikit-learn's own diagram.

The table takes text colour and background from the page, so that it is readable on
light and dark ones, and needs neither script nor network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from sklearn.base import BaseEstimator

from skdae._core.monitor import PhaseRecord
from skdae._transformer._parameters import resolve_parameters
from skdae.schedules import Phase

# what a phase has come to: its name in a record, and in the table
RESULTS = {"loss": "loss", "validation_loss": "held-out loss", "seconds": "seconds"}
CLOSING = "</body>"  # what scikit-learn's diagram may end with

STYLE = """<style>
.skdae-phases {overflow-x: auto; margin: 0.6em 0;}
.skdae-phases table {border-collapse: collapse; font-size: 0.9em; color: inherit;
  background: none; width: auto; margin-bottom: 0.6em;}
.skdae-phases caption {caption-side: top; text-align: left; font-weight: bold;
  padding: 0.2em 0; color: inherit;}
.skdae-phases th, .skdae-phases td {padding: 0.2em 0.7em; text-align: right;
  border-bottom: 1px solid rgba(128, 128, 128, 0.5); color: inherit;
  background: none; white-space: nowrap;}
.skdae-phases th.text, .skdae-phases td.text {text-align: left;}
.skdae-phases td.still {opacity: 0.75; font-style: italic;}
</style>"""


@dataclass(frozen=True)
class PhaseTable:
    """Phases to be shown: a plan, or what has become of it."""

    title: str
    phases: Sequence[Phase | PhaseRecord]
    learning_rate: float  # at a factor of 1


def phase_tables(transformer: Any, title: str = "") -> list[PhaseTable]:
    """Return the table of a transformer: phases as trained, or else as planned."""
    of_whom = f" of {title}" if title else ""
    rate = float(transformer.learning_rate_init)
    records = getattr(transformer, "phases_", ())
    if records:
        return [PhaseTable(f"Phases{of_whom}, as trained", records, rate)]
    plan = resolve_parameters(transformer).plan
    return [PhaseTable(f"Phases{of_whom}, as planned", plan, rate)]


def _rate(rate: float, learning_rate: float) -> str:
    """Return the cell of a layer."""
    if rate == 0:
        return '<td class="still">frozen</td>'
    return f"<td>{rate * learning_rate:.3g}</td>"


def _row(number: int, phase: Any, n_layers: int, rate: float, results: list) -> str:
    """Return the line of a phase."""
    cells = [
        f"<td>{number}</td>",
        f'<td class="text">{escape(str(phase.kind))}</td>',
        f"<td>{phase.depth}</td>",
        f"<td>{phase.epochs}</td>",
        *(_rate(factor, rate) for factor in phase.rates),
        *["<td>&ndash;</td>"] * (n_layers - phase.depth),
        f'<td class="text">{escape(str(phase.corrupt))}</td>',
    ]
    cells += [f"<td>{getattr(phase, name):.4g}</td>" for name in results]
    return f"<tr>{''.join(cells)}</tr>"


def to_html(table: PhaseTable) -> str:
    """Return a table of phases as HTML."""
    n_layers = max(phase.depth for phase in table.phases)
    layers = [f"layer {k}" for k in range(1, n_layers + 1)]
    heads = ["phase", "kind", "depth", "epochs", *layers, "noise on"]
    results = [
        name
        for name in RESULTS
        if all(getattr(phase, name, None) is not None for phase in table.phases)
    ]
    heads += [RESULTS[name] for name in results]
    columns = "".join(
        f'<th scope="col"{" class=text" if head in ("kind", "noise on") else ""}>'
        f"{head}</th>"
        for head in heads
    )
    rows = "".join(
        _row(number, phase, n_layers, table.learning_rate, results)
        for number, phase in enumerate(table.phases, 1)
    )
    return (
        f"<table><caption>{escape(table.title)}; learning rate by layer</caption>"
        f"<thead><tr>{columns}</tr></thead><tbody>{rows}</tbody></table>"
    )


class PhaseTableMixin(BaseEstimator):
    """Shows the phases below scikit-learn's diagram of the estimator.

    scikit-learn builds its HTML in two places, one for each protocol of notebooks.
    """

    def _phase_tables(self) -> list[PhaseTable]:
        """Return what is to be shown."""
        return phase_tables(self)

    def _with_phases(self, diagram: str) -> str:
        """Return the diagram and the tables below it.

        Without tables where parameters are not valid: a picture raises nothing.
        """
        try:
            below = "".join(to_html(table) for table in self._phase_tables())
        except Exception:  # `fit` raises it again, with a message
            return diagram
        if not below:
            return diagram
        body = diagram.removesuffix(CLOSING)
        end = CLOSING if len(body) < len(diagram) else ""
        return f'{body}{STYLE}<div class="skdae-phases">{below}</div>{end}'

    def _repr_html_inner(self):
        return self._with_phases(super()._repr_html_inner())

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle:
            bundle["text/html"] = self._with_phases(bundle["text/html"])
        return bundle

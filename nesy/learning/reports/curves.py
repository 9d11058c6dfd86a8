"""The curves of a training: loss, dev metric and speed over the epochs."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence

from nesy.errors import RunError
from nesy.learning.progress import EpochRecord
from nesy.learning.reports.plots import Line, Range, document, line_plot

Plots = list[tuple[str, str]]


def curve_plots(records: Sequence[EpochRecord], metric: str, best_epoch: int) -> Plots:
    """A title and a plot for the losses and for the dev metric; the best epoch is marked."""
    epochs = [float(record.epoch) for record in records]
    losses = [
        Line("training loss", epochs, [record.loss for record in records]),
        Line("dev log-loss", epochs, [record.dev_log_loss for record in records]),
    ]
    is_share = metric != "log_loss"
    scores = [Line(f"dev {metric}", epochs, [record.dev_metric for record in records])]
    mark = float(best_epoch) if best_epoch else None
    x = Range(1.0, max(2.0, max(epochs, default=2.0)))
    return [
        ("Loss", line_plot(losses, "epoch", "nats", x=x, y=_around(losses), mark=mark)),
        (
            f"Dev {metric.replace('_', '-')}",
            line_plot(scores, "epoch", metric.replace("_", "-"), x=x, y=_around(scores, is_share), mark=mark),
        ),
    ]


def draw_curves(records: Sequence[EpochRecord], metric: str, best_epoch: int) -> str:
    """The curves as one SVG file."""
    return document(curve_plots(records, metric, best_epoch))


def read_log(text: str, origin: str) -> list[EpochRecord]:
    """The records of a run's log.csv.

    Raises: RunError for a log that training did not write.
    """
    try:
        return [
            EpochRecord(int(line["epoch"]), **{name: float(line[name]) for name in _NUMBERS})
            for line in csv.DictReader(io.StringIO(text))
        ]
    except (KeyError, TypeError, ValueError):
        raise RunError(f"{origin}: not what training writes there") from None


_NUMBERS = tuple(name for name in EpochRecord.__annotations__ if name != "epoch")


def _around(lines: Sequence[Line], is_share: bool = False) -> Range:
    return Range.around([value for line in lines for value in line.y if math.isfinite(value)], is_share=is_share)

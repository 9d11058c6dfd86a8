"""Fit the temperatures of the neural predicates on dev rows, through the rules."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nesy.errors import InconsistentError
from nesy.learning.batches import Prepared
from nesy.learning.losses import normalised
from nesy.model import Model

FEWEST = 50  # dev rows: one number fitted on fewer says more about them than about the next input
_STEPS = 20  # of L-BFGS on a few numbers: it ends long before
_WIDEST = 3.0  # natural logarithm: a temperature stays within 1/20 .. 20


def calibrate(model: Model, dev: Sequence[Prepared]) -> bool:
    """Fit a temperature for each neural predicate by the log-likelihood of the dev rows' answers.

    The encoder runs once; only what lies between its scores and the answers is run again. Nothing is fitted on fewer
    than 50 rows, and a fit that does not make dev's answers likelier is thrown away. Says whether it was kept.
    """
    known = sum(int((one.target >= 0).sum()) for one in dev)
    if known < FEWEST or not model.core.neural:
        return False
    model.eval()
    with torch.no_grad():
        # In double precision: a temperature that is only tried may make an encoder sure of what no world allows.
        scores = [{name: score.double() for name, score in model.scores(one.batch).items()} for one in dev]
    before = model.temperatures.log.clone()
    log = torch.zeros_like(before, requires_grad=True)

    def loss() -> Tensor:
        model.temperatures.log = log.clamp(-_WIDEST, _WIDEST)
        total = log.new_zeros(())
        for one, own in zip(dev, scores, strict=True):
            rows = one.target >= 0
            if bool(rows.any()):
                p = normalised(one.of_items(model.distribution(one.batch, own).p))[rows.to(log.device)]
                total = total - p.gather(1, one.target[rows].to(p.device)[:, None]).log().sum()
        return total / known

    def closure() -> float:
        optimizer.zero_grad()
        value = loss()
        if value.requires_grad:
            value.backward()
        return float(value.detach())

    optimizer = torch.optim.LBFGS([log], max_iter=_STEPS, line_search_fn="strong_wolfe")
    try:
        first = float(loss().detach())
        optimizer.step(closure)
        last = float(loss().detach())
        model.temperatures.log = log.detach().clamp(-_WIDEST, _WIDEST).clone()
    except InconsistentError:  # tried all the same: there is nothing to be gained that way
        model.temperatures.log = before
        return False
    except BaseException:
        model.temperatures.log = before
        raise
    if not last < first:  # also where it is no number
        model.temperatures.log = before
        return False
    return True

"""How many random examples a property test takes."""

from __future__ import annotations

import os


def num_examples(usual: int) -> int:
    """The usual number, which keeps the suite quick, or `NESY_EXAMPLES` for a long run."""
    return int(os.environ.get("NESY_EXAMPLES", usual))

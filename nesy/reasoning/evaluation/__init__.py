"""Rule evaluation: from a core program to relations, or to a derivation graph."""

from nesy.reasoning.evaluation.boolean import Relations as Relations
from nesy.reasoning.evaluation.boolean import Rows as Rows
from nesy.reasoning.evaluation.boolean import evaluate as evaluate
from nesy.reasoning.evaluation.ground import ground as ground
from nesy.reasoning.evaluation.limits import Limits as Limits

"""Learning: task folders, the training loop, losses, metrics, checkpoints."""

from nesy.learning.abstention import Expectation, expected_error
from nesy.learning.asking import Asked, ask_all
from nesy.learning.crossvalidation import CrossValidation, crossval
from nesy.learning.evaluation import evaluate
from nesy.learning.fitting import Fit, fit
from nesy.learning.formats import Imported, import_data
from nesy.learning.metrics import Metrics
from nesy.learning.overview import Overview, overview
from nesy.learning.run import Run
from nesy.learning.scaffold import new_task
from nesy.learning.task import Task, load_task
from nesy.learning.training import train
from nesy.learning.verification import Verification, verify

__all__ = [
    "Asked",
    "CrossValidation",
    "Expectation",
    "Fit",
    "Imported",
    "Metrics",
    "Overview",
    "Run",
    "Task",
    "Verification",
    "ask_all",
    "crossval",
    "evaluate",
    "expected_error",
    "fit",
    "import_data",
    "load_task",
    "new_task",
    "overview",
    "train",
    "verify",
]

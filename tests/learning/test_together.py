"""Processes that train together: what two of them learn is what one learns, and killing them changes nothing.

The processes here are connected by `torch.distributed` alone; `test_workers.py` has Ray start them, where Ray is there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nesy.learning.group import Group
from nesy.learning.training import train

ROOT = Path(__file__).parent.parent.parent
Edit = Callable[[Path, str, str], None]

# One of two processes. What Ray does with `work` is done by hand: a group that is lost after some epochs is a new one.
MEMBER = """
import json, sys
from datetime import timedelta
import torch
from nesy.learning import training
from nesy.learning.progress import Silent

class Lost(Exception): ...

class Losing(Silent):
    epochs_left = 0
    def epoch(self, record, metric, is_best):
        self.epochs_left -= 1
        if self.epochs_left == 0:
            raise Lost

rank, store, trainings = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
torch.set_num_threads(1)
torch.distributed.init_process_group(
    "gloo", init_method="file://" + store, rank=rank, world_size=2, timeout=timedelta(seconds=60)
)
for task, out, lost_in in trainings:
    def together(work, workers, scratch, report, *, on_gpu):
        assert (workers, on_gpu) == (2, False)
        losing = Losing()
        losing.epochs_left = lost_in
        try:
            found = work(False, losing)
        except Lost:
            found = work(True, Silent())
        assert (found is None) == (rank == 1)
        return found or training.Run(*[None] * 9)

    training.run_together = together
    training.train(task, out, workers=2, device="cpu", progress=False)
"""


def pair(place: Path, *trainings: tuple[Path, Path, int]) -> None:
    """Run two processes through some trainings; each may lose its group in some epoch."""
    told = json.dumps([(str(task), str(out), lost_in) for task, out, lost_in in trainings])
    members = [
        subprocess.Popen([sys.executable, "-c", MEMBER, str(rank), str(place / "store"), told]) for rank in (0, 1)
    ]
    assert [member.wait(timeout=120) for member in members] == [0, 0]


def same(one: Path, other: Path) -> None:
    """Both runs have the same weights and figures, but for the order of sums."""
    have, want = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    assert have.keys() == want.keys()
    for name, tensor in want.items():
        torch.testing.assert_close(have[name], tensor, atol=2e-5, rtol=1e-4, msg=f"{name} differs")
    mine, its = (json.loads((run / "metrics.json").read_text()) for run in (one, other))
    assert (mine["workers"], its["workers"]) == (2, 1)
    assert mine["rules"].keys() == its["rules"].keys()
    assert mine["test"]["accuracy"] == its["test"]["accuracy"]
    logs = [(run / "log.csv").read_text().splitlines()[1:] for run in (one, other)]
    losses = [[float(line.split(",")[1]) for line in log] for log in logs]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def mixed(mood: Path, edit: Edit) -> Path:
    """A task in which every loss is a mean over another number of things in each process.

    Some rows have no answer, some no known atoms; there are constraints; and a probability for each word, which only
    some batches have.
    """
    task = mood.with_name("mixed")
    task.mkdir()
    for file in mood.iterdir():
        (task / file.name).write_text(file.read_text())
    edit(task / "program.nesy", "t(0.4)::turns.", "t(0.4)::turns.\nt(0.5,W)::odd(W) :- token(1, W).")
    edit(task / "program.nesy", "#query", ":- odd(W), token(1, W), leans(0, negative).\n#query")
    edit(task / "task.toml", "[training]", "[training]\nconcept_weight = 0.7\nconstraint_weight = 0.3\nsmoothing = 0.1")
    rows = [json.loads(line) for line in (task / "train.jsonl").read_text().splitlines()]
    for number, row in enumerate(rows):
        if number % 3 == 0:
            row["statements"] = {f"label({row.pop('label')})": True}
        if number % 5 < 2:
            del row["concepts"]
    (task / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return task


def pictures(mood: Path) -> Path:
    """A task whose rows share one structure and are drawn anew in each epoch."""
    task = mood.with_name("pictures")
    task.mkdir()
    for name in ("task.toml", "program.nesy"):
        (task / name).write_text((ROOT / "tasks" / "digits" / name).read_text())
    text = (task / "task.toml").read_text()
    for old, new in (("dropout = 0.3", ""), ("512", "32"), ("[16, 32]", "[4]"), ("epochs = 40", "epochs = 2")):
        assert old in text
        text = text.replace(old, new)
    (task / "task.toml").write_text(text)
    return task


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_and_go_on_where_they_were_lost(
    mood: Path, tmp_path: Path, edit: Edit
) -> None:
    tasks = [mood, mixed(mood, edit), pictures(mood)]
    for task in tasks[:2]:
        edit(task / "task.toml", "epochs = 6", "epochs = 3")
    # 108 rows in batches of 107: the second batch is too small to be shared.
    edit(mood / "task.toml", "batch_size = 16", "batch_size = 107")
    pair(tmp_path, *((task, tmp_path / f"{task.name}-2", 0) for task in tasks), (tasks[1], tmp_path / "lost", 2))
    for task in tasks:
        train(task, tmp_path / "one", device="cpu", progress=False)
        same(tmp_path / f"{task.name}-2", tmp_path / "one")
    whole, resumed = (tmp_path / name / "model.safetensors" for name in ("mixed-2", "lost"))
    assert whole.read_bytes() == resumed.read_bytes()


def test_a_batch_is_shared_if_there_is_enough_of_it() -> None:
    first, second = Group(0, 2), Group(1, 2)
    assert (first.share([5, 6, 7]), second.share([5, 6, 7])) == ([5, 7], [6])
    assert first.share([5]) == second.share([5]) == [5]
    assert Group().share([5, 6, 7]) == [5, 6, 7]

"""Rules and an encoder, as one torch module: payloads in, a distribution over answers out.

Grounding is symbolic and does not depend on weights, so it is apart from the forward pass: `prepare`
runs the rules over a batch's possible facts and analyses the graph once; `forward` is tensors only, and
the same `Batch` serves every epoch.
"""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nesy import hub, run_folder
from nesy.answer import Answer
from nesy.device import choose_device
from nesy.errors import DataError, QueryError, RunError
from nesy.language import parse_query, parse_value
from nesy.language.core import Atom, CoreProgram, Query
from nesy.language.functions import FUNCTIONS
from nesy.language.values import Compound, format_value, key
from nesy.leaves import LeafPlan, Parameters, parameter_keys
from nesy.perception import Encoder, Facts, Interface, Keys, Modules, Payload, View, encoder_class, encoder_kind
from nesy.program import Program
from nesy.reasoning import Budget, DerivationGraph, KnownSamples, Limits, Reading, Structures, exact, ground
from nesy.temperatures import Temperatures

_MOST_STRUCTURES = 256  # graphs kept for payloads of a structure that was seen before
_SMALLEST = 1e-12  # probability below which a log is clamped: float32 noise of a long product


@dataclass(frozen=True, eq=False)
class Batch:
    """Payloads whose rules have been run: everything of a forward pass that does not depend on weights.

    With `is_shared`, all payloads have the same possible facts and one graph serves them as a tensor batch;
    otherwise their graphs lie side by side in one.
    """

    payloads: tuple[Payload, ...]
    graph: DerivationGraph
    reading: Reading
    plan: LeafPlan
    requests: Mapping[str, Keys]
    is_shared: bool
    answers: tuple[Atom, ...]
    column: Tensor  # [B, A] where in the reading's output an answer stands; one past its end where it cannot hold

    def __len__(self) -> int:
        return len(self.payloads)

    @cached_property
    def is_bounded(self) -> Tensor:
        """Which payloads have an answer too entangled for its exact probability: only an interval holds it.

        Shapes: -> [B]
        """
        bounded = torch.tensor([*(method == "bounds" for method in self.reading.methods), False])
        return bounded[self.column].any(dim=1)


@dataclass(frozen=True, eq=False)
class Distribution:
    """The probabilities of the answers of a batch, on the autograd tape.

    Where only an interval is known of a probability, `p` is its middle and `slack` half its width, elsewhere 0;
    `evidence` is then the part that is known to hold, so at most its probability.

    Shapes: p and slack [B, A], evidence [B] the probability of the constraints and evidence that p is conditional on,
    scores of the batch's requests as the encoder gave them
    """

    answers: tuple[Atom, ...]
    p: Tensor
    slack: Tensor
    leaf: Tensor
    evidence: Tensor
    scores: Mapping[str, Tensor]

    def index(self, targets: Sequence[str]) -> Tensor:
        """The columns of answers given as text; -1 for one that no payload of the batch could give.

        Shapes: -> [B]
        """
        place = {str(atom): column for column, atom in enumerate(self.answers)}
        return torch.tensor([place.get(target, -1) for target in targets], device=self.p.device)

    def of(self, targets: Sequence[str] | Tensor) -> Tensor:
        """The probability of one answer per payload; 0 for an answer that cannot hold.

        Shapes: -> [B]
        """
        index = targets if isinstance(targets, Tensor) else self.index(targets)
        picked = self.p.gather(1, index.clamp(min=0)[:, None]).squeeze(1)
        return torch.where(index >= 0, picked, torch.zeros_like(picked))

    def nll(self, targets: Sequence[str] | Tensor) -> Tensor:
        """The mean negative log-likelihood of one answer per payload.

        Shapes: -> []
        Units: nats.
        """
        return -self.of(targets).clamp(min=_SMALLEST).log().mean()


@dataclass(frozen=True, eq=False)
class _Known:
    """One structure that whole batches have had."""

    graph: DerivationGraph
    reading: Reading
    answers: tuple[Atom, ...]
    column: Tensor  # [1, A]


class Model(nn.Module):
    """A program whose neural predicates an encoder gives. It answers one query, or several that are named.

    In an encoder's place may stand a torch module for each neural predicate (see `perception.modules`).

    Raises: QueryError where it is not clear which; TaskError for modules that do not fit the program.
    """

    def __init__(
        self,
        program: Program | CoreProgram,
        encoder: Encoder | nn.Module | Mapping[str, nn.Module],
        query: str | Sequence[str] | None = None,
    ):
        super().__init__()
        self.program = program if isinstance(program, Program) else Program(program)
        self.encoder = encoder if isinstance(encoder, Encoder) else Modules(encoder, Interface.of(self.core))
        self.parameters_of_rules = Parameters(self.core)
        self.temperatures = Temperatures(self.core)
        self.queries = self._queries(query)
        self.structures = Structures()  # what was found out about structures, for all batches that meet them again
        self._samples = KnownSamples(self.core, self.queries, self.structures)
        self._readings: OrderedDict[object, _Known] = OrderedDict()  # of payloads that all have one structure

    @property
    def core(self) -> CoreProgram:
        """The checked program."""
        return self.program.core

    @property
    def query(self) -> Query:
        """The query that is answered; the first of several."""
        return self.queries[0]

    def _queries(self, texts: str | Sequence[str] | None) -> tuple[Query, ...]:
        if isinstance(texts, str):
            return (parse_query(texts, self.core),)
        if texts is not None:
            found = tuple(parse_query(text, self.core) for text in texts)
            if not found or len({query.atom.signature for query in found}) < len(found):
                raise QueryError("a model answers one query, or several of a predicate of its own each")
            return found
        if len(self.core.queries) != 1:
            raise QueryError(
                f"a model answers one query, and the program states {len(self.core.queries)}: "
                f'name it (in task.toml: `query = "label(L)"`)'
            )
        return (self.core.queries[0],)

    def prepare(self, payloads: Sequence[Payload], *, learn: bool = False) -> Batch:
        """Run the rules over a batch's possible facts; with `learn`, make room for parameters they meet.

        Cost: linear in the facts; for payloads that were not in an earlier batch, that of running the rules.

        Raises: DataError for a payload that the encoder cannot read, LimitError.
        """
        if not payloads:
            raise DataError("a batch needs at least one payload")
        facts = [self.encoder.facts(payload) for payload in payloads]
        structures = [_structure(fact) for fact in facts]
        is_shared = all(structure == structures[0] for structure in structures[1:])
        if is_shared:
            known = self._reading(structures[0], facts[0])
            graph, reading, answers = known.graph, known.reading, known.answers
            column = known.column.expand(len(payloads), -1)
        else:
            reading = self._samples.read(facts, structures)
            graph = reading.graph
            answers, column = _columns(graph, len(payloads))
        if learn:
            self.parameters_of_rules.extend(parameter_keys(graph))
        plan = LeafPlan.of(graph, self.parameters_of_rules)
        requests = {
            name: _tiled(keys, len(payloads)) if is_shared else keys
            for name, keys in plan.requests.items()
            if len(keys)
        }
        return Batch(tuple(payloads), graph, reading, plan, requests, is_shared, answers, column)

    def structure(self, payload: Payload) -> Hashable:
        """What decides a payload's graph: payloads of one structure share it.

        Raises: DataError for a payload that the encoder cannot read.
        """
        return _structure(self.encoder.facts(payload))

    def forward(self, batch: Batch) -> Distribution:
        """The distribution over the batch's answers, differentiable in encoder and parameters.

        Exact, but where `Batch.is_bounded`: see `Distribution`.
        """
        return self.distribution(batch, self.scores(batch))

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """What the encoder says of the batch: everything between payloads and rules. Shapes: each [K, V]"""
        return self.encoder(batch.payloads, batch.requests) if batch.requests else {}

    def distribution(self, batch: Batch, scores: Mapping[str, Tensor]) -> Distribution:
        """The distribution over the batch's answers, given the encoder's scores."""
        leaf = self._assembled(batch, scores)
        found = batch.reading(leaf)
        column = batch.column.to(leaf.device)
        p = _picked(found.p, 0.0, column, batch.is_shared)
        if batch.reading.method == "bounds":
            slack = _picked((found.upper - found.lower) / 2, 0.0, column, batch.is_shared)
        else:
            slack = p.new_zeros(()).expand_as(p)
        if not batch.reading.groups:
            return Distribution(batch.answers, p, slack, leaf, p.new_ones(len(batch)), scores)
        # Conditions are those of the whole payload, so any of its queries has them: its first, if it has one.
        past = column.new_full((len(batch), 1), found.evidence.shape[-1])
        first = torch.cat([column, past], dim=1).min(dim=1, keepdim=True).values
        evidence = _picked(found.evidence, 1.0, first, batch.is_shared).squeeze(1)
        return Distribution(batch.answers, p, slack, leaf, evidence, scores)

    def leaves(self, batch: Batch) -> Tensor:
        """The probability of every leaf of the batch's graph, in double precision.

        Shapes: [B, L] for a shared graph, [L] for graphs side by side
        """
        return self._assembled(batch, self.scores(batch))

    def _assembled(self, batch: Batch, scores: Mapping[str, Tensor]) -> Tensor:
        shape = (len(batch),) if batch.is_shared else ()
        like = next(iter(scores.values()), self.parameters_of_rules.logits)
        shaped: dict[str, Tensor] = {}
        for name, keys in batch.plan.requests.items():
            width = self.core.neural[name].num_scores
            score = scores[name] if name in scores else like.new_zeros(0, width)
            shaped[name] = self.temperatures.soften(name, score).reshape(*shape, len(keys), width)
        return batch.plan.assemble(self.parameters_of_rules(), shaped, shape)

    @torch.no_grad()
    def ask(self, question: str | Payload) -> Answer:
        """One explained answer; a question is what the encoder reads (a sentence, a picture's name) or a payload.

        Raises: DataError for a question that the encoder cannot read; InconsistentError.
        """
        payload = self.encoder.payload_of(question) if isinstance(question, str) else question
        batch = self.prepare([payload])
        leaf = self.leaves(batch)
        return Answer.of(
            batch.graph,
            leaf[0] if batch.is_shared else leaf,
            batch.reading,
            View(self.encoder, payload, frozenset(self.core.neural)),
            payload=payload,
            facts=self.encoder.facts(payload),
        )

    def save(
        self,
        folder: str | Path,
        metrics: Mapping[str, Any] | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        """Write the model as a run folder, whole or not at all; `files` are further texts to keep with it.

        Raises: RunError if the folder exists and is not a run, or if rules may call Python functions.
        """
        _refuse_functions(self.core)
        with run_folder.writing(Path(folder)) as scratch:
            main = run_folder.write_rules(scratch, self.core.files)
            texts = [_query_text(query) for query in self.queries]
            config = {
                "nesy": version("nesy"),
                "program": main,
                "query": texts[0] if len(texts) == 1 else texts,
                "encoder": {"config": self.encoder.config(), "kind": encoder_kind(self.encoder)},
                "parameters": [
                    [id, [format_value(value) for value in index]] for id, index in self.parameters_of_rules.groups
                ],
            }
            run_folder.write_json(scratch / "config.json", config)
            run_folder.write_json(scratch / "metrics.json", metrics or {})
            for name, text in (files or {}).items():
                (scratch / name).write_text(text, encoding="utf-8")
            weights = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
            save_file(weights, scratch / "model.safetensors")

    def push_to_hub(self, repository: str, *, private: bool | None = None, token: str | None = None) -> str:
        """Save the model into a repository of the Hugging Face hub; gives its address.

        A trained run goes there whole, with card, task and metrics, by `Run.push_to_hub` or `nesy push`.

        Raises: RunError where the hub refuses, or for rules that may call Python functions.
        """
        with tempfile.TemporaryDirectory() as scratch:
            self.save(Path(scratch) / "run")
            return hub.push(Path(scratch) / "run", repository, private=private, token=token)

    @classmethod
    def from_pretrained(cls, folder: str | Path, device: str = "auto", *, revision: str | None = None) -> Model:
        """The model of a run folder, or of a hub id (`revision` of it); it needs nothing else, and runs no code of it.

        Raises: RunError for a folder that is incomplete, changed, foreign or newer, or that the hub does not give.
        """
        place = hub.run_place(folder, revision)
        run_folder.check(place)
        config = run_folder.read_json(place, "config.json")
        try:
            if config["program"] not in run_folder.files_of(place):
                raise ValueError(f"`{config['program']}` is not one of its files")
            program = Program.load(place / config["program"])
            kind, encoder_config = config["encoder"]["kind"], config["encoder"]["config"]
            model = cls(program, encoder_class(kind).from_config(encoder_config), config["query"])
            model.parameters_of_rules.extend((id, tuple(map(parse_value, index))) for id, index in config["parameters"])
            model.load_state_dict(load_file(place / "model.safetensors"))
        except (KeyError, TypeError, ValueError, RuntimeError, OSError, SafetensorError) as error:
            raise RunError(f"{place}: its parts do not fit together ({error}): train it again") from error
        return model.to(choose_device(device)).eval()

    def _reading(self, structure: object, facts: Facts) -> _Known:
        known = self._readings.get(structure)
        if known is None:
            graph = ground(self.core, (facts,), queries=self.queries, limits=Limits())
            known = _Known(graph, exact(graph, Budget(), self.structures), *_columns(graph, 1))
            self._readings[structure] = known
            if len(self._readings) > _MOST_STRUCTURES:
                self._readings.popitem(last=False)
        self._readings.move_to_end(structure)
        return known


def _structure(facts: Facts) -> Hashable:
    """What decides a graph: the possible facts, told apart by type too."""
    found: list[Hashable] = []
    for signature, rows in sorted(facts.items()):
        values = list(chain.from_iterable(rows))
        types = tuple(map(type, values))
        # Inside compounds types hide; elsewhere those of a relation's values say all.
        told = (types, *values) if Compound not in types else tuple(map(key, values))
        found.append((signature, len(rows), told))
    return tuple(found)


def _refuse_functions(program: CoreProgram) -> None:
    names = [f"`{name}/{arity}`" for name, arity in program.functions if (name, arity) not in FUNCTIONS]
    if names:
        raise RunError(
            f"a run folder holds rules and weights, not Python code, and these rules may call {', '.join(names)}: "
            "compute it before the rules run, as an `#input`, or write it as rules"
        )


def _query_text(query: Query) -> str:
    return f"not {query.atom}" if query.negated else str(query.atom)


def _tiled(keys: Keys, times: int) -> Keys:
    return Keys(np.repeat(np.arange(times), len(keys)), [*keys.key] * times)


def _picked(values: Tensor, nowhere: float, column: Tensor, is_shared: bool) -> Tensor:
    """The values at each payload's columns; one past the end is `nowhere`.

    Shapes: values [B, Q] or, side by side, [Q]; column [B, C] -> [B, C]
    """
    padded = torch.cat([values, values.new_full((*values.shape[:-1], 1), nowhere)], dim=-1)
    return padded.gather(1, column) if is_shared else padded[column]


def _columns(graph: DerivationGraph, num_payloads: int) -> tuple[tuple[Atom, ...], Tensor]:
    """The answers of a batch side by side, and where each payload's stand in the output of a reading."""
    atoms: dict[str, Atom] = {}
    place: dict[str, int] = {}
    of_object: dict[int, int] = {}  # samples share their atoms, and the text of each is made once
    columns: list[int] = []
    for query in graph.query:
        number = of_object.get(id(query.atom))
        if number is None:
            text = str(query.atom)
            atoms.setdefault(text, query.atom)
            number = of_object[id(query.atom)] = place.setdefault(text, len(place))
        columns.append(number)
    column = torch.full((num_payloads, len(atoms)), len(graph.query))
    sample = torch.tensor([query.sample for query in graph.query], dtype=torch.int64)
    column[sample, torch.tensor(columns, dtype=torch.int64)] = torch.arange(len(graph.query))
    return tuple(atoms.values()), column

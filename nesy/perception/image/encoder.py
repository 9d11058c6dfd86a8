"""Pictures: `image(Index)` for the rules, and a hypervector of each picture for the neural predicates.

A payload holds one picture or a list of them; a key of a neural predicate is the number of a picture, from 0.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nesy.errors import DataError, RunError, TaskError
from nesy.language.core import Signature
from nesy.language.values import Value, format_value
from nesy.perception.encoder import Encoder, Facts, Interface, Keys, Payload, Sighting
from nesy.perception.image.features import ConvolutionFeatures, RecordFeatures
from nesy.perception.image.jitter import Jitter
from nesy.perception.image.picture import Picture, as_picture
from nesy.perception.image.sources import find_pictures
from nesy.perception.influence import Influence, Members, Part, influence
from nesy.perception.options import read_options, within
from nesy.perception.payloads import check_samples, field_of, rows_of
from nesy.perception.readout import ReadoutName, make_readouts

_IMAGE: Final = Signature("image", 1)


@dataclass(frozen=True)
class ImageOptions:
    """The `[encoder]` table of kind `image`.

    `turn`, `shift` and `stretch` change the pictures a little while training (see `Jitter`).
    """

    field: str = "images"
    white: float = dataclasses.field(default=1.0, metadata=within(1e-6, 1e6))
    features: Literal["convolution", "record"] = "convolution"
    dim: int = dataclasses.field(default=512, metadata=within(1, 65_536))
    channels: tuple[int, ...] = (16, 32)
    levels: int = dataclasses.field(default=16, metadata=within(2, 256))
    readout: ReadoutName = "linear"
    hidden: int = dataclasses.field(default=64, metadata=within(1, 65_536))
    dropout: float = dataclasses.field(default=0.0, metadata=within(0.0, 0.95))
    turn: float = dataclasses.field(default=0.0, metadata=within(0.0, 180.0))
    shift: float = dataclasses.field(default=0.0, metadata=within(0.0, 1.0))
    stretch: float = dataclasses.field(default=0.0, metadata=within(0.0, 0.9))


@final
class ImageEncoder(Encoder):
    """See the module's text."""

    def __init__(
        self,
        options: ImageOptions,
        shape: tuple[int, int],
        num_scores: Mapping[str, int],
        inputs: Sequence[Signature],
        seed: int,
    ):
        super().__init__()
        if options.features == "convolution" and not (
            options.channels and all(0 < number <= 4096 for number in options.channels)
        ):
            raise TaskError("option `channels` of [encoder] must name 1 to 4,096 channels for each stage")
        self.options, self.shape, self.seed = options, shape, seed
        self.num_scores = dict(num_scores)
        self.inputs = tuple(inputs)
        self.features: ConvolutionFeatures | RecordFeatures
        if options.features == "convolution":
            self.features = ConvolutionFeatures(shape, options.dim, options.channels, seed)
        else:
            self.features = RecordFeatures(shape, options.dim, options.levels, seed)
        self.jitter = Jitter(options.turn, options.shift, options.stretch)
        self.readouts = make_readouts(options.readout, options.dim, self.num_scores, options.hidden, seed)

    @classmethod
    def build(
        cls, options: Mapping[str, Any], interface: Interface, payloads: Sequence[Payload], seed: int
    ) -> ImageEncoder:
        chosen = read_options(ImageOptions, options, "image")
        if _IMAGE not in interface.inputs:
            known = ", ".join(map(str, interface.inputs)) or "none"
            raise TaskError(
                f"the image encoder supplies {_IMAGE}, which the program does not declare (its inputs: {known}): "
                "add `#input image(index).`"
            )
        shapes = [picture.shape for payload in payloads for picture in _pictures_of(payload, chosen)]
        if not shapes:
            raise DataError("the training rows have no pictures")
        return cls(chosen, shapes[0], interface.num_scores, interface.inputs, seed)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> ImageEncoder:
        try:
            options = read_options(ImageOptions, config["options"], "image")
            height, width = config["shape"]
            inputs = [Signature(str(name), int(arity)) for name, arity in config["inputs"]]
            num_scores = {str(name): int(scores) for name, scores in config["num_scores"].items()}
            return cls(options, (int(height), int(width)), num_scores, inputs, int(config["seed"]))
        except (KeyError, TypeError, ValueError, AttributeError, TaskError) as error:
            raise RunError(f"the configuration of the image encoder is damaged: {error}") from None

    def config(self) -> dict[str, Any]:
        options = asdict(self.options)
        return {
            "kind": "image",
            "options": {**options, "channels": list(self.options.channels)},
            "shape": list(self.shape),
            "inputs": [list(signature) for signature in self.inputs],
            "num_scores": self.num_scores,
            "seed": self.seed,
        }

    def facts(self, payload: Payload) -> Facts:
        own = rows_of(payload, (signature for signature in self.inputs if signature != _IMAGE))
        return {**own, _IMAGE: [(index,) for index in range(len(_pictures_of(payload, self.options)))]}

    def forward(self, payloads: Sequence[Payload], requests: Mapping[str, Keys]) -> dict[str, Tensor]:
        pictures = [_pictures_of(payload, self.options) for payload in payloads]
        starts = np.cumsum([0, *map(len, pictures)])
        pixels = np.stack([self._checked(picture).pixels for row in pictures for picture in row])
        shown = torch.from_numpy(pixels).to(self.device)
        vectors = self.features(self.jitter(shown) if self.training else shown)
        vectors = nn.functional.dropout(vectors, self.options.dropout, self.training)
        scores = {}
        for name, keys in requests.items():
            check_samples(name, keys)
            rows = [
                starts[sample] + _index(name, key, pictures[sample])
                for key, sample in zip(keys.key, keys.sample.tolist(), strict=True)
            ]
            index = torch.tensor(rows, dtype=torch.int64, device=vectors.device)
            scores[name] = self.readouts[name](vectors.index_select(0, index))
        return scores

    def sighting(self, payload: Payload, predicate: str, key: tuple[Value, ...]) -> Sighting:
        pictures = _pictures_of(payload, self.options)
        return Sighting(pictures[_index(predicate, key, pictures)].name)

    def influence(self, payload: Payload, predicate: str, key: tuple[Value, ...], outcome: int) -> Influence | None:
        pictures = _pictures_of(payload, self.options)
        picture = self._checked(pictures[_index(predicate, key, pictures)])
        pixels = torch.from_numpy(picture.pixels).to(self.device)
        with torch.no_grad():
            boxes, vectors = self.features.members(pixels)
            (hypervector,) = self.features(pixels[None])
        members = Members([Part(picture.name, box=box) for box in boxes], vectors, hypervector)
        return influence(members, self.readouts[predicate], outcome)

    def crop(self, payload: Payload, predicate: str, key: tuple[Value, ...]) -> NDArray[np.float32]:
        pictures = _pictures_of(payload, self.options)
        return pictures[_index(predicate, key, pictures)].pixels

    def payload_of(self, typed: str) -> Payload:
        return {self.options.field: find_pictures(typed)}

    def _checked(self, picture: Picture) -> Picture:
        if picture.shape != self.shape:
            found, expected = (f"{height} x {width}" for height, width in (picture.shape, self.shape))
            raise DataError(f"{picture.name}: the picture is {found} pixels, the encoder reads {expected}")
        return picture


def _pictures_of(payload: Payload, options: ImageOptions) -> list[Picture]:
    value = field_of(payload, options.field)
    if isinstance(value, list | tuple) and value and all(isinstance(item, Picture) for item in value):
        return list(value)
    several = isinstance(value, list | tuple) and not _is_one_picture(value)
    items = list(value) if several else [value]
    return [as_picture(item, f"{options.field}[{index}]", options.white) for index, item in enumerate(items)]


def _is_one_picture(value: Sequence[object]) -> bool:
    """Rows of numbers are one picture; a list of pictures is one level deeper."""
    first = value[0] if value else None
    return isinstance(first, list | tuple) and bool(first) and isinstance(first[0], int | float)


def _index(predicate: str, key: tuple[Value, ...], pictures: Sequence[Picture]) -> int:
    match key:
        case (int(index),) if 0 <= index < len(pictures):
            return index
    inside = ",".join(map(format_value, key))
    raise DataError(
        f"`{predicate}({inside})` asks the image encoder about something that is not there: a key is the number of a "
        f"picture, and the input has {len(pictures)}, from 0"
    )

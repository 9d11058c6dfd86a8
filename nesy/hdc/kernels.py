"""Matrix kernels: integer products and sums in the form that the hardware likes, chosen by the inputs' device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def bipolar_products(a: Tensor, b: Tensor) -> Tensor:
    """Dot products of all pairs of int8 rows, exact. Shapes: [A, D], [B, D] -> [A, B], float32"""
    if a.device.type == "cpu":
        return torch._int_mm(a, b.T).to(torch.float32)  # pyright: ignore[reportPrivateImportUsage]
    return a.to(torch.float32) @ b.to(torch.float32).T


def column_sums(vectors: Tensor) -> Tensor:
    """Sums of int8 numbers over the axis before the last, as int32. Shapes: [*B, L, D] -> [*B, D]"""
    if vectors.device.type != "cpu":
        return vectors.sum(-2, dtype=torch.int32)
    # Up to 127 numbers of -1 or 1 fit an int8 sum, which is four times as many lanes as an int32 one.
    array = vectors.numpy()
    total = np.zeros(array.shape[:-2] + array.shape[-1:], dtype=np.int32)
    for start in range(0, array.shape[-2], 127):
        total += np.add.reduce(array[..., start : start + 127, :], axis=-2, dtype=np.int8)
    return torch.from_numpy(total)

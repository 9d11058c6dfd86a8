"""Bits packed 64 to a word: pack, unpack, rotate, count, and the majority of many words at once.

Dimension d is bit d % 64 of word d // 64 of an int64 tensor; bits past the last dimension are always zero. On the
CPU packing and counting are numpy's, elsewhere they are torch's integer operations; all the rest is the same code.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

WORD = 64


def words_for(dim: int) -> int:
    """How many words hold this many bits."""
    return -(-dim // WORD)


def pack(bits: Tensor) -> Tensor:
    """Shapes: bool or 0/1 uint8 [*B, D] -> int64 [*B, W]"""
    dim = bits.shape[-1]
    if bits.device.type != "cpu":
        return pack_by_shifts(bits)
    octets = np.packbits(bits.numpy(), axis=-1, bitorder="little")
    missing = words_for(dim) * 8 - octets.shape[-1]
    if missing:
        octets = np.concatenate([octets, np.zeros((*octets.shape[:-1], missing), dtype=np.uint8)], axis=-1)
    return torch.from_numpy(octets.view(np.int64))


def pack_signs(numbers: Tensor) -> Tensor:
    """A set bit for each negative number. Shapes: [*B, D] -> int64 [*B, W]"""
    if numbers.device.type == "cpu" and numbers.dtype is torch.int8:  # numpy compares bytes five times as fast
        return pack(torch.from_numpy(numbers.numpy() < 0))
    return pack(numbers < 0)


def pack_by_shifts(bits: Tensor) -> Tensor:
    """`pack` on any device."""
    padded = torch.nn.functional.pad(bits.to(torch.int64), (0, words_for(bits.shape[-1]) * WORD - bits.shape[-1]))
    weights = torch.ones((), dtype=torch.int64, device=bits.device) << torch.arange(WORD, device=bits.device)
    return (padded.unflatten(-1, (-1, WORD)) * weights).sum(-1)


def unpack(words: Tensor, dim: int) -> Tensor:
    """Shapes: int64 [*B, W] -> 0/1 uint8 [*B, D]"""
    if words.device.type != "cpu":
        return unpack_by_shifts(words, dim)
    octets = words.contiguous().numpy().view(np.uint8)
    return torch.from_numpy(np.unpackbits(octets, axis=-1, count=dim, bitorder="little"))


def unpack_by_shifts(words: Tensor, dim: int) -> Tensor:
    """`unpack` on any device."""
    bits = (words.unsqueeze(-1) >> torch.arange(WORD, device=words.device)) & 1
    return bits.flatten(-2)[..., :dim].to(torch.uint8)


def popcount(words: Tensor) -> Tensor:
    """How many bits are set in each word. Shapes: int64 [*B] -> uint8 [*B]"""
    if words.device.type != "cpu":
        return popcount_by_shifts(words)
    return torch.from_numpy(np.bitwise_count(words.contiguous().numpy().view(np.uint64)))


def popcount_by_shifts(words: Tensor) -> Tensor:
    """`popcount` on any device: bits added in pairs, fours, then bytes (the sum of eight bytes is a product's top)."""
    pairs = words - (_shift_right(words, 1) & 0x5555555555555555)
    fours = (pairs & 0x3333333333333333) + (_shift_right(pairs, 2) & 0x3333333333333333)
    octets = (fours + _shift_right(fours, 4)) & 0x0F0F0F0F0F0F0F0F
    return _shift_right(octets * 0x0101010101010101, 56).to(torch.uint8)


def rotate(words: Tensor, shift: int, dim: int) -> Tensor:
    """Dimension d goes to d + shift, modulo D. Shapes: int64 [*B, W] -> [*B, W]"""
    shift %= dim
    if shift == 0:
        return words.clone()
    if dim % WORD == 0 and shift % WORD == 0:
        return torch.roll(words, shift // WORD, -1)
    moved = clear_tail(_up(words, shift), dim)
    around = _down(words, dim - shift)  # the few words whose bits went past the end
    moved[..., : around.shape[-1]] |= around
    return moved


def clear_tail(words: Tensor, dim: int) -> Tensor:
    """The words with the bits past the last dimension set to zero, in place."""
    if dim % WORD:
        words[..., -1] &= (1 << (dim % WORD)) - 1
    return words


def tail_is_clear(words: Tensor, dim: int) -> bool:
    return dim % WORD == 0 or not bool((_shift_right(words[..., -1], dim % WORD)).any())


def _shift_right(words: Tensor, shift: int) -> Tensor:
    """Shift that brings in zeros (torch's brings in the sign)."""
    return words if shift == 0 else (words >> shift) & ((1 << (WORD - shift)) - 1)


def _up(words: Tensor, shift: int) -> Tensor:
    """The whole row of words shifted towards higher dimensions."""
    whole, part = divmod(shift, WORD)
    kept = words.shape[-1] - whole
    moved = torch.zeros_like(words)
    moved[..., whole:] = words[..., :kept] << part
    if part:
        moved[..., whole + 1 :] |= _shift_right(words[..., : max(kept - 1, 0)], WORD - part)
    return moved


def _down(words: Tensor, shift: int) -> Tensor:
    """The words from dimension `shift` on, shifted to begin at dimension 0."""
    whole, part = divmod(shift, WORD)
    moved = _shift_right(words[..., whole:], part)
    if part and moved.shape[-1] > 1:
        moved[..., :-1] |= words[..., whole + 1 :] << (WORD - part)
    return moved.clone() if part == 0 else moved


def count_planes(rows: Tensor) -> list[Tensor]:
    """Count the ones of each bit over the rows, as binary numbers across tensors: plane k has weight 2**k.

    The rows are used up (overwritten). Three rows of one weight become their sum and their carry, five operations on
    64 columns a word, until one row of each weight is left.
    Shapes: int64 [L, *B, W], L >= 1 -> planes [*B, W]
    Cost: 5 L word operations, against 64 L additions for unpacked bits.
    Source: Harley's and Seal's carry-save adders in Warren, "Hacker's Delight", 2nd edition, section 5-1.
    """
    planes = []
    while True:
        carries = torch.empty_like(rows[: rows.shape[0] // 2])
        spare = torch.empty_like(rows[: rows.shape[0] // 3])
        filled = 0
        while rows.shape[0] > 2:
            third = rows.shape[0] // 3
            rest = rows.shape[0] - 3 * third
            a, b, c = rows[rest:].split(third)
            either, carry = spare[:third], carries[filled : filled + third]
            torch.bitwise_xor(a, b, out=either)
            torch.bitwise_and(a, b, out=carry)
            torch.bitwise_xor(either, c, out=a)
            torch.bitwise_and(either, c, out=either)
            torch.bitwise_or(carry, either, out=carry)
            filled += third
            rows = rows[: rest + third]
        if rows.shape[0] == 2:
            carries[filled] = rows[0] & rows[1]
            filled += 1
            planes.append(rows[0] ^ rows[1])
        else:
            planes.append(rows[0])
        if filled == 0:
            return planes
        rows = carries[:filled]


def majority(planes: list[Tensor], count: int | Tensor, dim: int) -> Tensor:
    """The bit that more than half of `count` rows have; ties as `MAP` breaks them.

    Shapes: planes of [*B, W], count a number or int64 [*B] -> int64 [*B, W]
    """
    counts = torch.as_tensor(count, dtype=torch.int64, device=planes[0].device).unsqueeze(-1)
    half = counts >> 1
    more = torch.zeros_like(planes[0])
    equal = torch.full_like(planes[0], -1)
    for k in reversed(range(len(planes))):
        bit = -((half >> k) & 1)  # all ones or all zeros
        more |= equal & planes[k] & ~bit
        equal &= ~(planes[k] ^ bit)
    even = (counts & 1) == 0
    if even.any():
        odd_half_sum = clear_tail(planes[0] ^ -(half & 1), dim)
        more |= torch.where(even, equal & rotate(odd_half_sum, 1, dim), 0)
    return more


def counts_of(planes: list[Tensor], dim: int) -> Tensor:
    """The planes' numbers, as int32. Shapes: planes of [*B, W] -> [*B, D]"""
    narrow = torch.uint8 if len(planes) <= 8 else torch.int32
    total = unpack(planes[0], dim).to(narrow)
    for k in range(1, len(planes)):
        total |= unpack(planes[k], dim).to(narrow) << k
    return total.to(torch.int32)

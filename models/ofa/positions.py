"""Relative positions as OFA tells them apart (Wang et al. 2022, section 3.1; the buckets after T5 and CoAtNet)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

FARTHEST = 1024  # the distance that the last bucket was made for, whatever the longest text is


def token_buckets(size: int, length: int) -> Tensor:
    """For each pair of `length` words, which bias belongs to their distance: (length, length) int64 in [0, 2 size - 2].

    Distances up to half of `size` have their own; farther ones share, the farther the more, up to `FARTHEST`.
    """
    places = torch.arange(length)
    distance = places[:, None] - places[None, :]
    near = size // 2
    far = distance.abs().clamp(min=near).double() / near
    steps = torch.ceil(far.log() / math.log((FARTHEST - 1) / near) * (near - 1)).long().clamp(max=near - 1)
    return torch.where(distance.abs() <= near, distance, distance.sign() * (near + steps)) + size - 1


def picture_buckets(size: int, rows: int, columns: int) -> Tensor:
    """For each pair of a picture's patches, row by row, which bias belongs to their offset: (P, P) int64.

    Every offset in two dimensions has its own, up to `size` patches.
    """
    row = torch.arange(rows).repeat_interleave(columns)
    column = torch.arange(columns).repeat(rows)
    down, right = (place[:, None] - place[None, :] + size - 1 for place in (row, column))
    return down * (2 * size - 1) + right


def picture_places(size: int, rows: int, columns: int) -> Tensor:
    """The numbers of a picture's patches in a square of `size` patches a side, row by row: (P,) int64. 0 stands for no
    patch."""
    return (torch.arange(rows)[:, None] * size + torch.arange(columns) + 1).flatten()

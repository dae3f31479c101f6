"""Rotations as unit quaternions (w, x, y, z), and as rotation vectors: axis times angle in radians."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["angle", "conjugate", "exponential", "logarithm", "product", "slerp"]

Array: TypeAlias = NDArray[np.float64]

_CONJUGATE = np.array([1.0, -1.0, -1.0, -1.0])
_SMALL = 1e-12  # below this length a vector has no direction


def conjugate(q: NDArray[Any]) -> Array:
    """Inverse rotations: [..., 4] -> [..., 4]."""
    return np.asarray(q * _CONJUGATE)


def product(p: NDArray[Any], q: NDArray[Any]) -> Array:
    """Rotations by q and then by p: [..., 4], [..., 4] -> [..., 4]."""
    pw, px, py, pz = p[..., 0], p[..., 1], p[..., 2], p[..., 3]  # np.moveaxis takes longer than all the rest
    qw, qx, qy, qz = q[..., 0], q[..., 1], q[..., 2], q[..., 3]
    w = pw * qw - px * qx - py * qy - pz * qz
    out = np.empty((*w.shape, 4))
    out[..., 0] = w
    out[..., 1] = pw * qx + px * qw + py * qz - pz * qy
    out[..., 2] = pw * qy - px * qz + py * qw + pz * qx
    out[..., 3] = pw * qz + px * qy - py * qx + pz * qw
    return out


def angle(q: NDArray[Any]) -> Array:
    """Angles in [0, pi] of rotations: [..., 4] -> [...]."""
    return np.asarray(2.0 * np.arctan2(_length(q), np.abs(q[..., 0])))


def logarithm(q: NDArray[Any]) -> Array:
    """Rotation vectors no longer than pi: [..., 4] -> [..., 3]."""
    length = _length(q)
    half = np.arctan2(length, np.abs(q[..., 0]))
    scale = np.where(length < _SMALL, 2.0, 2.0 * half / np.maximum(length, _SMALL))
    return np.asarray(q[..., 1:] * np.copysign(scale, q[..., 0])[..., None])


def exponential(vector: NDArray[Any]) -> Array:
    """Rotations by rotation vectors: [..., 3] -> [..., 4]."""
    half = 0.5 * np.sqrt((vector * vector).sum(-1))
    out = np.empty((*half.shape, 4))
    out[..., 0] = np.cos(half)
    out[..., 1:] = vector * (0.5 * np.sinc(half / np.pi))[..., None]
    return out


def slerp(p: NDArray[Any], q: NDArray[Any], share: float) -> Array:
    """Rotations a share of the shorter way from p to q: [..., 4], [..., 4] -> [..., 4]."""
    return product(p, exponential(share * logarithm(product(conjugate(p), q))))


def _length(q: NDArray[Any]) -> Array:
    """Length [...] of the vector part of q [..., 4]."""
    vector = q[..., 1:]
    return np.asarray(np.sqrt((vector * vector).sum(-1)))

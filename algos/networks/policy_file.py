"""Policies on disk: one npz per policy, plain arrays and one JSON text, readable without pickle and without torch.

Holds `meta` (JSON: family, obs_dim, action_dim, hidden, activation, which is relu where it is not said, log_std_range
where it is not the family's own, action_chunk where action_dim is that of several actions, and whatever the writer
adds, such as task and score) and the policy's parameters under their own names, without the seed axis. float16 is
enough for a shipped expert.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from algos.networks.nets import ACTIVATIONS, Activation, activate
from algos.networks.policies import POLICIES, GaussianPolicy, SquashedPolicy
from algos.settings import SettingError
from disk.arrays import ArraysError, read_npz
from disk.replace import replacing
from disk.shapes import ShapeError, anything, either, listing, mapping, nothing, number, parse_json, table, text, whole

__all__ = ["activation_of", "load_policy", "load_stacked", "read_policy", "save_policy"]

_WIDTH = whole(1, 1 << 20)
_META = table(
    {"family": text, "obs_dim": _WIDTH, "action_dim": _WIDTH, "hidden": listing(_WIDTH, most=64)},
    {
        "activation": text,
        "log_std_range": either(listing(number(), least=2, most=2), nothing),
        "action_chunk": whole(1, 1 << 20),
        "task": text,
        "algo": text,
        "profile": text,
        "seed": whole(0),
        "config": mapping(anything),
        "q_max": either(number(), nothing),
    },
)


def save_policy(path: Path, policy: nn.Module, seed_index: int, meta: Mapping[str, Any], half: bool = False) -> None:
    """Write one seed's policy; `meta` must hold family, obs_dim, action_dim and hidden."""
    arrays = {
        name: p.detach()[seed_index].cpu().numpy().astype(np.float16 if half else np.float32)
        for name, p in policy.named_parameters()
    }
    with replacing(path) as new, new.open("wb") as f:
        np.savez_compressed(f, meta=np.array(json.dumps(dict(meta), sort_keys=True)), **arrays)  # type: ignore[arg-type]


def load_policy(paths: Sequence[Path]) -> tuple[nn.Module, dict[str, Any]]:
    """Load policies of equal shape as one seed-stacked module, with the meta of the first.

    Raises `SettingError` when a file is missing, damaged, or not a policy.
    """
    return load_stacked(paths, _policy, ("family", "obs_dim", "action_dim", "hidden", "activation", "log_std_range"))


def _policy(meta: dict[str, Any], seeds: int) -> nn.Module:
    policy = POLICIES[meta["family"]](seeds, meta["obs_dim"], meta["action_dim"], tuple(meta["hidden"]))
    if isinstance(policy, GaussianPolicy | SquashedPolicy) and meta.get("log_std_range"):
        policy.low, policy.high = meta["log_std_range"]
    activate(policy, activation_of(meta))
    return policy


def activation_of(meta: Mapping[str, Any]) -> Activation:
    """What follows hidden layers, by a file's meta; raises `KeyError` for what is not known."""
    found = {name: name for name in ACTIVATIONS}
    return found[meta.get("activation", "relu")]


def load_stacked(
    paths: Sequence[Path], make: Callable[[dict[str, Any], int], nn.Module], shape: Sequence[str]
) -> tuple[nn.Module, dict[str, Any]]:
    """Build a module by `make`, from the first file's meta and the number of files, with the weights of all files.

    `shape` are the entries of meta in which all files must agree. Raises `SettingError` as `load_policy` does.
    """
    read = [read_policy(path) for path in paths]
    meta = read[0][0]
    try:
        module = make(meta, len(paths))
        if any(m.get(key) != meta.get(key) for m, _ in read for key in shape):
            raise SettingError(f"{', '.join(map(str, paths))}: policies of different shapes cannot be stacked")
        with torch.no_grad():
            for name, p in module.named_parameters():
                stacked = torch.stack([torch.from_numpy(arrays[name].astype(np.float32)) for _, arrays in read])
                if stacked.shape != p.shape:  # copy_ would broadcast
                    raise RuntimeError(f"{name} is {tuple(stacked.shape[1:])}, expected {tuple(p.shape[1:])}")
                p.copy_(stacked)
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, MemoryError) as error:
        if isinstance(error, SettingError):
            raise
        raise SettingError(f"{paths[0]}: not a policy file of this suite ({error})") from None
    return module, meta


def read_policy(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read a file's meta and arrays; raises `SettingError` as `load_policy` does."""
    not_ours = f"{path}: not a policy file of this suite"
    try:
        arrays, _ = read_npz(path)
        meta = parse_json(str(arrays.pop("meta")), _META)
    except FileNotFoundError:
        raise SettingError(f"{path}: no such policy file") from None
    except OSError as error:
        raise SettingError(f"{path}: cannot be read ({error.strerror or error}), which is no damage to it") from None
    except KeyError:
        raise SettingError(f"{not_ours} (it has no 'meta')") from None
    except (ArraysError, ShapeError) as error:
        raise SettingError(f"{not_ours} ({error})") from None
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            raise SettingError(f"{not_ours} ({name} is of type {array.dtype}; weights are floating-point numbers)")
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinity
            finite = np.isfinite(array.astype(np.float32)).all()
        if not finite:
            raise SettingError(f"{path}: {name} holds NaN or infinity: such a policy acts by nothing")
    return meta, arrays

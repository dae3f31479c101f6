"""Policies for other programs: ONNX, or torch's exported programs, each beside a text that says how to feed it."""

from __future__ import annotations

import hashlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from algos.settings import SettingError
from disk.replace import replacing_all
from suite.output import say, told
from suite.policies.trained import FINAL, Trained, found
from suite.record.files import writable
from suite.record.writer import write_json
from suite.train.hardware import versions

__all__ = ["KINDS", "check_kind", "export", "export_all"]

TOLERANCE = 1e-5  # between what is written, read back, and the policy
STATES = 256  # standard normal observations on which they are compared

OUTPUTS = {False: "action", True: "choice"}  # name of the output, by whether actions are choices

Read = Callable[[NDArray[np.float32]], NDArray[Any]]


class UnfitError(SettingError):
    """A policy that the format cannot hold."""


class Deployed(nn.Module):
    """A policy as other programs call it: obs [B, O] -> action [B, A] in [-1, 1], or the number of the choice [B]."""

    def __init__(self, trained: Trained, k: int) -> None:
        super().__init__()
        self.actor, self.discrete, self.where = trained.alone(k), trained.task.discrete, trained.files[k]

    def forward(self, obs: Tensor) -> Tensor:
        action: Tensor = self.actor(obs[None]).mode[0]
        return action.argmax(-1) if self.discrete else action.clamp(-1.0, 1.0)


def check_kind(kind: str) -> None:
    """Raise `SettingError` for an unknown format, or one whose packages are not installed."""
    if kind not in KINDS:
        raise SettingError(f"--to {kind}: choose {' or '.join(KINDS)}")
    if kind == "onnx":
        try:
            import onnx  # noqa: F401
            import onnxscript  # noqa: F401
        except ImportError as error:
            raise SettingError(f"--to onnx needs {error.name}: pip install 'awac-bench[export]'") from None


def export_all(
    runs: Sequence[Path], kind: str, seeds: str | None, at: str, out: Path
) -> tuple[list[dict[str, Any]], int]:
    """Write policies for other programs into the folder `out`; one row per file, and the exit code.

    Policies that the format cannot hold are named on stderr, and the code is 1 then. Raises `SettingError` where the
    format can hold none of them, and where the disk does not take one: those before it are there, whole.
    """
    check_kind(kind)
    chosen, code = found(runs, at, seeds)
    rows: list[dict[str, Any]] = []
    refused: list[str] = []
    with writable(out / "x"):
        for one in chosen:
            for k in range(len(one.seeds)):
                try:
                    rows.append(export(one, k, kind, out))
                except UnfitError as error:
                    refused.append(str(error))
        if not rows:
            raise SettingError(refused[0])
    for why in refused:
        say(f"not exported: {why}")
    return rows, int(bool(refused or code))


def export(trained: Trained, k: int, kind: str, folder: Path) -> dict[str, Any]:
    """Write seed k's policy and its .json into `folder`; returns a row that says what and how exact.

    The file is read back and compared with the policy. Raises `UnfitError` where the format cannot hold the policy, or
    gives other actions, `SettingError` where the disk does not take it; what was there before stays then.
    """
    task = trained.task
    policy = Deployed(trained, k).eval()
    moment = "" if trained.at == FINAL else f"-at{int(trained.at):+d}"
    path = folder / f"{task.short_name}-{trained.algo}-{trained.name}-seed-{trained.seeds[k]}{moment}{SUFFIXES[kind]}"
    obs = np.random.default_rng(0).standard_normal((STATES, task.obs_dim)).astype(np.float32)
    with torch.no_grad():
        expected = policy(torch.from_numpy(obs)).numpy()
    described = path.with_suffix(path.suffix + ".json")
    with told(path), replacing_all([described, path]) as (text, new):
        difference = float(np.abs(KINDS[kind](policy, new, task.obs_dim)(obs) - expected).max())
        if not difference <= TOLERANCE:
            raise UnfitError(f"{trained.where}: as {kind} its actions differ by {difference:.2g}: nothing is written")
        digest = hashlib.sha256(new.read_bytes()).hexdigest()
        about = {"file": path.name, "sha256": digest, "format": kind, "largest_difference": difference}
        write_json(text, {**about, **_feeding(trained), "policy": trained.metas[k], "versions": versions()})
    return {
        "file": str(path),
        "task": task.short_name,
        "algo": trained.algo,
        "seed": trained.seeds[k],
        "at": trained.at,
        "largest difference": f"{difference:.1g}",
        "kB": round(path.stat().st_size / 1000, 1),
    }


def _feeding(trained: Trained) -> dict[str, Any]:
    """What goes into the program and what comes out of it, for who calls it."""
    task, chunk = trained.task, trained.action_chunk
    meaning = f"0 to {task.action_dim - 1}" if task.discrete else "the policy's mode, clipped to [-1, 1]"
    meaning += f"; {chunk} actions side by side, for as many steps" if chunk > 1 else ""
    return {
        "input": {
            "name": "observation",
            "shape": ["batch", task.obs_dim],
            "dtype": "float32",
            "meaning": f"as gymnasium.make({task.id!r}) gives it, after `import envs`",
        },
        "output": {
            "name": OUTPUTS[task.discrete],
            "shape": ["batch"] if task.discrete else ["batch", chunk * task.action_dim],
            "meaning": meaning,
        },
    }


@contextmanager
def _silence() -> Iterator[None]:
    """Silence the exporter, which warns of packages that it does without and of its own coming changes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


def _onnx(policy: Deployed, path: Path, obs_dim: int) -> Read:
    from onnx import load
    from onnx.reference import ReferenceEvaluator

    try:
        with _silence():
            program = torch.onnx.export(
                policy,
                (torch.zeros(2, obs_dim),),
                dynamo=True,
                verbose=False,
                external_data=False,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                input_names=["observation"],
                output_names=[OUTPUTS[policy.discrete]],
            )
    except Exception as error:  # the exporter raises its own kinds of errors
        raise UnfitError(f"{policy.where}: ONNX has no words for how it acts; --to torch has") from error
    assert program is not None
    program.save(str(path))
    session = ReferenceEvaluator(load(str(path)))
    return lambda obs: np.asarray(session.run(None, {"observation": obs})[0])


def _torch(policy: Deployed, path: Path, obs_dim: int) -> Read:
    batch = torch.export.Dim("batch")
    content = io.BytesIO()  # torch ends the process where the disk is full
    torch.export.save(torch.export.export(policy, (torch.zeros(2, obs_dim),), dynamic_shapes=({0: batch},)), content)
    path.write_bytes(content.getbuffer())
    program = torch.export.load(path).module()

    def read(obs: NDArray[np.float32]) -> NDArray[Any]:
        with torch.no_grad():
            return np.asarray(program(torch.from_numpy(obs)).numpy())

    return read


KINDS: dict[str, Callable[[Deployed, Path, int], Read]] = {"onnx": _onnx, "torch": _torch}
SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}

"""Policies on disk: read back exactly, by numpy alone, and refused when they are something else."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from house import ROOT

from algos.learner.actors import meta_of
from algos.networks.dists import Categorical
from algos.networks.nets import ACTIVATIONS, Activation, activate
from algos.networks.policies import POLICIES, builder, family_of
from algos.networks.policy_file import load_policy, save_policy
from algos.settings import SettingError

SHAPE = {"obs_dim": 5, "action_dim": 3, "hidden": [16, 8]}
families = pytest.mark.parametrize("family", list(POLICIES))


def policy(family: str, seeds: int = 2) -> Any:
    """A policy with random weights."""
    out = POLICIES[family](seeds, 5, 3, (16, 8))
    g = torch.Generator().manual_seed(seeds)
    with torch.no_grad():
        for p in out.parameters():
            p.normal_(generator=g).mul_(0.3)
    return out


def saved(folder: Path, family: str, made: Any, index: int, half: bool = False, **meta: Any) -> Path:
    path = folder / f"{family}-{index}.npz"
    save_policy(path, made, index, {"family": family, **SHAPE, **meta}, half)
    return path


@families
def test_policies_are_read_back_bit_equal_and_stacked_in_order(family: str, tmp_path: Path) -> None:
    made = policy(family)
    paths = [saved(tmp_path, family, made, n, score=n) for n in (1, 0)]
    loaded, meta = load_policy(paths)
    assert meta == {"family": family, **SHAPE, "score": 1}
    for (name, ours), (_, theirs) in zip(made.named_parameters(), loaded.named_parameters(), strict=True):
        assert torch.equal(theirs, ours.flip(0)), name
    obs = torch.randn(2, 4, 5)
    assert torch.equal(loaded(obs).mode, made(obs.flip(0)).mode.flip(0))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in paths)  # nothing temporary is left


@families
def test_a_family_is_known_by_its_class_and_choices_are_always_categorical(family: Any) -> None:
    assert family_of(policy(family)) == family
    assert family_of(builder(family, False)(1, 5, 3, (4,))) == family
    assert family_of(builder(family, True)(1, 5, 3, (4,))) == "categorical"


def test_the_range_of_deviations_is_read_back(tmp_path: Path) -> None:
    made = policy("gaussian")
    usual = saved(tmp_path, "gaussian", made, 0)
    made.low, made.high = -4.0, 1.0
    own = saved(tmp_path, "gaussian", made, 1, log_std_range=(made.low, made.high))
    obs = torch.randn(2, 4, 5)
    loaded, _ = load_policy([own])
    assert torch.equal(loaded(obs[1:]).std, made(obs).std[1:])
    assert "policies of different shapes cannot be stacked" in refused(own, usual)


def shown(dist: Any) -> torch.Tensor:
    """What a rounding would move: probabilities of choices, or the mode."""
    return torch.Tensor(dist.logits.softmax(-1) if isinstance(dist, Categorical) else dist.mode)


@families
def test_half_precision_is_enough_to_act(family: str, tmp_path: Path) -> None:
    made = policy(family)
    full, half = saved(tmp_path, family, made, 0), saved(tmp_path / "..", family, made, 0, half=True)
    with np.load(half) as file:
        assert {file[name].dtype for name in file.files if name != "meta"} == {np.dtype(np.float16)}
    obs = torch.randn(1, 64, 5)
    exact, rounded = (shown(load_policy([path])[0](obs)) for path in (full, half))
    assert 0 < float((exact - rounded).detach().abs().max()) < 5e-3


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_documents_lines_read_a_policy_by_numpy_alone(
    activation: Activation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = policy("gaussian")
    activate(made, activation)
    save_policy(tmp_path / "seed-0.npz", made, 1, {**meta_of(made), **SHAPE})
    obs = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
    lines = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "runs.md").read_text(encoding="utf-8"), re.DOTALL)
    (code,) = [code for code in lines if "seed-0.npz" in code and "import json" in code]
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {"observation": obs}
    exec(code, found)
    expected = made(torch.from_numpy(obs).expand(2, -1, -1)).mode[1]
    np.testing.assert_allclose(found["action"], expected.detach().numpy(), rtol=1e-5, atol=1e-6)


@families
def test_the_activation_is_read_back_and_relu_where_a_file_does_not_say(family: str, tmp_path: Path) -> None:
    made, obs = policy(family), torch.randn(2, 4, 5)
    silent = saved(tmp_path, family, made, 0)
    before = shown(made(obs))
    assert torch.equal(shown(load_policy([silent])[0](obs[:1])), before[:1])
    activate(made, "tanh")
    assert meta_of(made)["activation"] == "tanh"
    tanh = saved(tmp_path, family, made, 1, activation="tanh")
    again = shown(load_policy([tanh])[0](obs[1:]))
    assert torch.equal(again, shown(made(obs))[1:])
    assert not torch.equal(again, before[1:])
    assert "policies of different shapes cannot be stacked" in refused(silent, tanh)
    assert "not a policy file of this suite" in refused(saved(tmp_path, family, made, 1, activation="sine"))


class Trap:
    """Unpickling this would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def refused(*paths: Path) -> str:
    with pytest.raises(SettingError) as caught:
        load_policy(paths)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.npz") == f"{tmp_path / 'none.npz'}: no such policy file"


@pytest.mark.parametrize("kind", ["empty", "text", "half", "array", "no meta", "odd meta", "list meta", "unknown"])
def test_a_file_that_is_no_policy_is_refused(kind: str, tmp_path: Path) -> None:
    path = saved(tmp_path, "gaussian", policy("gaussian"), 0)
    whole = path.read_bytes()
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    meta = json.loads(str(arrays.pop("meta")))
    texts = {"odd meta": "{", "list meta": "[1]", "unknown": json.dumps({**meta, "family": "uniform"})}
    if kind in texts:
        np.savez(path, meta=np.array(texts[kind]), **arrays)
    elif kind == "no meta":
        np.savez(path, **arrays)
    elif kind == "array":
        with path.open("wb") as f:
            np.save(f, np.zeros(3))
    else:
        path.write_bytes({"empty": b"", "text": b"hello", "half": whole[: len(whole) // 2]}[kind])
    assert refused(path).startswith(f"{path}: not a policy file of this suite")


@pytest.mark.parametrize("change", ["missing", "narrow", "wide"])
def test_parameters_that_do_not_fit_the_declared_shape_are_refused(change: str, tmp_path: Path) -> None:
    path = saved(tmp_path, "gaussian", policy("gaussian"), 0)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    name = "mean.layers.1.bias"
    if change == "missing":
        del arrays[name]
    else:
        arrays[name] = np.zeros((1, 1 if change == "narrow" else 99), np.float32)
    np.savez(path, **arrays)
    assert "not a policy file of this suite" in refused(path)


def test_a_pickle_is_refused_unread(tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    np.savez(tmp_path / "a.npz", meta=np.array([Trap(trace)], dtype=object))
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Trap(trace)))
    for name in ("a.npz", "b.npz"):
        refused(tmp_path / name)
    assert not trace.exists()


def test_policies_of_different_shapes_are_not_stacked(tmp_path: Path) -> None:
    first = saved(tmp_path, "gaussian", policy("gaussian"), 0)
    second = saved(tmp_path, "squashed", policy("squashed"), 0)
    assert "policies of different shapes cannot be stacked" in refused(first, second)

"""Policies for other programs: what is written acts as the policy does, and says how to feed it."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy_run
from command import Bench
from toy_run import ONE_THREAD, TASK, experiment

import suite.policies.export
from algos.learner.actors import load_actor
from envs import tasks
from suite.train.cell import run_cell
from suite.train.means import Means

EXPERTS = Path(tasks.__file__).parent / "experts"


@pytest.fixture(scope="module", autouse=True)
def _toy() -> Iterator[None]:
    with toy_run.registered():
        yield


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain method, one with a squashed policy, and one that acts by more than its policy."""
    out = tmp_path_factory.mktemp("runs")
    for algo in ("awac", "sac", "bcq"):
        run_cell(experiment(algo), Means(out, ONE_THREAD))
    return out


def played(path: Path, obs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What the file answers to somebody who does not have this package."""
    if path.suffix == ".onnx":
        onnx = pytest.importorskip("onnx", reason="no onnx: pip install 'awac-bench[export]'")
        from onnx.reference import ReferenceEvaluator

        model = onnx.load(str(path))
        onnx.checker.check_model(model)
        return np.asarray(ReferenceEvaluator(model).run(None, {"observation": obs})[0])
    with torch.no_grad():
        return np.asarray(torch.export.load(path).module()(torch.from_numpy(obs)).numpy())


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "suffix"), [("onnx", ".onnx"), ("torch", ".pt2")])
@pytest.mark.parametrize("algo", ["awac", "sac"])
def test_a_file_acts_as_the_policy_at_any_batch(kind: str, suffix: str, algo: str, bench: Bench, runs: Path) -> None:
    if kind == "onnx":
        pytest.importorskip("onnxscript", reason="no onnxscript: pip install 'awac-bench[export]'")
    said = bench("export", str(runs / TASK.id / algo), "--to", kind, "--out", "files", "--seeds", "1", "--json")
    assert said.code == 0, said.err
    assert said.err == ""
    (row,) = json.loads(said.out)
    path = Path(row["file"])
    assert path.suffix == suffix
    assert sorted(p.name for p in Path("files").iterdir()) == [path.name, f"{path.name}.json"]
    (source,) = runs.glob(f"{TASK.id}/{algo}/*/policy/seed-1.npz")
    actor, meta = load_actor([source])
    for batch in (1, 7):
        obs = np.random.default_rng(batch).normal(0, 3, (batch, 3)).astype(np.float32)
        with torch.no_grad():
            expected = actor(torch.from_numpy(obs)[None]).mode[0].clamp(-1, 1).numpy()
        np.testing.assert_allclose(played(path, obs), expected, atol=1e-5)
    text = json.loads(Path(f"{path}.json").read_text())
    assert text["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert text["policy"] == json.loads(json.dumps(meta))
    assert (text["input"]["shape"], text["output"]["shape"]) == (["batch", 3], ["batch", 2])
    assert text["largest_difference"] <= 1e-5


def test_a_choice_is_exported_as_its_number(bench: Bench) -> None:
    expert = EXPERTS / "lander.npz"
    said = bench("export", str(expert), "--to", "torch", "--out", "files")
    assert said.code == 0, said.err
    (path,) = Path("files").glob("*.pt2")
    obs = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
    with torch.no_grad():
        expected = load_actor([expert])[0](torch.from_numpy(obs)[None]).mode[0].argmax(-1).numpy()
    answers = played(path, obs)
    assert np.array_equal(answers, expected)
    assert len(set(answers.tolist())) > 1
    output = json.loads(Path(f"{path}.json").read_text())["output"]
    assert output == {"name": "choice", "shape": ["batch"], "meaning": "0 to 3"}


@pytest.mark.slow
def test_networks_go_into_a_program_of_torch_and_onnx_says_that_it_cannot(bench: Bench, runs: Path) -> None:
    place = str(runs / TASK.id / "bcq")
    assert bench("export", place, "--to", "torch", "--out", "files", "--seeds", "0").code == 0
    (source,) = runs.glob(f"{TASK.id}/bcq/*/policy/seed-0.npz")
    (path,) = Path("files").glob("*.pt2")
    obs = np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32)
    with torch.no_grad():
        expected = load_actor([source])[0](torch.from_numpy(obs)[None]).mode[0].numpy()
    np.testing.assert_allclose(played(path, obs), expected, atol=1e-5)
    pytest.importorskip("onnxscript", reason="no onnxscript: pip install 'awac-bench[export]'")
    said = bench("export", place, "--out", "more")
    assert said.code == 2
    assert said.err == f"bench: {source}: ONNX has no words for how it acts; --to torch has\n"
    assert not Path("more").exists()
    said = bench("export", place, str(runs / TASK.id / "awac"), "--out", "more", "--seeds", "0")
    assert said.code == 1, "what can be exported is, and the rest is said"
    assert f"not exported: {source}: ONNX has no words for how it acts; --to torch has\n" in said.err
    assert [path.name.split("-test-")[0] for path in Path("more").glob("*.onnx")] == [f"{TASK.short_name}-awac"]


def test_a_file_that_acts_otherwise_is_not_kept(bench: Bench, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(suite.policies.export.KINDS, "torch", _off_by_a_little)
    said = bench("export", str(runs / TASK.id / "awac"), "--to", "torch", "--out", "files")
    assert said.code == 2
    assert "as torch its actions differ by 0.01" in said.err
    assert not Path("files").exists()


def _off_by_a_little(policy: Any, path: Path, obs_dim: int) -> Any:
    path.write_bytes(b"")

    def read(obs: np.ndarray[Any, Any]) -> Any:
        with torch.no_grad():
            return policy(torch.from_numpy(obs)).numpy() + 0.01

    return read


def test_unknown_formats_and_missing_packages_are_told(
    bench: Bench, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = bench("export", str(runs), "--to", "tflite")
    assert (said.code, said.err) == (2, "bench: --to tflite: choose onnx or torch\n")
    monkeypatch.setitem(sys.modules, "onnx", None)
    said = bench("export", str(runs))
    assert said.code == 2
    assert "pip install 'awac-bench[export]'" in said.err
    assert not Path("exported").exists()

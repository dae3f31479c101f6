"""Policies that runs leave: they act as the learner did, are found by run and step, and what is missing is said."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy_run
from command import Bench
from toy_run import ONE_THREAD, TASK, experiment

import algos
from algos.contract import LearnerConfig
from algos.learner.actor_critic import ActorCritic
from algos.learner.actors import Networks, acting, load_actor, meta_of
from algos.learner.replay import Layout
from algos.networks.policy_file import load_policy, read_policy, save_policy
from algos.settings import SettingError
from envs.stepping.vector import VectorEnv
from envs.tasks import get
from suite.policies.rescore import rescore, table
from suite.policies.trained import act_of, find
from suite.recipes.play import act
from suite.record.folders import read_run
from suite.record.rows import RecordError
from suite.record.tidy import read_tidy
from suite.train.cell import run_cell
from suite.train.evaluate import EVAL_SEED, FRESH_SEED, episode_scores, evaluate
from suite.train.means import Means


@pytest.fixture(scope="module", autouse=True)
def _toy() -> Iterator[None]:
    with toy_run.registered():
        yield


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of a plain method and of one that acts by more than its policy, every evaluation's policies kept."""
    out = tmp_path_factory.mktemp("kept")
    for algo in ("awac", "bcq"):
        run_cell(experiment(algo), Means(out, ONE_THREAD, keep_policies=True))
    return out


@pytest.mark.slow
@pytest.mark.parametrize("algo", list(algos.names()))
def test_a_policy_read_back_repeats_the_last_evaluation_of_its_run(algo: str, tmp_path: Path) -> None:
    (trained,) = find([run_cell(experiment(algo), Means(tmp_path, ONE_THREAD))])
    again = rescore(trained, toy_run.SIZES["eval_episodes"], sample=False, own_states=True, workers=0)
    assert trained.seeds == (0, 1)
    rows = read_run(trained.where).rows
    last = max(r.update for r in rows)
    recorded = {(r.seed, r.metric): r.value for r in rows if r.update == last}
    for name in ("return", "success", "success_steps", "episode_length"):
        for k, seed in enumerate(trained.seeds):
            assert again.scores[name][k].mean() == pytest.approx(recorded[seed, name], rel=1e-6), (name, seed)


@pytest.mark.parametrize(("algo", "activation"), [("bear", "relu"), ("bcq", "tanh")])
def test_networks_act_as_the_objective_does_alone_and_stacked(algo: str, activation: Any, tmp_path: Path) -> None:
    """Modes and samples, with observations standardised; the slow copies are not in the file."""
    objective = algos.load(algo)
    cfg = objective.Config(vae_hidden=(8, 8), act_candidates=7)
    config = LearnerConfig(hidden=(8,), activation=activation)
    learner = ActorCritic(objective, cfg, learner=config, seeds=(3, 4), layout=Layout(3, 2))
    scale = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([2.0, 0.5, 1.5])
    actor = acting(objective, learner.cfg, learner.nets, 3, scale)
    sizes = {"obs_dim": 3, "action_dim": 2, "hidden": [8], "algo": algo}
    paths = [tmp_path / f"{k}.npz" for k in range(2)]
    for k, path in enumerate(paths):
        save_policy(path, actor, k, meta_of(actor) | sizes)
    obs, noise = torch.randn(2, 5, 3), torch.randn(2, 5, 2)
    states = (obs - scale[0]) / scale[1]
    loaded, meta = load_actor(paths)
    assert isinstance(loaded, Networks)
    assert meta["family"] == "networks"
    with torch.no_grad():
        for draws in (None, noise):
            expected = objective.act(learner.cfg, learner.nets, states, draws)
            dist = loaded(obs)
            assert torch.equal(dist.mode if draws is None else dist.sample(draws)[0], expected)
    alone = act(load_actor(paths[1:])[0], obs[1].numpy())
    np.testing.assert_allclose(alone, act_of(loaded)(obs.numpy(), None)[1], atol=1e-6)
    assert not [name for name in read_policy(paths[0])[1] if "target" in name]


def test_networks_are_no_policy_to_those_who_need_its_likelihood(kept: Path) -> None:
    (path,) = kept.glob("**/bcq/*/policy/seed-0.npz")
    with pytest.raises(SettingError, match="not a policy file"):
        load_policy([path])


def test_scores_in_fresh_states_depend_on_neither_workers_nor_number(tmp_path: Path) -> None:
    (trained,) = find([run_cell(experiment("sac"), Means(tmp_path, ONE_THREAD))])
    few, many = (rescore(trained, n, True, False, 0).scores["return"] for n in (3, 25))
    assert np.array_equal(few, many[:, :3])
    with VectorEnv(TASK.id, 4, 2) as env:  # two lanes per seed, in processes
        spread = episode_scores(env, act_of(trained.actor), 2, 3, TASK, FRESH_SEED, True)["return"]
    assert np.array_equal(few, spread)
    modes = rescore(trained, 25, False, False, 0).scores["return"]
    own = rescore(trained, 25, False, True, 0).scores["return"]
    assert not np.array_equal(modes, many)
    assert not np.array_equal(modes, own)


def test_evaluations_average_the_scores_of_their_episodes() -> None:
    def still(obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        return np.zeros((*obs.shape[:2], 2), np.float32)

    with VectorEnv(TASK.id, 4, 0) as env:
        single = episode_scores(env, still, 2, 5, TASK, EVAL_SEED)
        mean = evaluate(env, still, 2, 5, TASK)
    assert single["return"].shape == (2, 5)
    for name, values in mean.items():
        assert np.array_equal(values, single[name].mean(axis=1))


def test_steps_are_chosen_by_name(kept: Path) -> None:
    place = [kept / TASK.id / "awac"]
    assert [one.at for one in find(place, "all")] == ["-7", "-3", "0", "32", "64"]
    assert [one.at for one in find(place, "0,final")] == ["0", "final"]
    assert [one.at for one in find(place, "+32")] == ["32"]
    last, final = find(place, "64,final")
    for (name, ours), theirs in zip(final.actor.named_parameters(), last.actor.parameters(), strict=True):
        assert torch.equal(ours, theirs), name
    with pytest.raises(
        SettingError, match=r"--at 48: .* has no policies of that step; known: -3, -7, 0, 32, 64, final"
    ):
        find(place, "48")


def test_seeds_are_chosen_and_those_without_a_policy_are_said(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "runs"
    shutil.copytree(kept, folder)
    (path,) = folder.glob("**/awac/*/policy/seed-1.npz")
    path.unlink()
    assert [one.seeds for one in find([folder])] == [(0,), (0, 1)]
    assert "final: seed 1: diverged" in capsys.readouterr().err
    assert [one.seeds for one in find([folder], seeds=(1,))] == [(1,)]
    assert [one.seeds for one in find([folder], first_only=True)] == [(0,), (0,)]
    with pytest.raises(RecordError, match="no policies; a run leaves them when it has finished"):
        find([folder], seeds=(7,))
    assert capsys.readouterr().err.count("none of these seeds; it has 0, 1") == 2


def test_an_unfinished_run_has_none_and_is_said(kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "runs"
    shutil.copytree(kept / TASK.id / "awac", folder)
    for path in folder.glob("*/policy/seed-*.npz"):
        path.unlink()
    (status,) = folder.glob("*/status.json")
    status.write_text(json.dumps({"state": "stopped"}))
    with pytest.raises(RecordError, match="no policies"):
        find([folder])
    assert "no policy yet, the run is stopped" in capsys.readouterr().err
    assert [one.at for one in find([folder], "all")] == ["-7", "-3", "0", "32", "64"]


def test_another_rule_of_success_is_refused(kept: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    shutil.copytree(kept / TASK.id / "awac", folder)
    (facts,) = folder.glob("*/run.json")
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "success_rule": "left of it", "checksum": None}))
    with pytest.raises(RecordError, match="was judged by the rule 'left of it'"):
        find([folder])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("victim", "why"),
    [("status.json", "not readable as JSON"), ("policy/seed-0.npz", "not a policy file of this suite")],
)
def test_a_broken_run_is_named_and_the_others_go_on(
    bench: Bench, kept: Path, tmp_path: Path, victim: str, why: str
) -> None:
    shutil.copytree(kept, tmp_path / "runs")
    (path,) = (tmp_path / "runs").glob(f"**/awac/*/{victim}")
    path.write_text("{")
    said = bench("eval", "runs", "--episodes", "1", "--workers", "0", "--json")
    assert (said.code, [row["algo"] for row in json.loads(said.out)]) == (1, ["bcq", "bcq"])
    assert said.err.count("left out: ") == 1
    assert why in said.err
    said = bench("export", "runs", "--to", "torch", "--json")
    assert (said.code, len(json.loads(said.out)), said.err.count("left out: ")) == (1, 2, 1)
    for command in ("eval", "export"):
        said = bench(command, str(path.parent if victim == "status.json" else path.parent.parent))
        assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
        assert why in said.err
    with pytest.raises(RecordError, match=why):
        find([tmp_path / "runs"])


def test_a_run_on_a_task_that_is_not_here_is_left_out(kept: Path, tmp_path: Path) -> None:
    shutil.copytree(kept, tmp_path / "runs")
    (facts,) = (tmp_path / "runs").glob("**/awac/*/run.json")
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "task": "elsewhere-v0", "checksum": None}))
    said: list[Exception] = []
    assert [one.algo for one in find([tmp_path / "runs"], left_out=said.append)] == ["bcq"]
    assert "unknown task 'elsewhere-v0'" in str(said[0])


# bench eval


def test_eval_prints_a_row_per_policy_and_writes_what_a_report_reads(bench: Bench, kept: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "eval.csv"
    arguments = ("eval", str(kept), "--episodes", "30", "--workers", "0", "--at", "0,final", "--out", str(out))
    said = bench(*arguments, "--json")
    assert said.code == 0, said.err
    rows = json.loads(said.out)
    assert [(r["algo"], r["at"], r["seed"]) for r in rows] == [
        (algo, at, seed) for algo in ("awac", "bcq") for at in ("0", "final") for seed in (0, 1)
    ]
    for row in rows:
        low, high = map(float, row["95 %"].split(" to "))
        assert 0 <= low <= round(row["score"], 2) <= high <= 1
        assert row["metric"] == "success"
        assert row["episodes"] == 30
    with out.open(newline="") as f:
        written = list(csv.DictReader(f))
    success = {(r["algo"], r["env_step"], r["seed"]): float(r["value"]) for r in written if r["metric"] == "success"}
    assert success == {
        (r["algo"], "64" if r["at"] == "final" else "0", str(r["seed"])): pytest.approx(r["score"], abs=6e-4)
        for r in rows
    }
    assert {(r["phase"], r["update"]) for r in written if r["algo"] == "awac"} == {("offline", "7"), ("online", "23")}
    assert {key: len(found) for key, found in read_tidy(out).items()} == {
        (algo, TASK.id): 2 * 2 * 5
        for algo in ("awac", "bcq")  # moments, seeds, scores
    }


def test_runs_of_one_algorithm_are_told_apart_in_the_csv(bench: Bench, tmp_path: Path) -> None:
    for settings in ({}, {"temperature": 2.0}):
        run_cell(experiment("awac", **settings), Means(tmp_path, ONE_THREAD))
    assert bench("eval", str(tmp_path), "--episodes", "1", "--workers", "0", "--out", "x.csv").code == 0
    names = {folder.name for folder in (tmp_path / TASK.id / "awac").iterdir()}
    assert set(read_tidy(Path("x.csv"))) == {(f"awac [{name}]", TASK.id) for name in names}


def test_eval_of_a_file_of_its_own(bench: Bench) -> None:
    expert = str(Path(algos.__file__).parent.parent / "envs" / "experts" / "point.npz")
    said = bench("eval", expert, "--episodes", "5", "--workers", "0", "--json")
    (row,) = json.loads(said.out)
    assert (row["task"], row["run"], row["metric"]) == ("point-reach", "point", "return")
    assert abs(row["normalized_score"] - 100) < 60  # five episodes of the policy that 100 stands for
    said = bench("eval", expert, "--out", "x.csv")
    assert said.code == 2
    assert "is a file of its own" in said.err


@pytest.mark.parametrize(
    ("chosen", "named"),
    [({"seeds": (0,)}, "--seeds"), ({"at": "0"}, "--at"), ({"at": "all", "seeds": (0,)}, "--seeds and --at")],
)
def test_nothing_is_chosen_from_a_file(chosen: dict[str, Any], named: str, kept: Path) -> None:
    (path,) = kept.glob("**/awac/*/policy/seed-0.npz")
    for places in ([path], [kept, path]):
        with pytest.raises(SettingError, match=f"^{named}: .*seed-0.npz is a file of one policy; leave that out"):
            find(places, **chosen)
    assert [len(one.seeds) for one in find([kept, path], "final")] == [2, 2, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "nowhere is not a folder"),
        (("empty",), "empty: no policies"),
        (("nowhere.npz",), "nowhere.npz: no such policy file"),
        (("empty", "--seeds", "x"), "--seeds x: give a seed (3), a list (3,7,9) or a range (4-6)"),
        (("KEPT", "--at", "early"), "--at early"),
        (("KEPT", "--out", "empty"), "--out empty: Is a directory"),
    ],
)
def test_bad_input_to_eval_is_one_line(bench: Bench, kept: Path, arguments: tuple[str, ...], message: str) -> None:
    os.mkdir("empty")
    said = bench("eval", *(str(kept) if a == "KEPT" else a for a in arguments))
    assert said.code == 2
    assert message in said.err
    assert said.err.count("\n") == 1


def test_a_row_says_what_the_run_recorded(kept: Path) -> None:
    (trained,) = find([kept / TASK.id / "bcq"])
    rows = table([rescore(trained, 2, False, False, 0)])
    assert [r["recorded"] for r in rows] == [round(meta["success"], 3) for meta in trained.metas]
    assert get(TASK.id).headline == "success"

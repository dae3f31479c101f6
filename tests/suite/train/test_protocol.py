"""The protocol: one calendar, the switch, what each seed sees, and what a diverged seed leaves behind."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy_run
from house import ROOT
from toy_run import HORIZON, TASK, experiment, train
from updates import followed_by

import suite.train.evaluate
import suite.train.protocol
from algos.learner.actor_critic import ActorCritic
from algos.learner.meter import Meter
from algos.learner.replay import Layout, Replay
from algos.networks.policy_file import load_policy
from algos.settings import SettingError
from envs.stepping.vector import VectorEnv
from suite.experiment.experiment import Experiment
from suite.experiment.requirements import disk_bytes, lanes, memory_bytes
from suite.measure.estimate import estimate
from suite.record.folders import read_run
from suite.record.rows import RecordError, Row
from suite.train.cell import run_cell, run_folder
from suite.train.evaluate import EVAL_SEED
from suite.train.hardware import Hardware
from suite.train.means import Means
from suite.train.protocol import Diverged, Runner
from suite.train.rows import offline_rows


@pytest.fixture(scope="module", autouse=True)
def _toy() -> Iterator[None]:
    with toy_run.registered():
        yield


def rows(cell: Experiment, out: Path) -> list[Row]:
    """The metrics of a finished run."""
    train(cell, out)
    return list(read_run(run_folder(cell, out)).rows)


def calendar(found: list[Row], seed: int = 0) -> list[tuple[str, int, int]]:
    """(phase, env_step, update) of every evaluation of a seed."""
    return [(r.phase, r.env_step, r.update) for r in found if r.metric == "success" and r.seed == seed]


def values(found: list[Row], seed: int) -> dict[tuple[int, str], float]:
    return {(r.update, r.metric): r.value for r in found if r.seed == seed}


# the calendar


@pytest.mark.parametrize(
    ("algo", "settings", "expected"),
    [
        ("awac", {}, [(-7, 0), (-3, 4), (0, 7), (32, 15), (64, 23)]),
        ("awac", {"eval_every_offline": 7}, [(-7, 0), (0, 7), (32, 15), (64, 23)]),
        ("awac", {"offline_updates": 8}, [(-8, 0), (-4, 4), (0, 8), (32, 16), (64, 24)]),
        ("awac", {"eval_every_online": 48}, [(-7, 0), (-3, 4), (0, 7), (48, 19), (64, 23)]),
        ("awac", {"warmup_steps": 17}, [(-7, 0), (-3, 4), (0, 7), (32, 7), (64, 15)]),
        ("awac", {"updates_per_step": 0}, [(-7, 0), (-3, 4), (0, 7), (32, 7), (64, 7)]),
        ("awac", {"updates_per_step": 0.1}, [(-7, 0), (-3, 4), (0, 7), (32, 10), (64, 13)]),
        ("awac", {"offline_updates": 0}, [(0, 0), (32, 8), (64, 16)]),
        ("awac", {"online_steps": 0}, [(-7, 0), (-3, 4), (0, 7)]),
        ("bc", {}, [(-7, 0), (-3, 4), (0, 7)]),
        ("sac-scratch", {}, [(0, 0), (32, 8), (64, 16)]),
        ("awr", {"value_updates": 2, "policy_updates": 3}, [(-7, 0), (-3, 4), (0, 7), (32, 17), (64, 27)]),
        ("ppo", {"passes": 2, "minibatch": 5}, [(-7, 0), (-3, 4), (0, 7), (32, 19), (64, 31)]),
        ("rlpd", {"warmup_steps": 40}, [(0, 0), (32, 0), (64, 4)]),  # no offline phase
    ],
)
def test_the_calendar(algo: str, settings: dict[str, Any], expected: list[tuple[int, int]], tmp_path: Path) -> None:
    """Negative before the switch, 0 at it, environment steps after it; every seed at every point once."""
    found = rows(experiment(algo, **settings), tmp_path)
    for seed in (0, 1):
        assert calendar(found, seed) == [("online" if s > 0 else "offline", s, u) for s, u in expected]
    assert len({(r.seed, r.env_step, r.metric) for r in found}) == len(found)


@pytest.mark.parametrize(("steps", "environments"), [(16, 2), (8, 1), (40, 5), (8 * 50, 10), (8 * 23, 1)])
def test_many_episodes_share_environments(steps: int, environments: int) -> None:
    sizes = {"steps_per_iteration": steps, "online_steps": 2 * steps, "eval_every_online": steps, "buffer_size": steps}
    assert lanes(experiment("awac", **sizes)) == environments


def test_what_an_evaluation_records(tmp_path: Path) -> None:
    found = rows(experiment("awac"), tmp_path)
    at = {step: {r.metric for r in found if r.env_step == step} for step in (-7, -3, 32)}
    scores = {"success", "success_any", "success_steps", "return", "episode_length"}
    assert at[-7] == scores, "nothing was learned or collected yet"
    assert {"critic_loss", "advantage", "weight_ess"} <= at[-3] - at[-7]
    assert at[32] - at[-3] == {"collect_success", "collect_return"}
    assert all(np.isfinite(r.value) for r in found)


def test_the_normalised_score_where_a_task_has_anchors(tmp_path: Path) -> None:
    cell = dataclasses.replace(experiment("bc"), task=dataclasses.replace(TASK, anchors=(-8.0, -4.0)))
    found = rows(cell, tmp_path)
    v = values(found, 0)
    assert v[7, "normalized_score"] == pytest.approx(100 * (v[7, "return"] + 8) / 4)


def test_the_learning_metrics_are_means_since_the_row_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    each: list[np.ndarray[Any, Any]] = []
    real = Meter.add

    def add(self: Meter, metrics: Any, stage: str | None, every: int = 1) -> None:
        real(self, metrics, stage, every)
        if "actor_loss" in metrics:
            each.append(metrics["actor_loss"].detach().numpy().copy())

    monkeypatch.setattr(Meter, "add", add)
    found = rows(experiment("bc"), tmp_path)
    for seed in (0, 1):
        v = values(found, seed)
        assert v[4, "actor_loss"] == pytest.approx(np.mean(each[:4], axis=0)[seed], rel=1e-5)
        assert v[7, "actor_loss"] == pytest.approx(np.mean(each[4:], axis=0)[seed], rel=1e-5)


# what the learner is given


def test_phases_and_data_of_every_update(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline rows only before the switch; after it the online rows grow by one iteration at a time."""
    seen: list[tuple[str, int, int]] = []
    real = ActorCritic.update

    def update(self: ActorCritic, *arguments: Any) -> None:
        assert self.replay is not None
        seen.append((self.phase, int(self.replay.offline_in_use), int(self.replay.online_filled)))
        real(self, *arguments)

    monkeypatch.setattr(ActorCritic, "update", update)
    train(experiment("awac", keep_offline_data=False, buffer_size=40), tmp_path)
    offline = 6 * HORIZON
    assert seen == [("offline", offline, 0)] * 7 + [("online", 0, n) for n in (16, 32, 40, 40) for _ in range(4)]


def test_the_learner_gets_the_datas_own_rows_demonstrations_first(tmp_path: Path) -> None:
    """Every offline row of the replay is one of the dataset's, and the first are its demonstrations."""
    from envs.data import datasets

    data = datasets.load(TASK, toy_run.DATA).transitions
    shuffled = np.random.default_rng(0).permutation(len(data))
    columns = {f.name: getattr(data, f.name)[shuffled] for f in dataclasses.fields(data)}
    layout = Layout(3, 2)
    packed, demos = offline_rows(layout, dataclasses.replace(data, **columns), 0.99)
    assert demos == data.demo.sum() == 2 * HORIZON

    def as_set(obs: Any, action: Any, reward: Any, next_obs: Any) -> set[bytes]:
        return {
            np.concatenate([o, a, [r], n]).tobytes() for o, a, r, n in zip(obs, action, reward, next_obs, strict=True)
        }

    def part(start: int, stop: int) -> set[bytes]:
        b = layout.batch(packed[None, start:stop])
        return as_set(b.obs[0].numpy(), b.action[0].numpy(), b.reward[0].numpy(), b.next_obs[0].numpy())

    for chosen, rows_ in ((data.demo, part(0, demos)), (~data.demo, part(demos, len(data)))):
        assert rows_ == as_set(data.obs[chosen], data.action[chosen], data.reward[chosen], data.next_obs[chosen])


@pytest.mark.parametrize(
    ("algo", "settings", "stages"),
    [
        ("awr", {"value_updates": 2, "policy_updates": 3, "buffer_size": 40}, ["value", "policy"]),
        ("ppo", {"minibatch": 8, "passes": 3}, ["passes"]),
    ],
)
def test_every_iteration_of_stages_is_whole_and_follows_its_rows(
    algo: str, settings: dict[str, Any], stages: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offline, AWR's iterations follow each other and the last is cut; online, each learns when its rows have come."""
    begun: list[tuple[str, str, int, int]] = []
    real = ActorCritic.begin

    def begin(self: ActorCritic, stage: Any) -> None:
        real(self, stage)
        begun.append((self.phase, stage.name, self.iteration.number, self.iteration.rows))

    monkeypatch.setattr(ActorCritic, "begin", begin)
    train(experiment(algo, **settings), tmp_path)
    offline = 6 * HORIZON
    before = [(0, "value"), (0, "policy"), (1, "value")] if algo == "awr" else []
    rows_ = [offline + n for n in (16, 32, 40, 40)] if algo == "awr" else [16] * 4
    assert begun == [
        *(("offline", stage, n, offline) for n, stage in before),
        *(("online", stage, n, rows_[n]) for n in range(4) for stage in stages),
    ]


def test_parts_are_reset_once_at_the_switch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no online steps the policy that is kept is the one right after the switch."""
    kept = train(experiment("awac", online_steps=0), tmp_path / "kept")
    anew = train(experiment("awac", online_steps=0, reset_at_switch="networks"), tmp_path / "anew")
    assert kept["metrics.csv"] == anew["metrics.csv"], "the switch comes after the last offline evaluation"
    assert kept["seed-0.npz"] != anew["seed-0.npz"]
    calls: list[tuple[int, tuple[str, ...]]] = []
    monkeypatch.setattr(ActorCritic, "reset_parts", lambda self, parts: calls.append((self.updates, parts)))
    train(experiment("awac", reset_at_switch="optimisers,targets"), tmp_path / "again")
    assert calls == [(7, ("optimisers", "targets"))]


def test_the_bound_on_q_follows_from_the_reward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rewards of at most 0.5 per step at discount 0.9 sum to at most 5; rewards of at most -1 may also end: 0."""
    seen: list[float | None] = []
    real = ActorCritic.__init__

    def init(self: ActorCritic, *arguments: Any, **named: Any) -> None:
        seen.append(named["q_max"])
        real(self, *arguments, **named)

    monkeypatch.setattr(ActorCritic, "__init__", init)
    for n, most in enumerate((0.5, -1.0, np.inf)):
        task = dataclasses.replace(TASK, reward_range=(-2.0, most))
        train(dataclasses.replace(experiment("awac", discount=0.9, online_steps=0), task=task), tmp_path / str(n))
    assert seen == [pytest.approx(5.0), 0.0, None]


# seeds


def test_every_algorithm_is_evaluated_on_the_same_initial_states(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resets: list[list[int]] = []
    real = VectorEnv.reset

    def reset(self: VectorEnv, seeds: Any) -> Any:
        resets.append(list(seeds))
        return real(self, seeds)

    monkeypatch.setattr(VectorEnv, "reset", reset)
    for algo, seeds, evaluations in (("awac", (0, 1), 5), ("sac-scratch", (5,), 3), ("bc", (3, 1, 2), 3)):
        resets.clear()
        train(experiment(algo, seeds), tmp_path)
        first, second = [EVAL_SEED, EVAL_SEED + 1] * len(seeds), [EVAL_SEED + 2, EVAL_SEED + 3] * len(seeds)
        assert [r for r in resets if r[0] >= EVAL_SEED and r in (first, second)] == [first, second] * evaluations
        collected = [r for r in resets if r not in (first, second)]
        assert len(collected) == (0 if algo == "bc" else 4)
        assert len({s for r in collected for s in r}) == len(collected) * 2 * len(seeds), "no two episodes alike"


@pytest.mark.slow
@pytest.mark.parametrize("algo", ["awac", "sac-bc", "sac-scratch", "bc", "awr", "ppo"])
def test_a_seed_alone_is_the_same_seed_in_a_pack(algo: str, tmp_path: Path) -> None:
    packed = rows(experiment(algo, (3, 0, 7)), tmp_path)
    for seed in (0, 7):
        alone, together = values(rows(experiment(algo, (seed,)), tmp_path), seed), values(packed, seed)
        assert alone.keys() == together.keys()
        for key, value in alone.items():
            assert together[key] == pytest.approx(value, rel=2e-3, abs=2e-3), key
    assert values(packed, 0) != values(packed, 7)


def test_the_same_run_twice_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    once = train(experiment("awac"), tmp_path / "once")
    assert train(experiment("awac"), tmp_path / "twice") == once
    assert train(experiment("awac", (0, 2)), tmp_path / "other")["seed-2.npz"] != once["seed-1.npz"]


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    cell = experiment("awac", online_steps=32, eval_every_offline=7)
    by_count = [train(cell, tmp_path / str(n), Hardware("cpu", threads=1, workers=n)) for n in (0, 1, 2)]
    assert by_count[1] == by_count[0]
    assert by_count[2] == by_count[0]


# divergence


@pytest.mark.parametrize(("temperature", "told"), [("1e-7", ["offline", "online"]), ("1", [])])
def test_weights_on_next_to_nothing_are_told_once_per_phase(
    temperature: str, told: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One row in 500 has nearly all the weight where the temperature is next to nothing."""
    cell = experiment("awac", temperature=temperature, batch_size=500)
    rows(cell, tmp_path)
    line = r"imitation weights lie on 0\.\d % of a batch \(weight_ess, (\w+)\): a few rows decide"
    assert re.findall(line, capsys.readouterr().err) == told
    assert re.findall(line, (run_folder(cell, tmp_path) / "log.txt").read_text()) == told


@pytest.mark.parametrize("algo", ["awac", "sac"])
def test_a_diverged_seed_is_named_and_the_others_go_on(
    algo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = rows(experiment(algo, (4, 5, 6)), tmp_path / "sound")

    def spoil(learner: ActorCritic, number: int) -> None:
        if number == 9:
            with torch.no_grad():
                next(learner.nets.policy.parameters())[1] = torch.nan

    monkeypatch.setattr(ActorCritic, "update", followed_by(spoil))
    cell = experiment(algo, (4, 5, 6))
    found = rows(cell, tmp_path / "ill")
    assert all(np.isfinite(r.value) for r in found)
    assert [r for r in found if r.seed != 5] == [r for r in sound if r.seed != 5]
    ill = [r for r in found if r.seed == 5]
    assert ill[-1] == Row(5, "online", 32, 15, "diverged", 1.0)
    assert ill[:-1] == [r for r in sound if r.seed == 5 and r.update < 9]
    folder = run_folder(cell, tmp_path / "ill")
    assert sorted(p.name for p in (folder / "policy").glob("*.npz")) == ["seed-4.npz", "seed-6.npz"]
    assert sorted(json.loads((folder / "policy" / "policy.json").read_text())["files"]) == ["seed-4.npz", "seed-6.npz"]
    assert "seed 5 diverged before update 15" in (folder / "log.txt").read_text()
    assert "seed 5 diverged before update 15: frozen, the others go on" in capsys.readouterr().err
    assert read_run(folder).finished


def test_a_diverged_seed_stays_so_after_a_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded once, not again by the process that goes on."""

    def spoil(learner: ActorCritic, number: int) -> None:
        if number == 2:
            with torch.no_grad():
                next(learner.nets.policy.parameters())[0] = torch.nan

    monkeypatch.setattr(ActorCritic, "update", followed_by(spoil))
    whole = train(experiment("awac"), tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(Runner, "_collect", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(experiment("awac"), tmp_path / "cut")
    assert train(experiment("awac"), tmp_path / "cut") == whole
    assert whole["metrics.csv"].count(b"diverged") == 1


def test_a_run_ends_when_every_seed_has_diverged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it is called again: nothing is left to train."""
    real = ActorCritic.update

    def update(self: ActorCritic, *arguments: Any) -> None:
        real(self, *arguments)
        with torch.no_grad():
            next(self.nets.policy.parameters()).fill_(torch.nan)

    monkeypatch.setattr(ActorCritic, "update", update)
    cell = experiment("awac")
    for _ in range(2):
        with pytest.raises(Diverged, match="every seed diverged before update 4; smaller learning rates"):
            train(cell, tmp_path)
        left = read_run(run_folder(cell, tmp_path))
        assert left.status["state"] == "failed"
        assert "every seed diverged" in left.status["message"]
        assert [(r.seed, r.update) for r in left.rows if r.metric == "diverged"] == [(0, 4), (1, 4)]


def test_what_stopped_a_run_is_in_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = experiment("awac")
    with monkeypatch.context() as patch:
        patch.setattr(Runner, "_collect", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(cell, tmp_path)
    status = read_run(run_folder(cell, tmp_path)).status
    assert (status["state"], status["message"]) == ("failed", "division by zero")
    train(cell, tmp_path)
    assert read_run(run_folder(cell, tmp_path)).finished


# what a run leaves, and what it refuses


def test_the_kept_policy_is_the_one_scored_last(tmp_path: Path) -> None:
    cell = experiment("awac")
    found = rows(cell, tmp_path)
    folder = run_folder(cell, tmp_path) / "policy"
    policy, meta = load_policy([folder / "seed-0.npz", folder / "seed-1.npz"])

    def act(obs: Any, noise: Any) -> Any:
        with torch.no_grad():
            return policy(torch.from_numpy(obs)).mode.numpy()

    with VectorEnv(TASK.id, 4, 0) as env:
        scores = suite.train.evaluate.evaluate(env, act, 2, 3, TASK)
    for name, both in scores.items():
        for seed in (0, 1):
            assert values(found, seed)[23, name] == pytest.approx(both[seed], rel=1e-6)
    assert (meta["task"], meta["algo"], meta["return"]) == (TASK.id, "awac", pytest.approx(scores["return"][0]))


def test_the_policies_of_every_evaluation_are_kept_where_asked(tmp_path: Path) -> None:
    cell = experiment()
    folder = run_cell(cell, Means(tmp_path, toy_run.ONE_THREAD, keep_policies=True)) / "policy"
    plain = run_cell(cell, Means(tmp_path / "plain", toy_run.ONE_THREAD))
    assert {p.name for p in folder.glob("at*")} == {"at-7", "at-3", "at+0", "at+32", "at+64"}
    final, last, early = (
        (folder / name).read_bytes() for name in ("seed-1.npz", "at+64/seed-1.npz", "at-3/seed-1.npz")
    )
    assert final == last == (plain / "policy" / "seed-1.npz").read_bytes()
    assert early != final
    assert not list((plain / "policy").glob("at*"))


def test_a_kept_policy_keeps_its_fixed_deviation(tmp_path: Path) -> None:
    cell = experiment("awr", policy_std=0.4, value_updates=2, policy_updates=3)
    train(cell, tmp_path)
    policy, _ = load_policy([run_folder(cell, tmp_path) / "policy" / "seed-1.npz"])
    torch.testing.assert_close(policy(torch.zeros(1, 1, 3)).std, torch.full((1, 1, 2), 0.4))


def test_the_record_says_how_the_run_was_made(tmp_path: Path) -> None:
    cell = experiment("awac", temperature=0.7)
    train(cell, tmp_path)
    run = read_run(run_folder(cell, tmp_path)).run
    assert run["settings"]["temperature"] == {"value": 0.7, "source": "--set"}
    assert run["settings"]["batch_size"]["value"] == 8
    assert run["dataset"]["id"] == toy_run.DATA
    assert len(run["dataset"]["fingerprint"]) == 12
    assert (run["seeds"], run["hash"], run["profile"]) == ([0, 1], cell.hash, "smoke")
    assert (run["device"]["threads"], run["device"]["compiled"]) == (1, False)
    assert run["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]


def test_refuses_before_training_when_the_disk_is_too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 1_000_000))
    out = tmp_path / "new" / "runs"
    with pytest.raises(SettingError, match=r"may write 10 MB below .*runs, where 1 MB are free"):
        run_cell(experiment("awac"), Means(out, toy_run.ONE_THREAD))
    assert not (tmp_path / "new").exists()


def test_refuses_a_dataset_that_changed_under_a_run(tmp_path: Path) -> None:
    from envs.data.minari_store import folder

    toy_run.store("toys/changing-v0")
    cell = experiment("awac", data="toys/changing-v0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Runner, "_switch", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(cell, tmp_path)
    data = folder("toys/changing-v0")
    data.rename(tmp_path / "before")
    toy_run.store("toys/changing-v0", seed=1)
    with pytest.raises(RecordError, match=r"fingerprint .*restore it, or delete the folder to start again"):
        train(cell, tmp_path)


def test_a_run_goes_on_with_the_means_it_began_with_and_on_the_same_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = experiment("awac")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Runner, "_switch", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(cell, tmp_path)
    path = run_folder(cell, tmp_path) / "run.json"
    text = path.read_text()
    path.write_text(text.replace('"kind": "cpu"', '"kind": "cuda"').replace('"checksum"', '"without"'))
    with pytest.raises(SettingError, match="began on cuda and cannot go on on cpu: pass --device cuda"):
        train(cell, tmp_path)
    path.write_text(text)
    monkeypatch.setattr("suite.train.cell.compiles", lambda experiment, device: True)
    monkeypatch.setattr("algos.learner.compiled.Compiled.run", lambda *given, **named: 1 / 0)
    train(cell, tmp_path, Hardware("cpu", threads=2, workers=0))
    assert torch.get_num_threads() == 1
    assert "started with 2 threads" not in (path.parent / "log.txt").read_text()


def test_demonstrations_are_asked_for_where_there_are_none(tmp_path: Path) -> None:
    from toy_data import episode

    from envs.data import datasets

    rng = np.random.default_rng(0)
    datasets.store(TASK, "toys/no-demos-v0", [episode(rng, HORIZON)], {})
    for algo in ("sac-bc", "bc-demos"):
        with pytest.raises(
            SettingError, match=f"{algo} learns from demonstrations, but dataset toys/no-demos-v0 marks"
        ):
            train(experiment(algo, data="toys/no-demos-v0"), tmp_path)
    assert not list(tmp_path.iterdir()), "found out before anything was written"
    path = train(experiment("sac-bc", data="toys/no-demos-v0", clone="data"), tmp_path)
    assert any(name.endswith("metrics.csv") for name in path)


def test_sac_clones_all_rows_where_none_are_demonstrations_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from toy_data import episode

    from envs.data import datasets

    datasets.store(TASK, "toys/no-marks-v0", [episode(np.random.default_rng(0), HORIZON)], {})
    seen = counted_demonstrations(monkeypatch)
    said = "dataset toys/no-marks-v0 marks no demonstrations: all of its rows count as such"
    train(experiment("sac", seeds=(0,), data="toys/no-marks-v0"), tmp_path)
    assert said in capsys.readouterr().err
    train(experiment("sac", seeds=(0,)), tmp_path / "marked")
    train(experiment("sac", seeds=(0,), data="toys/no-marks-v0", clone="data"), tmp_path / "data")
    assert "marks no demonstrations" not in capsys.readouterr().err
    assert seen[:2] == [(HORIZON, HORIZON), (2 * HORIZON, 6 * HORIZON)]
    assert experiment("sac", data=None, prior_data="false").needs.offline_data is False, "it does without data too"


def counted_demonstrations(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """A list that every replay made from now on is entered in: its demonstrations and its offline rows."""
    seen: list[tuple[int, int]] = []
    made = Replay.__init__

    def init(self: Replay, layout: Any, offline: torch.Tensor, *, demos: int, **rest: Any) -> None:
        seen.append((demos, len(offline)))
        made(self, layout, offline, demos=demos, **rest)

    monkeypatch.setattr(Replay, "__init__", init)
    return seen


def test_every_row_is_cloned_where_the_data_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The first `demos` rows of the replay: two demonstrations of six episodes, or all six."""
    seen = counted_demonstrations(monkeypatch)
    for clone in ("demos", "data"):
        train(experiment("sac-bc", seeds=(0,), clone=clone), tmp_path / clone)
    assert seen == [(2 * HORIZON, 6 * HORIZON), (6 * HORIZON, 6 * HORIZON)]


def test_an_estimate_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "updates/s" in estimate(experiment("awac"), toy_run.ONE_THREAD).text
    assert not list(tmp_path.iterdir())


def test_the_bytes_of_a_run_by_hand() -> None:
    """Two layers of 8 on 3 observations and 2 actions: 104 weights of a policy, 112 of each of two critics, which have
    targets. Rows of 10; 6 episodes of 8 steps are offline, shared by the seeds; each collects 64 online.
    """
    parameters = (3 * 8 + 8 * 8 + 8 * 2) + 2 * 2 * (5 * 8 + 8 * 8 + 8)
    cell = experiment("awac", seeds=(0, 1, 2))
    assert memory_bytes(cell) == 4 * (48 * 10 + 3 * (64 * 10 + 4 * parameters))  # weights, gradients, Adam's moments
    assert disk_bytes(cell) == 4 * 3 * (64 * 10 + 2 * 4 * parameters) + 10_000_000  # two checkpoints; metrics
    assert memory_bytes(experiment("sac-scratch")) == 4 * 2 * (64 * 10 + 4 * parameters)
    assert disk_bytes(experiment("bc")) < disk_bytes(experiment("awac")) - 4 * 2 * 64 * 10, "it collects nothing"


def test_an_estimate_says_where_a_dataset_is_not_here_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    for probe in ("_probe_updates", "_probe_env"):
        monkeypatch.setattr(f"suite.measure.estimate.{probe}", lambda *_: 1.0)
    assert "MB for replay and networks, up to" in estimate(experiment("awac"), toy_run.ONE_THREAD).text
    missing = estimate(experiment("awac", data="toys/not-here-v0"), toy_run.ONE_THREAD).text
    assert "MB for replay and networks, without the dataset's rows, which are not here yet, up to" in missing


@pytest.mark.skipif(not (ROOT / ".git").exists() or shutil.which("git") is None, reason="not a git checkout")
def test_the_record_names_the_revision_of_the_checkout(tmp_path: Path) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    cell = experiment("bc")
    train(cell, tmp_path)
    revision = read_run(run_folder(cell, tmp_path)).run["revision"]
    assert revision is not None
    assert head.stdout.startswith(revision.removesuffix("+").rpartition("-g")[2]), (
        "of a tagged one, what follows the tag"
    )

"""Presets: whose settings a run has, what they may move, and what is said where an algorithm has none."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import presets_table
import pytest
import tiny
import toy_run
from asked import request, resolve
from command import Bench
from house import ROOT

import algos
from algos.contract import LearnerConfig, Objective
from algos.settings import Preset, SettingError, describe
from envs.tasks import TASKS
from suite.experiment.experiment import Experiment, Protocol, without_meaning
from suite.experiment.presets import PAPER, departures
from suite.experiment.profiles import PROFILES
from suite.experiment.resolve import setting_owners
from suite.experiment.used import check_used
from suite.record.folders import read_run

TASK = "door-binary"
PRESETS = [(algo, preset) for algo in algos.names() for preset in algos.load(algo).presets]
# of the comparison and of its scores: the same for every method, whosever settings it has
SHARED = {"online_steps", "eval_episodes", "demonstrations", "rollouts", "dataset_seed", "tf32"}

of_every_preset = pytest.mark.parametrize(("algo", "preset"), PRESETS)


def setting_of(experiment: Experiment, name: str) -> tuple[Any, str]:
    found = experiment.settings[name]
    return found["value"], found["source"]


def with_preset(monkeypatch: pytest.MonkeyPatch, algo: str, settings: Mapping[str, Any]) -> None:
    """Give one algorithm a preset called `mine`."""
    load = algos.load

    def loaded(name: str) -> Objective:
        objective = load(name)
        more = {"mine": Preset("my notes, page 3", settings)} if name == algo else {}
        return dataclasses.replace(objective, presets={**objective.presets, **more})

    monkeypatch.setattr(algos, "load", loaded)


# where the layer lies


def test_a_preset_stands_over_task_and_entry_and_says_its_source() -> None:
    experiment = resolve("awac", "pen-binary", (0,), "paper", preset="official")
    source = "preset official: rlkit's examples/awac/hand/awac1.py"
    assert setting_of(resolve("awac", "pen-binary", (0,), "paper"), "temperature")[1].startswith("task pen-binary-v0: ")
    assert setting_of(experiment, "temperature") == (0.5, source)
    assert setting_of(experiment, "warmup_steps") == (1000, source), "of the protocol"
    assert setting_of(experiment, "hidden") == ([256, 256], source), "of the learner"
    assert setting_of(experiment, "online_steps")[1] == "task pen-binary-v0: AWAC Table 1", "what it leaves alone"
    cal_ql = resolve("cal-ql", TASK, (0,), "paper", preset="official")
    assert setting_of(resolve("cal-ql", TASK, (0,), "paper"), "conservative_weight")[1] == "registry entry cal-ql"
    assert setting_of(cal_ql, "conservative_weight")[0] == 0.198
    assert setting_of(cal_ql, "calibrate") == (True, "registry entry cal-ql")


def test_a_profile_stands_over_a_preset_and_set_over_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each layer of a profile: its own, that of the task and that of the entry."""
    settings = {"hidden": (7,), "batch_size": 7, "policy_lr": 0.7, "warm_start": 7, "eps_offline": 0.7, "tau": 0.7}
    with_preset(monkeypatch, "bear", settings)
    paper = resolve("bear", "door-binary", (0,), "paper", preset="mine")
    assert {name: getattr(paper.learner, name, getattr(paper.cfg, name, None)) for name in settings} == settings
    quick = resolve("bear", "point-reach", (0,), "quick", ["tau=0.5"], preset="mine")
    assert {name: setting_of(quick, name) for name in settings} == {
        "hidden": ([64, 64], "profile quick of point-reach-v0"),
        "batch_size": (128, "profile quick of point-reach-v0"),
        "policy_lr": (1e-3, "profile quick of point-reach-v0"),
        "warm_start": (1, "preset mine: my notes, page 3; 7 of 25,000 offline updates, here of 2,000"),
        "eps_offline": (0.7, "preset mine: my notes, page 3"),
        "tau": (0.5, "--set"),
    }


@pytest.mark.parametrize(
    ("env", "lr", "std"),
    [("halfcheetah", 5e-5, 0.4), ("walker2d", 2.5e-5, 0.4), ("hopper", 1e-4, 0.4), ("ant", 5e-5, 0.2),
     ("humanoid", 1e-5, 0.4), ("lunarlander", 5e-4, 0.4)],
)  # fmt: skip
def test_what_a_source_sets_on_one_task_alone(env: str, lr: float, std: float) -> None:
    """AWR's awr_configs.py; its deviation means nothing where actions are choices."""
    official = resolve("awr", env, (0,), "paper", preset="official")
    assert (official.learner.policy_lr, official.cfg.policy_std) == (lr, std)
    assert resolve("awr", env, (0,), "paper").learner.policy_lr == LearnerConfig().policy_lr, "not the paper's"
    assert resolve("iql", env, (0,), "paper", preset="official").learner.policy_lr == LearnerConfig().policy_lr


def test_tasks_set_what_presets_and_methods_have() -> None:
    for task in TASKS.values():
        for preset, settings in task.presets.items():
            for key in settings:
                algo, _, short = key.rpartition(".")
                having = [name for name in algos.names() if preset in algos.load(name).presets]
                assert having if not algo else algo in having, task.id
                assert all(short in setting_owners(algos.load(name)) for name in ([algo] if algo else having)), key


def test_papers_preset_departs_from_nothing() -> None:
    plain, named = (resolve("awac", TASK, (0,), "quick", **more) for more in ({}, {"preset": PAPER}))
    assert (plain.settings, plain.hash, plain.name, plain.preset) == (named.settings, named.hash, "quick", PAPER)
    assert not any("preset" in s["source"] for s in plain.settings.values())


def test_a_preset_changes_the_hash_and_the_folders_name() -> None:
    paper, official = (resolve("iql", TASK, (0,), "quick", preset=preset) for preset in (PAPER, "official"))
    assert official.hash != paper.hash
    assert (official.preset, official.name) == ("official", "quick-official")
    sets = ["policy_weight_decay=0", "q_bound=none", "inverse_temperature=0.5", "log_std_range=-5,2", "std_start=1"]
    typed = resolve("iql", TASK, (0,), "quick", sets)
    assert typed.hash == official.hash, "what counts is the values"
    assert resolve("iql", TASK, (0,), "quick", name="mine", preset="official").name == "mine"


# what presets hold

PHASES = {"offline_updates", "warm_start", "warmup_steps", "warmup_actions"}  # said even where they are the default


@of_every_preset
def test_every_preset_fits_every_task_and_profile(algo: str, preset: str) -> None:
    for env in [t.id for t in TASKS.values() if tiny.serves(algo, t)]:
        for profile in PROFILES:
            experiment = resolve(algo, env, (0,), profile, preset=preset)
            assert experiment.preset == preset
            meaningful = experiment.settings.keys() | without_meaning(experiment).keys()
            assert algos.load(algo).presets[preset].settings.keys() <= meaningful
            p = experiment.protocol
            assert p.warmup_steps < p.online_steps, "there would be no update online"
            assert all(s["source"] for s in experiment.settings.values())


@of_every_preset
def test_a_preset_holds_departures_only_and_nothing_of_how_a_run_is_scored(algo: str, preset: str) -> None:
    found = algos.load(algo).presets[preset]
    assert found.source
    moved = departures(algos.get(algo), setting_owners(algos.load(algo)), found)
    by_tasks = {name.rpartition(".")[2] for task in TASKS.values() for name in task.settings}
    assert found.settings.keys() - moved.keys() <= by_tasks | PHASES, (
        "a default is repeated only where a task sets another value, or as the length of a phase of the source"
    )
    assert found.settings
    assert not found.settings.keys() & SHARED
    for name, value in found.settings.items():
        owner = setting_owners(algos.load(algo))[name]
        default = next(f.default for f in dataclasses.fields(owner) if f.name == name)
        assert (
            None in (value, default) or type(value) is type(default) or {type(value), type(default)} == {str, float}
        ), name


@of_every_preset
def test_a_learner_with_a_preset_takes_steps(algo: str, preset: str) -> None:
    """With small networks and batches, in every phase."""
    settings = algos.load(algo).presets[preset].settings
    shared = {k: v for k, v in settings.items() if k in describe(LearnerConfig) and k not in tiny.SMALL}
    own = {k: v for k, v in settings.items() if k in describe(algos.load(algo).Config)}
    assert shared.keys() | own.keys() | describe(Protocol).keys() | tiny.SMALL.keys() >= settings.keys()
    for phase in tiny.phases(algo):
        learner = tiny.learner(algo, phase=phase, settings=own, common=shared, q_max=0.0)
        learner.run(2 * learner.pace.policy_every)
        assert learner.finite().all()


def test_entries_that_share_a_module_have_their_own() -> None:
    of = {name: dict(algos.load(name).presets["official"].settings) for name, preset in PRESETS if preset == "official"}
    assert of["brac"] == of["brac-v"] | {"mode": "kl_policy"}
    assert of["cal-ql"]["hidden"] == (512, 512)
    assert "policy_bc_steps" in of["cql"].keys() - of["cal-ql"].keys()
    assert of["mpo"].keys() & of["mpo-acme"].keys() == {"q_bound", "warmup_steps"}
    assert of["td3"] == of["ddpg"]
    assert resolve("ddpg", TASK, (0,), "paper", preset="official").cfg.critics == 1
    assert resolve("mpo", TASK, (0,), "paper", preset="official").cfg.mode == "eq20"


def test_only_methods_without_code_of_their_own_have_no_settings_of_their_authors() -> None:
    assert algos.names().keys() - {algo for algo, _ in PRESETS} == {"bc", "bc-demos", "rwr", "trpo"}


# what is said


def test_a_list_shares_a_preset_and_those_without_it_keep_their_defaults() -> None:
    asked = request(("awac", "iql", "bc"), TASK, preset="official")
    cells = [resolve(a, TASK, (0,), "quick", preset="official") for a in asked.algos]
    assert [e.preset for e in cells] == ["official", "official", PAPER]
    assert cells[2].hash == resolve("bc", TASK, (0,), "quick").hash
    assert check_used(asked, cells) == ["preset official: awac, iql only; bc keeps its defaults"]
    assert check_used(asked, cells[:2]) == []
    more = [*cells, resolve("bc-demos", TASK, (0,), "quick", preset="official")]
    assert check_used(asked, more) == ["preset official: awac, iql only; bc, bc-demos keep their defaults"]
    with pytest.raises(SettingError, match="preset official: bc has none; `bench list presets` shows who does"):
        check_used(asked, cells[2:])


def test_an_unknown_preset_gets_the_nearest_name() -> None:
    for algo in ("awac", "bc"):
        with pytest.raises(SettingError, match=r"unknown preset 'offical'; did you mean 'official'\?"):
            resolve(algo, TASK, (0,), preset="offical")
    with pytest.raises(
        SettingError, match="known: awac-scripts, awr-paper, corl, d3rlpy, official, official-mujoco, paper"
    ):
        resolve("awac", TASK, (0,), preset="zzz")


def test_a_preset_of_settings_that_are_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with_preset(monkeypatch, "bc", {"temprature": 1.0, "tua": 0.1})
    with pytest.raises(SettingError, match="preset 'mine' of bc sets unknown 'temprature'"):
        resolve("bc", TASK, (0,), preset="mine")
    with_preset(monkeypatch, "awac", {"tua": 0.1})
    with pytest.raises(SettingError, match=r"preset 'mine' of awac sets unknown 'tua'; did you mean 'tau'\?"):
        resolve("awac", TASK, (0,), preset="mine")


# the command line


def test_explain_and_list_show_presets(bench: Bench) -> None:
    rows = json.loads(
        bench("explain", "awac", "pen-binary", "--profile", "paper", "--preset", "official", "--json").out
    )
    of = {row["setting"]: row for row in rows}
    assert of["temperature"]["source"] == "preset official: rlkit's examples/awac/hand/awac1.py"
    listed = json.loads(bench("list", "presets", "--json").out)
    assert [(row["algo"], row["preset"]) for row in listed] == PRESETS
    moves = {(row["algo"], row["preset"]): row["moves"] for row in listed}
    said = sum("preset official" in row["source"] for row in rows)
    assert moves["awac", "official"] == said - 1, "its 25,000 offline updates are the default's"
    assert moves["iql", "official"] == 7
    assert len(bench("list", "presets", "--wide").out.splitlines()) == len(listed) + 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--algo", "awac", "--env", "door-binary", "--preset", "oficial"], "did you mean 'official'?"),
        (["run", "--algo", "bc,bc-demos", "--env", "door-binary", "--preset", "official"], "bc, bc-demos have none"),
        (["explain", "bc", "door-binary", "--preset", "official"], "preset official: bc has none"),
        (["explain", "awac", "door-binary", "--preset", "papr"], "did you mean 'paper'?"),
    ],
)
def test_what_is_refused(arguments: list[str], message: str, bench: Bench, tmp_path: Path) -> None:
    said = bench(*arguments)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert message in said.err
    assert not list(tmp_path.iterdir())


def test_a_run_records_whose_settings_it_has(bench: Bench) -> None:
    with toy_run.registered():
        said = bench(
            *f"run --algo iql,bc --env {toy_run.TASK.id} --dataset {toy_run.DATA} --preset official --seeds 1".split(),
            *("--device", "cpu", "--threads", "1", "--workers", "0"),
            *toy_run.options(toy_run.SIZES),
        )
    assert said.code == 0
    assert "preset official: iql only; bc keeps its defaults" in said.err
    iql, bc = (read_run(Path(line)) for line in said.out.splitlines())
    assert (iql.run["preset"], bc.run["preset"]) == ("official", PAPER)
    assert iql.path.name == f"quick-official-{iql.run['hash']}"
    assert iql.run["settings"]["inverse_temperature"]["source"].startswith("preset official: implicit_q_learning")
    assert [row["preset"] for row in json.loads(bench("list", "runs", "--json").out)] == [PAPER, "official"]


def test_jobs_hand_on_the_preset(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run_all(cells: Any, **_: object) -> dict[str, int]:
        commands.extend(list(cell.command) for cell in cells)
        return {cell.name: 1 for cell in cells}

    monkeypatch.setattr("suite.launch.side_by_side.run_all", run_all)
    monkeypatch.setattr("suite.launch.side_by_side.build_missing", lambda *_, **__: {})
    bench("run", "--algo", "awac,bc", "--env", "door-binary", "--preset", "official", "--jobs", "2", "--device", "cpu")
    assert [command[command.index("--preset") + 1] for command in commands] == ["official", PAPER]
    assert [command[command.index("--name") + 1] for command in commands] == ["quick-official", "quick"]


@of_every_preset
def test_a_preset_says_what_it_cannot_do(algo: str, preset: str) -> None:
    found = algos.load(algo).presets[preset]
    assert all(" " in limit for limit in found.limits), "in words"
    assert len(set(found.limits)) == len(found.limits)


def test_explain_ends_with_what_a_preset_cannot_do(bench: Bench) -> None:
    said = bench("explain", "td3", "halfcheetah", "--preset", "official").out
    assert said.index("what preset official cannot do") > said.index("hidden")
    limits = algos.load("td3").presets["official"].limits
    assert said.rstrip().splitlines()[-len(limits) :] == [f"- {limit}" for limit in limits]
    assert "cannot do" not in bench("explain", "td3", "halfcheetah").out
    json.loads(bench("explain", "td3", "halfcheetah", "--preset", "official", "--json").out)


def test_a_limit_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no limit is called width"):
        Preset("whose", {"tau": 0.1}, ("width",))


def test_the_table_of_presets_is_that_of_the_code() -> None:
    """`python tests/support/presets_table.py > docs/presets.md` writes it anew."""
    assert (ROOT / "docs/presets.md").read_text() == presets_table.text()


# what their sources set on one task alone, in our units


@pytest.mark.parametrize(
    ("algo", "env", "preset", "values"),
    [
        ("iql", "pen-binary", "official", {"inverse_temperature": 0.5}),
        ("iql", "relocate-binary", "paper", {"inverse_temperature": 0.5}),
        ("xql", "hammer-binary", "paper", {"inverse_temperature": 0.5}),
        ("rebrac", "door-binary", "paper", {"actor_bc_weight": 0.01, "critic_bc_weight": 0.1}),
        ("rebrac", "antmaze-large", "paper", {"actor_bc_weight": 0.002, "critic_bc_weight": 0.01}),
        ("rlpd", "ant", "paper", {"backup_entropy": True}),
        ("rlpd", "pen-binary", "paper", {"backup_entropy": False}),
        ("wsrl", "ant", "paper", {"calibrate": False, "conservative_weight": 5.0, "conservative_temperature": 1.0}),
        ("iql", "halfcheetah", "official", {"inverse_temperature": 3.0, "expectile": 0.7}),
        ("iql", "antmaze-umaze", "official", {"inverse_temperature": 10.0, "expectile": 0.9}),
        ("rebrac", "pen-binary", "official", {"actor_bc_weight": 0.05, "critic_bc_weight": 0.5}),
        ("rebrac", "door-binary", "official", {"actor_bc_weight": 0.01, "critic_bc_weight": 0.1}),
        ("rebrac", "relocate-binary", "official", {"actor_bc_weight": 0.1, "critic_bc_weight": 0.01}),
        ("rebrac", "hammer-binary", "official", {"actor_bc_weight": 0.1, "critic_bc_weight": 0.5}),
        ("rlpd", "door-binary", "official", {"hidden": [256, 256, 256], "backup_entropy": False}),
        ("rlpd", "walker2d", "official", {"hidden": [256, 256], "backup_entropy": True}),
        ("awac", "hopper", "corl", {"temperature": 1 / 3}),
        ("awac", "pen-binary", "corl", {"temperature": 0.1}),
        ("awac", "sawyer-push", "official", {"her_future": 0.3, "her_fresh": 0.5, "updates_per_step": 4.0}),
        ("awac", "sawyer-push", "paper", {"her_future": 0.8, "her_fresh": 0.0}),
        ("cal-ql", "door-binary", "paper", {"conservative_weight": 0.198, "conservative_temperature": 0.198}),
        ("cal-ql", "antmaze-large", "paper", {"conservative_weight": 0.99, "lagrange_gap": 0.158}),
        ("cql", "antmaze-large", "paper", {"conservative_weight": 2.48, "lagrange_gap": 0.495}),
        ("cql", "door-binary", "paper", {"conservative_weight": 5.0, "lagrange_gap": None}),
        ("mpo-acme", "door-binary", "paper", {"std_start": 0.5}),
        ("ppo", "halfcheetah", "official", {"std_start": 1.0, "clip_value": False}),
        ("sac-bc", "door-binary", "official", {"tau": 1.28e-3, "batch_size": 1024}),
        ("abm", "halfcheetah", "official-mujoco", {
            "hidden": [256] * 4, "temperature": 1.0, "prior_weight": "exp", "policy_weight": "step",
            "prior_samples": 1, "prior_baseline": "prior", "v_estimator": "sample", "advantage_clip": None,
            "offline_updates": 25_000, "warmup_steps": 1000, "q_bound": "none", "copy_targets": False,
            "bootstrap_through_terminals": False, "policy_weight_decay": 1e-4,
        }),
        ("awac-z", "pen-binary", "official", {
            "hidden": [256] * 4, "temperature": 0.3, "behaviour_weights": "advantage", "advantage_clip": None,
            "z_samples": 10, "v_estimator": "mean_action", "bootstrap_through_terminals": True,
        }),
        ("brac", "pen-binary", "awac-scripts", {
            "hidden": [256] * 4, "mode": "reward_awac", "temperature": 0.1, "advantage_clip": 2.0,
            "behaviour_weights": "advantage", "behaviour_fit": "always", "policy_family": "gaussian",
            "penalty_weight": 1.0, "bootstrap_through_terminals": True, "offline_updates": 25_000,
        }),
        ("brac", "pen-binary", "official", {"behaviour_weights": "none"}),
        ("bear-loose", "halfcheetah", "paper", {"eps_offline": 0.05, "eps_online": 0.15}),
        ("bear-loose", "ant", "paper", {"eps_online": 0.15}),
        ("bear-loose", "walker2d", "official", {"eps_online": 0.15}),
        ("bear-loose", "pen-binary", "paper", {"eps_online": 0.25}),
        ("bear", "pen-binary", "paper", {"eps_online": 0.05}),
        ("ppo", "halfcheetah", "official", {"activation": "tanh", "hidden": [64, 64]}),
        ("marwil-rllib", "halfcheetah", "official", {"activation": "tanh", "hidden": [256, 256]}),
        ("dapg", "door-binary", "official", {
            "activation": "tanh", "hidden": [32, 32], "value_weight_decay": 1e-3, "clone_std": "demos",
            "log_std_range": [-3.0, 2.0],
        }),
        ("sac", "door-binary", "paper", {"clone": "demos", "demo_batch": 128}),
        ("iql", "halfcheetah", "official", {"activation": "relu"}),
        ("wsrl", "door-binary", "official", {
            "hidden": [512, 512], "critics": 10, "subset": 2, "layer_norm": True, "policy_every": 4, "batch_size": 256,
            "updates_per_step": 4.0, "prior_data": "warm", "warmup_steps": 5000, "warmup_actions": "policy",
            "offline_updates": 20_000, "policy_lr": 1e-4, "critic_lr": 3e-4, "buffer_size": 2_000_000,
            "conservative_weight": 0.198, "conservative_samples": 10, "backup_samples": 10, "online_backup_samples": 1,
            "calibrate": True, "alpha": "auto",
        }),
        ("wsrl", "antmaze-large", "official", {
            "offline_updates": 1_000_000, "online_backup_samples": 10, "lagrange_gap": 0.158, "warmup_steps": 5000,
        }),
        ("wsrl", "walker2d", "official", {
            "offline_updates": 250_000, "conservative_weight": 5.0, "calibrate": False, "lagrange_gap": None,
        }),
        ("fql", "door-binary", "q-chunking", {
            "hidden": [512] * 4, "action_chunk": 5, "distil_weight": 100.0, "warmup_steps": 5000, "flow_steps": 10,
            "warmup_actions": "policy", "offline_updates": 1_000_000,
        }),
        ("rlpd", "door-binary", "q-chunking", {
            "hidden": [512] * 4, "action_chunk": 5, "critics": 10, "updates_per_step": 1.0, "policy_every": 1,
            "warmup_steps": 5000, "warmup_actions": "uniform", "offline_fraction": 0.5, "backup_entropy": False,
            "target_entropy": None, "layer_norm": True,
        }),
        ("fql", "door-binary", "official", {
            "hidden": [512] * 4, "batch_size": 256, "distil_weight": 10.0, "flow_steps": 10, "q_aggregate": "mean",
            "normalise_q": False, "layer_norm": True, "tau": 5e-3, "discount": 0.99, "policy_lr": 3e-4,
            "buffer_size": 2_000_000, "keep_offline_data": True, "offline_fraction": None,
        }),
        ("fql", "antmaze-umaze", "official", {"distil_weight": 10.0, "q_aggregate": "mean"}),
        ("fql", "antmaze-large", "official", {"distil_weight": 3.0}),
        ("fql", "pen-dense", "official", {"distil_weight": 1000.0, "q_aggregate": "min"}),
        ("fql", "relocate-dense", "official", {"distil_weight": 10_000.0, "q_aggregate": "min"}),
        ("spot", "halfcheetah", "official", {
            "hidden": [256, 256], "batch_size": 256, "support_weight": 0.05, "support_decay_floor": 0.2,
            "support_decay_updates": 1_000_000, "vae_lr": 1e-3, "vae_hidden": [750, 750], "normalise_obs": True,
            "target_noise": 0.2, "target_noise_clip": 0.5, "policy_every": 2, "exploration_noise": 0.1, "tau": 5e-3,
        }),
        ("spot", "hopper", "official", {"support_weight": 0.1, "policy_lr": 3e-4}),
        ("spot", "walker2d", "official", {"support_weight": 0.2}),
        ("spot", "antmaze-umaze", "official", {"support_weight": 0.25, "policy_lr": 1e-4, "normalise_obs": False}),
        ("spot", "antmaze-medium", "official", {"support_weight": 0.05, "discount": 0.99}),
        ("spot", "antmaze-large", "official", {"support_weight": 0.025, "discount": 0.995}),
        ("xql", "halfcheetah", "official", {
            "hidden": [256, 256], "batch_size": 1024, "beta": 5.0, "max_clip": 5.0, "inverse_temperature": 3.0,
            "huber_delta": 20.0, "value_layer_norm": True, "weight_cap": 100.0, "log_std_range": [-5.0, 2.0],
        }),
        ("xql", "antmaze-umaze", "official", {"beta": 2.0, "max_clip": 7.0, "inverse_temperature": 10.0}),
        ("xql", "antmaze-medium", "official", {"beta": 0.8, "max_clip": 5.0, "inverse_temperature": 10.0}),
        ("xql", "antmaze-large", "official", {"beta": 0.6, "max_clip": 5.0, "inverse_temperature": 10.0}),
        ("xql", "pen-dense", "official", {"beta": 8.0, "max_clip": 5.0, "inverse_temperature": 0.5}),
        ("xql", "pen-binary", "official", {"beta": 1.0, "inverse_temperature": 0.5}),
    ],
)  # fmt: skip
def test_values_that_were_written_down_from_the_sources(
    algo: str, env: str, preset: str, values: dict[str, object]
) -> None:
    settings = resolve(algo, env, (0,), "paper", preset=preset).settings
    assert {name: settings[name]["value"] for name in values} == values


@pytest.mark.parametrize(
    ("algo", "updates"),
    [("bear", 1_000_000), ("bcq", 1_000_000), ("td3-bc", 1_000_000), ("rebrac", 1_000_000), ("iql", 1_000_000),
     ("xql", 1_000_000), ("spot", 1_000_000), ("fql", 1_000_000),
     ("brac", 500_000), ("brac-v", 500_000), ("cql", 3_000_000), ("cal-ql", 20_000), ("awac", 25_000)],
)  # fmt: skip
def test_offline_phases_are_as_long_as_those_of_their_sources(algo: str, updates: int) -> None:
    official = resolve(algo, TASK, (0,), "paper", preset="official").protocol
    assert official.offline_updates == updates


@pytest.mark.parametrize(("algo", "steps"), [("td3", 25_000), ("ddpg", 25_000), ("algae-dice", 10_000), ("rlpd", 5000)])
def test_warm_ups_by_chance_are_those_of_their_sources(algo: str, steps: int) -> None:
    official = resolve(algo, TASK, (0,), "paper", preset="official").protocol
    assert (official.warmup_steps, official.warmup_actions) == (steps, "uniform")

"""From what the user typed to one resolved experiment: layers, sources, contradictions, and what names a run."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import tiny
from asked import request, resolve

import algos
from algos import Entry
from algos.contract import LearnerConfig
from algos.settings import SettingError, describe, setting
from envs.errors import UnknownTaskError
from envs.task import GivenData, MazeRecipe, MixRecipe, Recipe, Task
from envs.tasks import TASKS
from suite.experiment.experiment import Protocol, task_of
from suite.experiment.profiles import PROFILES
from suite.experiment.request import parse_list, parse_seeds
from suite.experiment.resolve import resolve_all, setting_owners, sized
from suite.experiment.used import check_used
from suite.train.cell import run_folder

TASK = "door-binary"


def value(algo: str, name: str, *overrides: str, profile: str = "paper", env: str = TASK) -> Any:
    return resolve(algo, env, (0,), profile, overrides).settings[name]["value"]


def source(algo: str, name: str, *overrides: str, profile: str = "paper", env: str = TASK) -> str:
    return str(resolve(algo, env, (0,), profile, overrides).settings[name]["source"])


def refusal(*overrides: str, algo: str = "awac", env: str = TASK, **named: Any) -> str:
    """What resolving this says; it must be one line."""
    with pytest.raises((SettingError, UnknownTaskError)) as caught:
        resolve(algo, env, (0,), overrides=overrides, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# layers


def test_later_layers_win_and_every_value_says_where_it_came_from() -> None:
    assert value("awac", "temperature", env=TASK) == 0.5, "the task's, over the field's default 1"
    assert source("awac", "temperature").startswith("task door-binary-v0: rlkit's examples/awac/hand/awac1.py; ")
    assert value("sac-scratch", "start") == "scratch"
    assert source("sac-scratch", "start") == "registry entry sac-scratch"
    assert (value("awac", "batch_size"), source("awac", "batch_size")[:15]) == (1024, "default: AWAC T")
    assert value("awac", "batch_size", profile="smoke") == 16
    assert source("awac", "batch_size", profile="smoke") == "profile smoke"
    for override in ("batch_size=7", "awac.batch_size=7", " batch_size = 7 "):
        assert value("awac", "batch_size", override, profile="smoke") == 7
        assert source("awac", "batch_size", override, profile="smoke") == "--set"
    assert value("awac", "batch_size", "batch_size=7", "batch_size=8") == 8


def test_a_tasks_setting_is_for_the_method_it_names() -> None:
    """`awac.temperature` of the hand tasks says nothing to others."""
    for name, task in TASKS.items():
        for key in task.settings:
            prefix, _, short = key.rpartition(".")
            owners = setting_owners(algos.load(prefix or "awac"))
            assert short in owners, f"{name}: {key}"
    assert "temperature" not in resolve("sac", TASK, (0,), "paper").settings


def test_a_prefix_reaches_every_entry_of_its_module_and_no_other() -> None:
    assert value("sac-prior", "alpha", "sac.alpha=0.5") == 0.5
    assert value("sac", "alpha", "sac-prior.alpha=0.5") == "auto"
    assert value("sac-bc", "alpha", "sac.alpha=0.5") == 0.0
    assert value("sac-bc", "alpha", "sac-bc.alpha=0.5") == 0.5
    assert value("sac", "offline_updates", "sac.offline_updates=1") == 1
    assert value("awac", "offline_updates", "sac.offline_updates=1") == 25_000


def test_every_algorithm_on_every_task_in_every_profile() -> None:
    for algo in algos.names():
        for env in [t.id for t in TASKS.values() if tiny.serves(algo, t)]:
            for profile in PROFILES:
                experiment = resolve(algo, env, (0,), profile)
                for name, s in experiment.settings.items():
                    assert s["source"], name
                parts = (experiment.protocol, experiment.learner, experiment.cfg)
                unsaid = {f.name for p in parts for f in dataclasses.fields(p)} - experiment.settings.keys()
                task = experiment.task
                recipes = (task.recipe, *task.recipes.values())
                spread = not task.discrete and experiment.needs.policy in ("gaussian", "squashed")
                says = {
                    "her_future": task.goal is not None,
                    "her_fresh": task.goal is not None,
                    "warmup_actions": experiment.protocol.warmup_steps > 0,
                    "log_std_range": spread,
                    "std_start": spread,
                    "demonstrations": any(isinstance(r, Recipe | MazeRecipe) for r in recipes),
                    "rollouts": any(not isinstance(r, MixRecipe | GivenData) for r in recipes),
                    "dataset_steps": any(isinstance(r, MixRecipe) for r in recipes),
                    "prior_data": experiment.needs.offline_data,
                    "action_chunk": experiment.needs.chunks,
                    "keep_offline_data": experiment.protocol.prior_data != "warm",
                }
                assert unsaid == {name for name, said in says.items() if not said}


def test_setting_names_are_unique_for_every_algorithm() -> None:
    """`--set name=value` needs no prefix, so no two classes of one experiment may share a name."""
    for algo in algos.names():
        objective = algos.load(algo)
        sizes = [len(describe(c)) for c in (Protocol, LearnerConfig, objective.Config)]
        assert len(setting_owners(objective)) == sum(sizes)


def test_a_clash_of_names_is_refused() -> None:
    @dataclasses.dataclass(frozen=True)
    class Config:
        tau: float = setting(0.1, "clashes with the learner's")

    objective = dataclasses.replace(algos.load("awac"), Config=Config)
    with pytest.raises(SettingError, match="algorithm 'awac' declares 'tau', which LearnerConfig has"):
        setting_owners(objective)


def test_profiles_change_sizes_and_rates_only() -> None:
    """Of the protocol and the learner; and the paper's profile changes nothing at all."""
    sizes = {
        "hidden",
        "batch_size",
        "offline_updates",
        "online_steps",
        "steps_per_iteration",
        "eval_every_offline",
        "eval_every_online",
        "eval_episodes",
        "demonstrations",
        "rollouts",
        "tau",
        "policy_lr",
        "critic_lr",
        "updates_per_step",
        "warmup_steps",
        "dataset_steps",
    }
    assert PROFILES["paper"] == {}
    for name, profile in PROFILES.items():
        assert profile.keys() <= sizes, name
        assert not profile.keys() - describe(Protocol).keys() - describe(LearnerConfig).keys()


@pytest.mark.parametrize("algo", list(algos.names()))
def test_what_an_entry_sets_beside_its_own_settings_exists_and_in_a_profile_is_a_size_or_rate(algo: str) -> None:
    entry = algos.get(algo)
    assert entry.protocol.keys() <= describe(Protocol).keys() | describe(LearnerConfig).keys()
    for name, settings in entry.profiles.items():
        assert name in PROFILES
        assert settings.keys() <= setting_owners(algos.load(algo)).keys()
        assert all(type(v) in (int, float, tuple) for v in settings.values()), "a choice is no size"


# what is refused


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("temprature=1",), "unknown setting 'temprature' of awac; did you mean 'temperature'?"),
        (("offline_update=1",), "did you mean 'offline_updates'?"),
        (("awac.temprature=1",), "did you mean 'temperature'?"),
        (("awacs.temperature=1",), "unknown algorithm 'awacs'; did you mean 'awac'?"),
        (("awac.bc_weight=1",), "unknown setting 'bc_weight' of awac"),
        (("temperature",), "--set temperature: write name=value"),
        (("prior_data=false", "offline_fraction=0.5"), "prior_data=false contradicts offline_fraction"),
        (("prior_data=no # a reason", "temprature=1"), "did you mean 'temperature'?"),
        (("temperature=",), "expected a number"),
        (("temperature=warm",), "--set temperature=warm: expected a number"),
        (("temperature=nan",), "expected a number or inf"),
        (("tau=nan",), "--set tau=nan: expected a finite number"),
        (("temperature=-1",), "temperature=-1.0: must be above 0"),
        (("offline_updates=1.5",), "expected a whole number"),
        (("hidden=64,x",), "expected a comma-separated list of whole numbers"),
        (("hidden=",), "give at least one positive layer width"),
        (("keep_offline_data=maybe",), "expected true | false"),
        (("prior_data=maybe",), "expected true | false or warm"),
        (("weight_norm=max",), "expected softmax | exp"),
        (("offline_fraction=half",), "expected a finite number or none"),
    ],
)
def test_what_cannot_be_read_is_answered_with_what_can(overrides: tuple[str, ...], message: str) -> None:
    assert message in refusal(*overrides)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("offline_updates=-1",), "offline_updates=-1: must be at least 0"),
        (("updates_per_step=inf",), "updates_per_step=inf: must be at least 0, and finite"),
        (("eval_episodes=0",), "eval_episodes=0: must be at least 1"),
        (("online_steps=1500",), "not a multiple of steps_per_iteration=1000; 2000 would be"),
        (("eval_every_online=1600",), "eval_every_online=1600 is not a multiple of steps_per_iteration=1000; 2000"),
        (("eval_every_online=10",), "1000 would be"),
        (("buffer_size=999",), "buffer_size=999 holds less than one iteration (1000)"),
        (("offline_fraction=1.5",), "must be in [0, 1] or none"),
        (("offline_fraction=0.5", "keep_offline_data=false"), "offline_fraction contradicts keep_offline_data=false"),
        (("reset_at_switch=networks,optimizers",), "reset_at_switch: unknown part optimizers; parts are networks"),
        (
            ("steps_per_iteration=300", "online_steps=3000", "eval_every_online=3000"),
            "steps_per_iteration=300 is not a multiple of the horizon of door-binary-v0 (200): "
            "collection takes whole episodes; 400 would be right",
        ),
    ],
)
def test_contradictions_are_refused(overrides: tuple[str, ...], message: str) -> None:
    assert message in refusal(*overrides, profile="paper")


@pytest.mark.parametrize(
    ("algo", "settings", "steps", "updates", "parts"),
    [
        ("awr", (), 2000, 1200, "200 value + 1000 policy"),
        ("awr", ("value_updates=3", "policy_updates=7"), 2000, 10, "3 value + 7 policy"),
        ("rwr", (), 2000, 1000, "1000 policy"),
        ("ppo", (), 2000, 310, "310 passes"),
        ("trpo", ("steps_per_iteration=1000", "value_batch=2000"), 1000, 6, "1 step + 5 value"),
        ("dapg", (), 10_000, 313, "1 step + 312 value"),
        ("marwil-rllib", (), 1000, 1000, "1000 imitation"),
    ],
)
def test_a_method_of_stages_counts_its_updates_itself(
    algo: str, settings: tuple[str, ...], steps: int, updates: int, parts: str
) -> None:
    experiment = resolve(algo, TASK, (0,), "paper", settings)
    assert experiment.protocol.steps_per_iteration == steps
    assert experiment.protocol.updates_per_step * steps == pytest.approx(updates, abs=1e-9)
    assert experiment.sources["updates_per_step"] == f"stages of {algo}: {parts}"
    told = resolve(algo, TASK, (0,), "paper", ["updates_per_step=1", *settings])
    assert told.settings == experiment.settings
    with pytest.raises(SettingError) as refused:
        check_used(request(algo, TASK, overrides=["updates_per_step=1"]), [told])
    assert str(refused.value) == (
        "--set updates_per_step=1: none of the chosen algorithms uses 'updates_per_step'; "
        f"it follows from the stages of {algo}: {parts}"
    )


def test_what_the_message_calls_right_is_right() -> None:
    def online_steps(*texts: str) -> int:
        return resolve("awac", TASK, (0,), "paper", texts).protocol.online_steps

    assert online_steps("online_steps=2000") == 2000
    assert online_steps("steps_per_iteration=400", "online_steps=4000", "eval_every_online=4000") == 4000
    assert online_steps("steps_per_iteration=100", "online_steps=1000", "eval_every_online=1000") == 1000


def test_offline_settings_contradict_an_algorithm_without_offline_data() -> None:
    assert "offline_fraction contradicts sac-scratch" in refusal("offline_fraction=0.5", algo="sac-scratch")


def test_unknown_names_get_the_nearest() -> None:
    assert refusal(algo="awc") == "unknown algorithm 'awc'; did you mean 'awac'?"
    assert refusal(env="dor-binary") == "unknown task 'dor-binary'; did you mean 'door-binary'?"
    assert refusal(profile="quik") == "unknown profile 'quik'; did you mean 'quick'?"
    assert "begins the name of a folder" in refusal(name="../elsewhere")


# lists of algorithms that share --set


def test_a_list_of_algorithms_shares_overrides() -> None:
    """What one of them does not have is skipped there, and said; what none has is refused."""
    texts = ["bc_weight=2", "batch_size=9"]
    asked = request(("awac", "sac-bc"), TASK, overrides=texts)
    both = resolve_all(asked)
    assert "bc_weight" not in both[0].settings
    assert [e.settings["batch_size"]["value"] for e in both] == [9, 9]
    assert both[1].settings["bc_weight"]["value"] == 2
    assert check_used(asked, both) == ["--set bc_weight=2 applies to sac-bc only"]
    with pytest.raises(SettingError, match="--set bc_weight=2: none of the chosen algorithms uses 'bc_weight'"):
        check_used(asked, both[:1])


def test_a_list_of_algorithms_shares_a_dataset() -> None:
    """One that never sees offline data trains without it, and that is said; alone, the option is a mistake."""
    asked = request(("awac", "sac-scratch"), TASK, dataset="human")
    both = resolve_all(asked)
    assert [e.dataset for e in both] == ["human", None]
    assert both[1].hash == resolve("sac-scratch", TASK, (0,), "quick").hash
    assert check_used(asked, both) == ["--dataset applies to awac only"]
    with pytest.raises(SettingError, match="--dataset human: sac-scratch never sees offline data"):
        check_used(asked, both[1:])


def test_each_cell_of_a_list_gets_its_own_overrides() -> None:
    texts = ["bc_weight=2", "batch_size=9", "awac.temperature=1", "sac.alpha=0.1"]
    cells = resolve_all(request(("awac", "sac-bc", "sac-prior"), TASK, overrides=texts))
    own = {cell.algo: [str(override) for override in cell.request.overrides] for cell in cells}
    assert own == {
        "awac": ["batch_size=9", "awac.temperature=1"],
        "sac-bc": ["bc_weight=2", "batch_size=9"],
        "sac-prior": ["batch_size=9", "sac.alpha=0.1"],
    }
    for cell in cells:
        assert resolve(cell.algo, TASK, (0,), "quick", own[cell.algo]).hash == cell.hash


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """An algorithm that another package adds."""
    theirs = Entry("algos.methods.bc", "from elsewhere", {"source": "demos"})
    known = {"theirs": theirs, **algos.names()}
    for place in ("algos.names", "algos.registry.names"):
        monkeypatch.setattr(place, lambda: known)


@pytest.mark.usefixtures("outside")
def test_algorithms_of_other_packages_are_resolved_like_ours() -> None:
    assert value("theirs", "source") == "demos"
    assert source("theirs", "source") == "registry entry theirs"
    assert value("awac", "batch_size", "bc_loss=mse", "batch_size=3") == 3


# what names a run


def test_the_hash_changes_with_everything_that_changes_results() -> None:
    """Each setting of each algorithm, the task, the seeds and the data: all different, none forgotten."""
    base = resolve("sac-bc", TASK, (0, 1), "quick", ["alpha=auto"])
    other = {
        "hidden": "8",
        "reset_at_switch": "targets",
        "keep_offline_data": "false",
        "offline_fraction": "0.5",
        "q_bound": "output",
        "update_order": "post",
        "alpha": "0.5",
        "target_entropy": "-3",
        "q_filter": "true",
        "policy_family": "squashed",
        "bootstrap_through_terminals": "true",
        "copy_targets": "false",
        "tf32": "true",
        "compile": "true",
        "online_steps": "30_000",
        "eval_every_online": "10_000",
        "steps_per_iteration": "200",
        "discount": "0.5",
        "tau": "0.5",
        "clone": "data",
        "activation": "tanh",
        "log_std_range": "-5,2",
        "std_start": "0.5",
    }
    hashes = {base.hash}
    own = {name: s for name, s in base.settings.items() if name != "prior_data"}  # SAC+BC cannot do without
    for name, s in own.items():
        text = other.get(name) or str(s["value"] + 1)
        hashes.add(resolve("sac-bc", TASK, (0, 1), "quick", ["alpha=auto", f"{name}={text}"]).hash)
    assert len(hashes) == len(own) + 1
    varied: list[dict[str, Any]] = [
        {"algo": "awac"},
        {"env": "pen-binary"},
        {"seeds": (1, 0)},
        {"seeds": (0, 2)},
        {"dataset": "human"},
    ]
    for change in varied:
        hashes.add(resolve(**{"algo": "sac-bc", "env": TASK, "seeds": (0, 1), "profile": "quick", **change}).hash)
    assert len(hashes) == len(own) + 1 + len(varied)
    assert resolve("awac", TASK, (0,), "quick", ["prior_data=false"]).hash != resolve("awac", TASK, (0,), "quick").hash


def test_the_hash_changes_with_nothing_else() -> None:
    """The same values under another name, or typed out, are the same run."""
    base = resolve("awac", TASK, (0,), "smoke")
    said = {name: v for name, v in PROFILES["smoke"].items() if name in base.settings}
    typed = [f"{name}={v if not isinstance(v, tuple) else '16,16'}" for name, v in said.items()]
    assert resolve("awac", TASK, (0,), "paper", typed).hash == base.hash
    assert resolve("awac", "door-binary-v0", (0,), "smoke", name="mine").hash == base.hash


def test_without_prior_data_a_method_starts_from_scratch() -> None:
    scratch = resolve("awac", TASK, (0,), "quick", ["prior_data=false"], dataset="human")
    assert (scratch.needs.offline_data, scratch.dataset) == (False, None)


@pytest.mark.parametrize(
    ("algo", "more", "message"),
    [
        ("bc", (), "contradicts bc, which cannot do without offline data"),
        ("sac-bc", (), "contradicts sac-bc, which cannot do without demonstrations"),
        ("awr", ("normalise_obs=true",), "set normalise_obs=false as well"),
        ("td3-bc", (), "set normalise_obs=false as well"),
        ("sac-scratch", (), "--set prior_data: sac-scratch never sees prior data"),
    ],
)
def test_what_cannot_start_from_scratch_says_so(algo: str, more: tuple[str, ...], message: str) -> None:
    with pytest.raises(SettingError, match=re.escape(message)):
        resolve(algo, TASK, (0,), "quick", ["prior_data=false", *more])


@pytest.mark.parametrize(("algo", "more"), [("sac-scratch", ()), ("awac", ("prior_data=false",))])
def test_without_prior_data_a_task_that_standardises_observations_does_not(
    algo: str, more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = dataclasses.replace(
        TASKS["door-binary-v0"], settings={"normalise_obs": True}, sources={"normalise_obs": "somebody's code"}
    )
    monkeypatch.setitem(TASKS, task.id, task)
    assert resolve("awac", TASK).settings["normalise_obs"] == {
        "value": True,
        "source": "task door-binary-v0: somebody's code",
    }
    left = resolve(algo, TASK, overrides=more).settings["normalise_obs"]
    assert left == {"value": False, "source": "no offline data to take the statistics from"}
    with pytest.raises(SettingError, match="normalise_obs"):
        resolve(algo, TASK, overrides=(*more, "normalise_obs=true"))


def test_a_reason_given_with_set_is_its_source() -> None:
    asked = request("awac", TASK, overrides=["temperature=0.5 # rlkit's scripts", "tau=0.1"])
    (experiment,) = resolve_all(asked)
    assert experiment.settings["temperature"] == {"value": 0.5, "source": "--set: rlkit's scripts"}
    assert experiment.sources["tau"] == "--set"
    assert check_used(asked, [experiment]) == []


def test_the_run_folder() -> None:
    experiment = resolve("awac", TASK, (0,), "smoke")
    assert run_folder(experiment, Path("runs")) == Path("runs/door-binary-v0/awac") / f"smoke-{experiment.hash}"
    named = resolve("awac", TASK, (0,), "smoke", name="mine")
    assert run_folder(named, Path("x")).name == f"mine-{experiment.hash}"


# lists and seeds


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("1", (0,)),
        ("5", (0, 1, 2, 3, 4)),
        ("3,7,9", (3, 7, 9)),
        ("4-6", (4, 5, 6)),
        ("9, 0-1", (9, 0, 1)),
        ("7,", (7,)),
        ("1000", tuple(range(1000))),
        ("4294967295-4294967295", (2**32 - 1,)),
    ],
)
def test_seeds(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


FORMS = r"give a count \(5\), a list \(3,7,9\) or a range \(4-6\)$"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *((text, FORMS) for text in ("x", "1,x", "1.5", "3-", "9" * 5000)),
        *((text, f"names no seed; {FORMS}") for text in ("0", "-3", "", " , ")),
        *((text, f"a range that falls; {FORMS}") for text in ("6-4", "1,6-4")),
        *((text, "names a seed twice") for text in ("1-3,2", "1,1", "7, 7")),
        ("1001", "1,001 seeds; 1,000 are the most; did you mean --seeds 1001-1001 for the one seed 1001?"),
        ("99999999999999999999", "99,999,999,999,999,999,999 seeds; 1,000 are the most$"),
        ("1-99999999999999999999", "seed 99999999999999999999 is too large; the largest is 4294967295"),
        ("3,4294967296", "seed 4294967296 is too large; the largest is 4294967295"),
        ("0-1000", "1,001 seeds; 1,000 are the most$"),
    ],
)
def test_what_names_no_seeds(text: str, message: str) -> None:
    with pytest.raises(SettingError, match=f"--seeds {text}: {message}"):
        parse_seeds(text)


def test_lists() -> None:
    assert parse_list("awac, sac,,awac ") == ["awac", "sac"]
    assert parse_list(" , ") == []


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda t: t.short_name)
def test_a_run_asks_for_the_dataset_that_bench_data_build_makes(task: Task) -> None:
    """Else the data would be built twice, in two sizes."""
    for profile in ("paper", "quick"):
        asked, made = task_of(resolve("awac", task.id, (0,), profile)), sized(task, profile)
        assert (asked.recipe, asked.recipes) == (made.recipe, made.recipes)
    assert sized(task, "paper").recipe == task.recipe


def test_iterations_become_whole_episodes_where_none_fit() -> None:
    """Four of the kitchen's 280 steps, where others have 1000 steps; evaluations and the end as near as they can be."""
    names = ("steps_per_iteration", "eval_every_online", "online_steps")
    for algo, profile, sizes in (
        ("awac", "quick", (1120, 4480, 20160)),
        ("awac", "smoke", (40, 40, 120)),
        ("awac", "paper", (1120, 10080, 499520)),
        ("awr", "quick", (1120, 4480, 20160)),
        ("awr", "paper", (1960, 9800, 499800)),
    ):
        found = resolve(algo, "kitchen-complete", profile=profile)
        assert tuple(found.settings[name]["value"] for name in names) == sizes, (algo, profile)
        rounded = found.settings["online_steps"]["source"].endswith("; whole episodes of 280 steps")
        assert rounded == (profile != "smoke")


def test_an_iteration_of_less_than_an_episode_is_told_of_where_it_was_set_by_hand() -> None:
    asked = request("awac", TASK, profile="quick", overrides=["steps_per_iteration=1"])
    assert check_used(asked, resolve_all(asked)) == [
        "--set steps_per_iteration=1: every iteration begins with new episodes, so that none of door-binary is "
        "collected beyond that; whole ones have 200 steps"
    ]
    whole = request("awac", TASK, profile="quick", overrides=["steps_per_iteration=200"])
    assert check_used(whole, resolve_all(whole)) == []


@pytest.mark.parametrize("profile", ["paper", "standard", "quick"])
def test_an_iteration_holds_a_whole_episode_however_long(profile: str) -> None:
    for algo in ("awac", "awr"):
        found = resolve(algo, "humanoidmaze-medium-navigate-task1", profile=profile)
        assert found.protocol.steps_per_iteration == 2000, algo
        assert found.protocol.online_steps % 2000 == found.protocol.eval_every_online % 2000 == 0


@pytest.mark.parametrize("parts", ["networks", "targets,networks"])
def test_a_model_that_is_fitted_offline_alone_cannot_begin_anew(parts: str) -> None:
    said = refusal(f"reset_at_switch={parts}", "behaviour_fit=offline", algo="brac")
    assert said.startswith("reset_at_switch=networks contradicts brac, whose behaviour model is fitted offline alone")
    resolve("brac", TASK, (0,), "quick", [f"reset_at_switch={parts}", "behaviour_fit=always"])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("online_steps=3000",), "online_steps=3000 is not a multiple of steps_per_iteration=1120; 3360 would be"),
        (
            ("steps_per_iteration=500", "online_steps=5000"),
            "steps_per_iteration=500 is not a multiple of the horizon of kitchen-complete-v0 (280): "
            "collection takes whole episodes; 560 would be right",
        ),
    ],
)
def test_what_is_set_by_hand_is_judged_as_it_is(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        resolve("awac", "kitchen-complete", overrides=overrides)
    assert message in str(caught.value)

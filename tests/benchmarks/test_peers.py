"""`benchmarks/peers.py`: its gate lets a script go on step by step, its counts and ratios are right; needs no peer."""

from __future__ import annotations

import importlib
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))  # scripts, not a package
peers, peer_job, peer_scripts, peer_sides = map(
    importlib.import_module, ("peers", "peer_job", "peer_scripts", "peer_sides")
)
peer_groups, peer_results = map(importlib.import_module, ("peer_groups", "peer_results"))


def rows(obs: int = 5, action: int = 2, episodes: int = 4, steps: int = 50) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    sizes = {"obs": (obs,), "action": (action,), "reward": ()}
    return {name: rng.uniform(-1, 1, (episodes, steps, *size)).astype(np.float32) for name, size in sizes.items()}


def job(**changes: Any) -> Any:
    given = {"data": rows(), "hidden": (8, 6), "batch": 16, "threads": 1, "algo": "awac", "seeds": 1}
    return peer_job.Job(**given | {"eager": True, "act": False, "checkout": Path()} | changes)


# the gate


def test_one_piece_of_work_is_one_iteration() -> None:
    gate, done = peer_scripts.Gate(), []

    def script() -> None:
        for step in itertools.count():
            gate.arrive()
            done.append(step)

    gate.start(script)
    assert done == []
    for expected in (1, 2, 3):
        gate.work()
        assert len(done) == expected


@pytest.mark.parametrize(("error", "steps"), [(ValueError("diverged"), 2), (SystemExit("unknown option"), 0)])
def test_what_ends_a_script_is_raised_here(error: BaseException, steps: int) -> None:
    gate = peer_scripts.Gate()

    def script() -> None:
        for _ in range(steps):
            gate.arrive()
        raise error

    def drive() -> None:
        gate.start(script)
        for _ in range(steps):
            gate.work()

    with pytest.raises(type(error), match=str(error)):
        drive()


def test_a_script_that_ends_by_itself_is_an_error() -> None:
    gate = peer_scripts.Gate()
    gate.start(gate.arrive)
    with pytest.raises(RuntimeError, match="has ended"):
        gate.work()


SCRIPT = """
import sys
import gymnasium
import wandb
from torch.utils.tensorboard import SummaryWriter
from toy_utils import ACTION

if __name__ == "__main__":
    options = dict(zip(sys.argv[2::2], sys.argv[3::2]))  # after --no-cuda
    wandb.init(project="toy").log({})
    SummaryWriter("runs").add_scalar("x", 1)
    envs = gymnasium.vector.SyncVectorEnv([lambda: gymnasium.make(options["--env-id"])])
    obs, _ = envs.reset(seed=1)
    seen, updates = [], 0
    for step in range(int(options["--total-timesteps"])):
        obs, reward, terminated, truncated, _ = envs.step(envs.action_space.sample() * ACTION)
        seen.append(obs[0].tolist())
        updates += step > int(options["--learning-starts"])
"""

DRIVER = """
import json, sys
from pathlib import Path
import numpy as np
from peer_scripts import BURN_IN, LEARNING_STARTS, cleanrl_words, start

with np.load(sys.argv[2]) as stored:
    data = dict(stored)
words = [*cleanrl_words(data, 16), "--compile", "yes"]
work = start(Path(sys.argv[1]), words, data, 1, LEARNING_STARTS + BURN_IN)
counts = []
for _ in range(3):
    script = sys.modules["__main__"]
    counts.append((len(script.seen), script.updates))
    work()
print(json.dumps({"counts": counts, "seen": script.seen[:2], "options": script.options}))
"""


@pytest.mark.slow
def test_a_script_runs_unchanged_as_main_in_the_shapes_of_the_data(tmp_path: Path) -> None:
    """In a process of its own, because the script takes the place of __main__."""
    script = tmp_path / "toy" / "script.py"
    script.parent.mkdir()
    script.write_text(SCRIPT)
    (tmp_path / "toy_utils.py").write_text("ACTION = 0.5\n")  # a module of the checkout
    data = rows()
    np.savez(tmp_path / "rows.npz", **data)
    command = [sys.executable, "-c", DRIVER, str(script), str(tmp_path / "rows.npz")]
    done = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    first = peer_scripts.LEARNING_STARTS + peer_scripts.BURN_IN
    updates = peer_scripts.BURN_IN - 1  # the step after the last random one is the first to update
    assert told["counts"] == [[first + n, updates + n] for n in range(3)]
    np.testing.assert_allclose(told["seen"], data["obs"][0, :2])
    assert told["options"]["--compile"] == "yes"
    assert told["options"]["--batch-size"] == "16"


# a side that answers, with a peer's file made up

CORL = """
import d4rl, gym, pyrallis, wandb
import torch
from tqdm import trange

class Actor(torch.nn.Module):
    def __init__(self, obs_dim, action_dim, hidden_dim):
        super().__init__()
        self._mlp = torch.nn.Linear(obs_dim, action_dim)

class Critic(Actor):
    pass

class ReplayBuffer:
    def __init__(self, obs_dim, action_dim, buffer_size):
        self.size = buffer_size

    def load_d4rl_dataset(self, data):
        assert len(data["terminals"]) == self.size == len(data["next_observations"])

    def sample(self, batch_size):
        return batch_size

class AdvantageWeightedActorCritic:
    def __init__(self, *parts):
        for net, optimiser in zip(parts[::2], parts[1::2]):
            widths = [layer.out_features for layer in net._mlp if isinstance(layer, torch.nn.Linear)]
            assert widths[:-1] == [8, 8, 8, 8], widths
            trained = optimiser.param_groups[0]["params"]
            assert [id(p) for p in trained] == [id(p) for p in net.parameters()]

    def update(self, batch):
        assert batch == 16

@pyrallis.wrap()
def train(config, env: gym.Env = None):
    pass
"""


@pytest.mark.slow
def test_corl_gets_the_depth_before_its_optimisers_are_made(tmp_path: Path) -> None:
    file = tmp_path / peer_job.CHECKOUTS["corl"]
    file.parent.mkdir(parents=True)
    file.write_text(CORL)
    np.savez(tmp_path / "rows.npz", **rows())
    command = [sys.executable, str(BENCHMARKS / "peer_worker.py"), "corl", str(tmp_path / "rows.npz")]
    command += ["--hidden", "8,8,8,8", "--batch", "16", "--threads", "1", "--checkout", str(tmp_path)]
    done = subprocess.run(command, input="0.01\n", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    hello, answer = map(json.loads, done.stdout.splitlines())
    assert hello["gflop"] is None
    assert "torch" in hello["versions"]
    assert answer["count"] >= 1


JAX_CORL = """
import os
import d4rl, gym, tqdm, wandb

os.environ["XLA_FLAGS"] = "--of_the_file "

class AWACConfig:
    seed, n_jitted_updates = 42, 8

    def __init__(self, **settings):
        assert settings == dict(actor_hidden_dims=(8, 6), critic_hidden_dims=(8, 6), batch_size=16), settings

class Dataset(dict):
    observations, actions = property(lambda self: self["observations"]), property(lambda self: self["actions"])

def get_dataset(env, config):
    rows = d4rl.qlearning_dataset(env)
    assert {len(column) for column in rows.values()} == {4 * 49}
    return Dataset(rows), 0, 1

def create_awac_train_state(key, observations, actions, config):
    assert (observations.shape, actions.shape) == ((5,), (2,))
    return 0

class AWAC:
    def update_n_times(self, state, dataset, key, config):
        return state + 1, {}
"""

JAX = """
import os
from types import SimpleNamespace

assert os.environ["XLA_FLAGS"] == "--of_the_file --xla_cpu_multi_thread_eigen=false", os.environ["XLA_FLAGS"]
waited = []
random = SimpleNamespace(PRNGKey=lambda seed: seed, split=lambda key: (key, key))
tree_util = SimpleNamespace(tree_map=lambda f, tree: type(tree)({name: f(leaf) for name, leaf in tree.items()}))
block_until_ready = waited.append

def jit(function, static_argnums):
    assert static_argnums == (3,)
    return function
"""


@pytest.mark.slow
def test_a_jitted_call_is_waited_for_and_counts_all_its_updates(tmp_path: Path) -> None:
    """With a jax made up as well: one thread is asked for beside what the file asks for, before jax is used."""
    file = tmp_path / peer_job.CHECKOUTS["jax-corl"]
    file.parent.mkdir(parents=True)
    file.write_text(JAX_CORL)
    (tmp_path / "jax.py").write_text(JAX)
    program = f"""
import sys
sys.path[:0] = {[str(tmp_path), str(BENCHMARKS), str(BENCHMARKS.parent)]}
import pathlib, numpy as np, peer_jax, peer_job
rng = np.random.default_rng(0)
data = {{"obs": rng.random((4, 50, 5)), "action": rng.random((4, 50, 2)), "reward": rng.random((4, 50))}}
peer_jax.prepare(1)
job = peer_job.Job(data, (8, 6), 16, 1, "awac", 1, False, False, pathlib.Path({str(tmp_path)!r}))
work = peer_jax.jax_corl(job)
import jax
before = len(jax.waited)
work.once()
assert "torch" not in sys.modules
print(work.updates, jax.waited[before:])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "8 [2]\n"


# counts and ratios


def multiply_adds(inputs: int, hidden: tuple[int, ...], outputs: int) -> tuple[int, int]:
    """Of a row's way through a network, and of its first layer alone."""
    products = [a * b for a, b in itertools.pairwise((inputs, *hidden, outputs))]
    return sum(products), products[0]


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_work_of_an_update_is_that_of_its_networks(seeds: int) -> None:
    """Policy at s and s'; critics at s', the data's and the policy's action; gradients, with two products per layer.

    SAC's policy has two outputs per action, and its loss a gradient that goes through the critics to the action. A
    critic's one output is a sum, no matrix product.
    """
    hidden, rows_per_batch = (8, 6), 16
    critic, critic_first = multiply_adds(5 + 2, hidden[:-1], hidden[-1])
    for algo, outputs, passes in (("awac", 2, 5), ("sac", 4, 6)):
        policy, policy_first = multiply_adds(5, hidden, outputs)
        expected = 2 * rows_per_batch * seeds * ((4 * policy - policy_first) + 2 * (passes * critic - critic_first))
        work = peer_sides.ours(job(algo=algo, seeds=seeds, act=algo == "sac"))
        assert work.gflop * 1e9 == pytest.approx(expected)
        work.once()


@pytest.mark.slow
def test_all_that_ours_compiles_is_compiled_before_it_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = importlib.import_module("algos.learner.compiled")
    traced, kinds = [], compiled._traced
    monkeypatch.setattr(compiled, "_traced", lambda *given: traced.append(1) or kinds(*given))
    work = peer_sides.ours(job(algo="td3", eager=False))  # moves its policy in every other update only
    assert len(traced) == 2
    work.once()
    work.once()
    assert len(traced) == 2


def test_work_that_makes_several_updates_counts_them() -> None:
    worker = importlib.import_module("peer_worker")
    done = worker.work_for(peer_job.Work(lambda: None, updates=8), 0.0)
    assert done["count"] == 8


def group() -> Any:
    sides = (
        peer_groups.Side("floor", "floor"),
        peer_groups.Side("ours-3", "ours", seeds=3),
        peer_groups.Side("ours-1", "ours"),
        peer_groups.Side("corl", "corl"),
    )
    return peer_groups.Group("awac", "AWAC", "awac", (8,), 16, sides)


def test_ratios_are_per_seed_and_taken_within_a_round() -> None:
    gflop = peer_results.gflop_per_seed(group(), {"floor": 0.5, "ours-3": 6.0, "ours-1": 2.0})
    assert gflop == {"floor": 0.5, "ours-3": 2.0, "ours-1": 2.0, "corl": 2.0}
    # the second round is slowed to a tenth: no ratio may notice
    fast = {"floor": 200.0, "ours-3": 10.0, "ours-1": 25.0, "corl": 20.0}
    rounds = [fast, {name: rate / 10 for name, rate in fast.items()}]
    medians = peer_results.summary(group(), rounds, gflop)
    assert medians["ours-3"]["times_corl"] == pytest.approx(1.5)
    assert medians["ours-3"]["share_of_floor"] == pytest.approx(30 * 2 / 100)
    assert medians["ours-1"]["share_of_floor"] == pytest.approx(0.5)
    assert medians["corl"]["times_corl"] == pytest.approx(1)
    assert [line.split()[-1] for line in peer_results.table(group(), medians).splitlines()[2:]] == [
        "1.50",
        "1.25",
        "1.00",
    ]


# the command line


@pytest.fixture
def checkout(tmp_path: Path) -> str:
    for file in peer_job.CHECKOUTS.values():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    return str(tmp_path)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "give at least one peer"),
        ("--corl nowhere", "algorithms/offline/awac.py is not there"),
        ("--cleanrl CHECKOUT", "--cleanrl needs --peer-python"),
        ("--jax-corl CHECKOUT", "--jax-corl needs --jax-python"),
        ("--jax-corl nowhere", "algos/awac.py is not there"),
        ("--torchrl CHECKOUT --torchrl-python false", "false: failed"),
        ("--corl CHECKOUT --updates slow", "'slow' is none of compiled, eager"),
        ("--peer-python nowhere/python", "cannot be run"),
        ("--peer-python false", "false: failed"),
        ("--corl CHECKOUT --ours awca", "unknown algorithm 'awca'"),
        ("--corl CHECKOUT --seeds 1,x", "expected numbers like 1,3"),
        ("--corl CHECKOUT --seeds 0", "must be positive"),
    ],
)
def test_bad_input_is_said_in_a_line(words: str, says: str, checkout: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        peer_groups.parse([word.replace("CHECKOUT", checkout) for word in words.split()])
    assert stopped.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert says in last


def test_without_a_python_for_it_d3rlpy_is_left_out(checkout: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = peer_groups.parse(["--corl", checkout, "--ours", "bc,awac", "--seeds", "1,2"])
    assert "d3rlpy is left out" in capsys.readouterr().out
    cloning, awac = peer_groups.groups(arguments)
    assert [side.name for side in cloning.sides] == ["floor", "ours-1", "ours-2"]
    assert [side.name for side in awac.sides] == ["floor", "ours-1", "ours-2", "corl"]


def test_a_checkout_brings_its_sizes_and_ours_takes_part_as_asked(
    checkout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_groups, "missing", lambda *given: "")
    monkeypatch.setattr(peer_groups, "compiler", lambda: "g++")
    words = ["--seeds", "1", "--updates", "compiled,eager", "--corl", checkout]
    words += [word for name in ("jax", "torchrl") for word in (f"--{name}-python", f"python-of-{name}")]
    asked = peer_groups.parse([*words, "--jax-corl", checkout, "--torchrl", checkout])
    made = {group.key: group for group in peer_groups.groups(asked)}
    assert list(made) == ["awac", "awac-2x128", "awac-2x256", "sac-scripts"]
    assert [(made[key].hidden, made[key].batch) for key in ("awac-2x128", "awac-2x256")] == [
        ((128, 128), 256),
        ((256, 256), 128),
    ]
    assert [side.name for side in made["awac-2x128"].sides] == ["floor", "ours-1", "ours-1-eager", "jax-corl"]
    assert [side.eager for side in made["awac"].sides] == [False, False, True, False]
    pythons = {side.name: side.python for group in made.values() for side in group.sides if side.peer}
    assert pythons == {"corl": sys.executable, "jax-corl": "python-of-jax", "torchrl": "python-of-torchrl"}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores are pinned on Linux only")
def test_sides_are_kept_to_as_many_cores_as_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[list[int]] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {5, 2, 3})
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: kept.append(cores))
    assert peers.pin(2) == [2, 3]
    assert kept == [[2, 3]]

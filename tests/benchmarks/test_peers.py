"""`benchmarks/peers.py`: its gate lets a script go on step by step, its counts and ratios are right; needs no peer."""

from __future__ import annotations

import importlib
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))  # scripts, not a package
peers, peer_worker, peer_scripts = map(importlib.import_module, ("peers", "peer_worker", "peer_scripts"))


def rows(obs: int = 5, action: int = 2, episodes: int = 4, steps: int = 50) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    sizes = {"obs": (obs,), "action": (action,), "reward": ()}
    return {name: rng.uniform(-1, 1, (episodes, steps, *size)).astype(np.float32) for name, size in sizes.items()}


def job(**changes: Any) -> Any:
    given = {"data": rows(), "hidden": (8, 6), "batch": 16, "threads": 1, "algo": "awac", "seeds": 1}
    return peer_worker.Job(**given | {"act": False, "checkout": Path()} | changes)


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
from peer_scripts import start

with np.load(sys.argv[2]) as data:
    work = start(Path(sys.argv[1]), ["--compile", "yes"], dict(data), 16, 1)
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
    file = tmp_path / peer_worker.CHECKOUTS["corl"]
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


# counts and ratios


def multiply_adds(inputs: int, hidden: tuple[int, ...], outputs: int) -> tuple[int, int]:
    """Of a row's way through a network, and of its first layer alone."""
    products = [a * b for a, b in itertools.pairwise((inputs, *hidden, outputs))]
    return sum(products), products[0]


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_work_of_an_update_is_that_of_its_networks(seeds: int) -> None:
    """Policy at s and s'; critics at s', the data's and the policy's action; gradients, with two products per layer.

    SAC's policy has two outputs per action, and its loss a gradient that goes through the critics to the action.
    """
    hidden, rows_per_batch = (8, 6), 16
    critic, critic_first = multiply_adds(5 + 2, hidden, 1)
    for algo, outputs, passes in (("awac", 2, 5), ("sac", 4, 6)):
        policy, policy_first = multiply_adds(5, hidden, outputs)
        expected = 2 * rows_per_batch * seeds * ((4 * policy - policy_first) + 2 * (passes * critic - critic_first))
        work = peer_worker.ours(job(algo=algo, seeds=seeds, act=algo == "sac"))
        assert work.gflop * 1e9 == pytest.approx(expected)
        work.once()


def group() -> Any:
    sides = (
        peers.Side("floor", "floor"),
        peers.Side("ours-3", "ours", seeds=3),
        peers.Side("ours-1", "ours"),
        peers.Side("corl", "corl"),
    )
    return peers.Group("awac", "AWAC", "awac", (8,), 16, sides)


def test_ratios_are_per_seed_and_taken_within_a_round() -> None:
    gflop = peers.gflop_per_seed(group(), {"floor": 0.5, "ours-3": 6.0, "ours-1": 2.0})
    assert gflop == {"floor": 0.5, "ours-3": 2.0, "ours-1": 2.0, "corl": 2.0}
    # the second round is slowed to a tenth: no ratio may notice
    fast = {"floor": 200.0, "ours-3": 10.0, "ours-1": 25.0, "corl": 20.0}
    rounds = [fast, {name: rate / 10 for name, rate in fast.items()}]
    medians = peers.summary(group(), rounds, gflop)
    assert medians["ours-3"]["times_corl"] == pytest.approx(1.5)
    assert medians["ours-3"]["share_of_floor"] == pytest.approx(30 * 2 / 100)
    assert medians["ours-1"]["share_of_floor"] == pytest.approx(0.5)
    assert medians["corl"]["times_corl"] == pytest.approx(1)
    assert [line.split()[-1] for line in peers.table(group(), medians).splitlines()[2:]] == ["1.50", "1.25", "1.00"]


# the command line


@pytest.fixture
def checkout(tmp_path: Path) -> str:
    for file in peer_worker.CHECKOUTS.values():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    return str(tmp_path)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "give at least one peer"),
        ("--corl nowhere", "algorithms/offline/awac.py is not there"),
        ("--cleanrl CHECKOUT", "--cleanrl needs --peer-python"),
        ("--peer-python nowhere/python", "cannot be run"),
        ("--peer-python false", "false: failed"),
        ("--corl CHECKOUT --ours awca", "unknown algorithm 'awca'"),
        ("--corl CHECKOUT --seeds 1,x", "expected numbers like 1,3"),
        ("--corl CHECKOUT --seeds 0", "must be positive"),
    ],
)
def test_bad_input_is_said_in_a_line(words: str, says: str, checkout: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        peers.parse([word.replace("CHECKOUT", checkout) for word in words.split()])
    assert stopped.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert says in last


def test_without_a_python_for_it_d3rlpy_is_left_out(checkout: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = peers.parse(["--corl", checkout, "--ours", "bc,awac", "--seeds", "1,2"])
    assert "d3rlpy is left out" in capsys.readouterr().out
    cloning, awac = peers.groups(arguments)
    assert [side.name for side in cloning.sides] == ["floor", "ours-1", "ours-2"]
    assert [side.name for side in awac.sides] == ["floor", "ours-1", "ours-2", "corl"]

"""One side of `peers.py`, run by that side's own Python; it needs nothing of this project unless SIDE is "ours".

    python peer_worker.py {ours,d3rlpy,corl,cleanrl,leanrl,floor} DATA.npz --hidden 256,256 --batch N --threads N

Each line on standard input is a number of seconds; the answer is one JSON line with the work done in them. The first
answer, unasked, gives the versions in use and, where known, the GFLOP of one piece of work. Idle workers wait for their
line and use no CPU.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

WARM_SECONDS = 0.5  # before each timed stretch: caches and clock recover from the other sides' work


@dataclass(frozen=True)
class Job:
    """What a side is to measure."""

    data: dict[str, Any]  # obs [episodes, steps, O], action [.., A], reward [..]
    hidden: tuple[int, ...]
    batch: int
    threads: int
    algo: str
    seeds: int  # packed; of ours
    act: bool  # whether ours chooses an action per update, as a script's loop does
    checkout: Path  # of a peer that is not installed


class Work(NamedTuple):
    """One update, or one matrix product."""

    once: Callable[[], object]
    gflop: float | None = None


def transitions(job: Job) -> dict[str, Any]:
    """The episodes as rows obs, action, reward, next_obs; no row crosses from one episode to the next."""
    parts = {name: values[:, :-1] for name, values in job.data.items()} | {"next_obs": job.data["obs"][:, 1:]}
    return {name: values.reshape(-1, *values.shape[2:]) for name, values in parts.items()}


def ours(job: Job) -> Work:
    """One update of all packed seeds, its batch drawn from the replay; in the phase that learns online, if any."""
    from algos import load
    from algos.contract import LearnerConfig
    from algos.learner.actor_critic import ActorCritic
    from algos.learner.replay import Layout, Replay
    from suite.measure.work import work_per_update

    made = {name: torch.from_numpy(values) for name, values in transitions(job).items()}
    obs, action = made["obs"], made["action"]
    layout = Layout(obs.shape[1], action.shape[1])
    rows = layout.pack(obs, action, made["reward"], made["next_obs"], torch.zeros(len(obs)))
    # some rows count as demonstrations, for the algorithms that ask for them
    replay = Replay(layout, rows, demos=len(rows) // 20, seeds=job.seeds, capacity=1, device=torch.device("cpu"))
    algo = load(job.algo)
    config = LearnerConfig(hidden=job.hidden, batch_size=job.batch)
    learner = ActorCritic(
        algo,
        algo.Config(**algo.settings),
        learner=config,
        seeds=range(job.seeds),
        layout=layout,
        replay=replay,
        q_max=0.0,
    )
    if not learner.needs.offline_only:
        learner.set_phase("online")
    gflop = work_per_update(learner).flop / 1e9
    if not job.act:
        return Work(lambda: learner.run(1), gflop)
    rng, at = np.random.default_rng(0), obs[: job.seeds, None].numpy()

    def once() -> None:
        learner.act(at, rng.standard_normal((job.seeds, 1, layout.action_dim), np.float32))
        learner.run(1)

    return Work(once, gflop)


def d3rlpy(job: Job) -> Work:
    """One update of d3rlpy's algorithm through its public interface: same networks, batch, step sizes and rows."""
    from d3rlpy import algos  # type: ignore[import-not-found]
    from d3rlpy.dataset import MDPDataset  # type: ignore[import-not-found]
    from d3rlpy.models import VectorEncoderFactory  # type: ignore[import-not-found]
    from d3rlpy.optimizers import AdamFactory  # type: ignore[import-not-found]

    data = job.data
    ends = np.zeros(data["reward"].shape, dtype=np.float32)
    ends[:, -1] = 1.0
    obs, action = (data[name].reshape(-1, data[name].shape[-1]) for name in ("obs", "action"))
    replay = MDPDataset(obs, action, data["reward"].ravel(), terminals=np.zeros(ends.size), timeouts=ends.ravel())
    nets, decayed = VectorEncoderFactory(hidden_units=list(job.hidden)), AdamFactory(weight_decay=1e-4)
    if job.algo == "bc":
        own = {"encoder_factory": nets, "optim_factory": decayed, "policy_type": "stochastic", "learning_rate": 3e-4}
    else:
        own = {"actor_encoder_factory": nets, "critic_encoder_factory": nets, "actor_optim_factory": decayed}
    config = getattr(algos, D3RLPY[job.algo])(batch_size=job.batch, **own)
    algo = config.create(device="cpu")
    algo.build_with_dataset(replay)
    return Work(lambda: algo.update(replay.sample_transition_batch(job.batch)))


def corl(job: Job) -> Work:
    """One update of CORL's AWAC, its batch drawn from its own buffer, as its training loop does."""
    from peer_scripts import ignore

    ignore("d4rl", "gym", "pyrallis", "wandb", "tqdm")  # imported by the file, not used by the parts taken from it
    spec = importlib.util.spec_from_file_location("corl_awac", job.checkout / CHECKOUTS["corl"])
    assert spec is not None
    assert spec.loader is not None
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    rows = transitions(job)
    obs_dim, action_dim = rows["obs"].shape[1], rows["action"].shape[1]
    replay = peer.ReplayBuffer(obs_dim, action_dim, len(rows["obs"]))
    replay.load_d4rl_dataset(
        {
            "observations": rows["obs"],
            "actions": rows["action"],
            "rewards": rows["reward"],
            "next_observations": rows["next_obs"],
            "terminals": np.zeros_like(rows["reward"]),
        }
    )
    nets = [net(obs_dim, action_dim, job.hidden[0]) for net in (peer.Actor, peer.Critic, peer.Critic)]
    for net, inputs, outputs in zip(nets, (obs_dim, *2 * [obs_dim + action_dim]), (action_dim, 1, 1), strict=True):
        net._mlp = mlp(inputs, job.hidden, outputs)  # CORL's depth is fixed, at three hidden layers
    # parameters only now: optimisers and target networks have to be those of the new layers
    optimisers = [torch.optim.Adam(net.parameters(), lr=3e-4) for net in nets]
    algo = peer.AdvantageWeightedActorCritic(*itertools.chain(*zip(nets, optimisers, strict=True)))
    return Work(lambda: algo.update(replay.sample(job.batch)))


def mlp(inputs: int, hidden: tuple[int, ...], outputs: int) -> torch.nn.Sequential:
    """Linear layers with a ReLU between each two."""
    layers: list[torch.nn.Module] = []
    for i, o in itertools.pairwise((inputs, *hidden)):
        layers += [torch.nn.Linear(i, o), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(hidden[-1], outputs))


def cleanrl(job: Job) -> Work:
    """One iteration of CleanRL's SAC: an action, a step of a free environment, and the updates it makes per step."""
    from peer_scripts import start

    return Work(start(job.checkout / CHECKOUTS["cleanrl"], [], job.data, job.batch, job.threads))


def leanrl(job: Job) -> Work:
    """The same of LeanRL, with the compilation it exists for."""
    from peer_scripts import start

    return Work(start(job.checkout / CHECKOUTS["leanrl"], ["--compile"], job.data, job.batch, job.threads))


def floor(job: Job) -> Work:
    """One hidden layer of a pair of critics, forward: the matrix product an update is made of."""
    width = max(job.hidden)
    x, weight = torch.randn(2, job.batch, width), torch.randn(2, width, width)
    out = torch.empty(2, job.batch, width)
    return Work(lambda: torch.bmm(x, weight, out=out), 2 * 2 * job.batch * width * width / 1e9)


SIDES: dict[str, Callable[[Job], Work]] = {
    "ours": ours,
    "d3rlpy": d3rlpy,
    "corl": corl,
    "cleanrl": cleanrl,
    "leanrl": leanrl,
    "floor": floor,
}
D3RLPY = {"awac": "AWACConfig", "sac": "SACConfig", "bc": "BCConfig"}
CHECKOUTS = {  # peers that are not installed: the file that is used
    "corl": Path("algorithms/offline/awac.py"),
    "cleanrl": Path("cleanrl/sac_continuous_action.py"),
    "leanrl": Path("leanrl/sac_continuous_action_torchcompile.py"),
}
PACKAGES = {  # whose versions a side's speed depends on
    "ours": ("awac-bench", "torch"),
    "d3rlpy": ("d3rlpy", "torch"),
    "corl": ("torch",),
    "cleanrl": ("gymnasium", "tyro", "torch"),
    "leanrl": ("gymnasium", "tyro", "tqdm", "tensordict", "torchrl", "torch"),
    "floor": ("torch",),
}


def work_for(work: Callable[[], object], seconds: float) -> dict[str, float]:
    """Repeat `work` for at least so long; how often it ran and the wall time it took."""
    count, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds or not count:
        work()
        count += 1
    return {"count": count, "seconds": passed}


def job_and_side() -> tuple[Job, str]:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("data")
    parser.add_argument("--hidden", required=True, help="widths, comma-separated; the scripts' own are fixed")
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--algo", default="awac")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--act", action="store_true")
    parser.add_argument("--checkout", type=Path, default=Path())
    a = parser.parse_args()
    with np.load(a.data) as data:
        rows = dict(data)
    hidden = tuple(int(width) for width in a.hidden.split(","))
    return Job(rows, hidden, a.batch, a.threads, a.algo, a.seeds, a.act, a.checkout), a.side


def main() -> None:
    """Build the side, then answer one line per line until standard input ends."""
    job, side = job_and_side()
    answers, sys.stdout = sys.stdout, sys.stderr  # the peers log to standard output
    torch.set_num_threads(job.threads)
    torch.set_flush_denormal(True)
    work = SIDES[side](job)
    hello = {"versions": {package: version(package) for package in PACKAGES[side]}, "gflop": work.gflop}
    print(json.dumps(hello), file=answers, flush=True)
    for line in sys.stdin:
        work_for(work.once, WARM_SECONDS)
        print(json.dumps(work_for(work.once, float(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()

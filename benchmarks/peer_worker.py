"""One side of `peers.py`, run by that side's own Python; it needs nothing of this project unless SIDE is "ours".

    python peer_worker.py {ours,d3rlpy,floor} DATA.npz --seeds N --threads N

Each line on standard input is a number of seconds; the answer is one JSON line with the work done in them. The first
answer, unasked, gives the versions in use. Idle workers wait for their line and use no CPU.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

HIDDEN = (256, 256, 256, 256)  # AWAC Table 2, policy and Q
BATCH = 1024
WARM_SECONDS = 0.5  # before each timed stretch: caches and clock recover from the other sides' work

Work = Callable[[], object]  # one update, or one matrix product


def ours(data: Any, seeds: int) -> Work:
    """One update of `seeds` packed seeds, its batch drawn from the replay."""
    from algos import load
    from algos.actor_critic import ActorCritic
    from algos.core import LearnerConfig
    from algos.replay import Layout, Replay

    obs, action, reward = (torch.from_numpy(data[name]) for name in ("obs", "action", "reward"))
    layout = Layout(obs.shape[-1], action.shape[-1])
    rows = layout.pack(obs[:, :-1], action[:, :-1], reward[:, :-1], obs[:, 1:], torch.zeros_like(reward[:, 1:]))
    replay = Replay(layout, rows.flatten(0, 1), demos=0, seeds=seeds, capacity=1, device=torch.device("cpu"))
    awac = load("awac")
    config = LearnerConfig(hidden=HIDDEN, batch_size=BATCH)
    learner = ActorCritic(awac, awac.Config(), config, range(seeds), layout, replay, q_max=0.0)
    return lambda: learner.run(1)


def d3rlpy(data: Any, seeds: int) -> Work:
    """One update of d3rlpy's AWAC through its public interface: same networks, batch, step sizes and rows."""
    if seeds != 1:
        raise SystemExit("d3rlpy trains one seed at a time")
    from d3rlpy.algos import AWACConfig  # type: ignore[import-not-found]
    from d3rlpy.dataset import MDPDataset  # type: ignore[import-not-found]
    from d3rlpy.models import VectorEncoderFactory  # type: ignore[import-not-found]
    from d3rlpy.optimizers import AdamFactory  # type: ignore[import-not-found]

    ends = np.zeros(data["reward"].shape, dtype=np.float32)
    ends[:, -1] = 1.0
    obs, action = (data[name].reshape(-1, data[name].shape[-1]) for name in ("obs", "action"))
    replay = MDPDataset(obs, action, data["reward"].ravel(), terminals=np.zeros(ends.size), timeouts=ends.ravel())
    nets = VectorEncoderFactory(hidden_units=list(HIDDEN))
    config = AWACConfig(
        batch_size=BATCH, actor_encoder_factory=nets, critic_encoder_factory=nets, n_critics=2,
        actor_optim_factory=AdamFactory(weight_decay=1e-4),
    )  # fmt: skip
    algo = config.create(device="cpu")
    algo.build_with_dataset(replay)
    return lambda: algo.update(replay.sample_transition_batch(BATCH))


def floor(data: Any, seeds: int) -> Work:
    """One hidden layer of a pair of critics, forward: the matrix product an update is made of."""
    x, weight = torch.randn(2, BATCH, HIDDEN[0]), torch.randn(2, HIDDEN[0], HIDDEN[1])
    out = torch.empty(2, BATCH, HIDDEN[1])
    return lambda: torch.bmm(x, weight, out=out)


SIDES: dict[str, Callable[[Any, int], Work]] = {"ours": ours, "d3rlpy": d3rlpy, "floor": floor}
PACKAGES = {"ours": ("awac-bench", "torch"), "d3rlpy": ("d3rlpy", "torch"), "floor": ("torch",)}


def work_for(work: Work, seconds: float) -> dict[str, float]:
    """Repeat `work` for at least so long; how often it ran and the wall time it took."""
    count, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds or not count:
        work()
        count += 1
    return {"count": count, "seconds": passed}


def main() -> None:
    """Build the side, then answer one line per line until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("data")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    answers, sys.stdout = sys.stdout, sys.stderr  # d3rlpy logs to standard output
    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    with np.load(arguments.data) as data:
        work = SIDES[arguments.side](dict(data), arguments.seeds)
    reply: dict[str, Any] = {package: version(package) for package in PACKAGES[arguments.side]}
    print(json.dumps(reply), file=answers, flush=True)
    for line in sys.stdin:
        work_for(work, WARM_SECONDS)
        print(json.dumps(work_for(work, float(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()

"""The sides of `peers.py` that are written in torch, each by its name; all but ours need nothing of this project."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
import torch
from peer_job import CHECKOUTS, D3RLPY, Job, Work, transitions
from peer_scripts import BURN_IN, ENV_ID, LEARNING_STARTS, cleanrl_words, start
from peer_stand_ins import ignore, module_at


def prepare(threads: int) -> None:
    """Set this process up; must come before anything is computed."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)


def ours(job: Job) -> Work:
    """One update of all packed seeds, its batch drawn from the replay; in the phase that learns online, if any.

    Compiled, as in every long run of its users, unless the job says otherwise; everything is compiled on return.
    """
    from algos import load
    from algos.contract import LearnerConfig
    from algos.learner.actor_critic import ActorCritic
    from algos.learner.replay import Layout, Replay
    from suite.measure.work import work_per_update
    from suite.train import hardware

    hardware.prepare(job.threads, tf32=False)  # as a run does
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
        compiled=not job.eager,
    )
    if not learner.needs.offline_only:
        learner.set_phase("online")
    gflop = work_per_update(learner).flop / 1e9
    learner.run(learner.iteration.updates or learner.needs.policy_every)  # each kind of update compiles when first made
    if why := learner.take_failure():
        raise RuntimeError(why)
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
    ignore("d4rl", "gym", "pyrallis", "wandb", "tqdm")  # imported by the file, not used by the parts taken from it
    peer = module_at(job.checkout / CHECKOUTS["corl"])
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
    return _cleanrl_like(job, "cleanrl")


def leanrl(job: Job) -> Work:
    """The same of LeanRL, with the compilation it exists for."""
    return _cleanrl_like(job, "leanrl", "--compile")


def _cleanrl_like(job: Job, name: str, *words: str) -> Work:
    words = (*words, *cleanrl_words(job.data, job.batch))
    return Work(start(job.checkout / CHECKOUTS[name], words, job.data, job.threads, LEARNING_STARTS + BURN_IN))


def torchrl(job: Job) -> Work:
    """A cycle of TorchRL's offline-to-online SAC: so many actions, each with a step of a free environment, and updates.

    Its half of offline rows comes from memory instead of a dataset that it would fetch, and the trainer logs no sums of
    rewards, because the script's environment has none and that would stop it.
    """
    from torchrl.data.datasets import utils  # type: ignore[import-not-found]
    from torchrl.trainers.algorithms import offline_to_online as trainers  # type: ignore[import-not-found]

    quiet = {"enable_logging": False, "progress_bar": False}
    trainers.OfflineToOnlineTrainer = functools.partial(trainers.OfflineToOnlineTrainer, **quiet)
    utils.load_dataset = lambda name, **_: _torchrl_rows(job)
    cycle = 64  # its default for updates
    options = {
        "env": ENV_ID,
        "frames-per-batch": cycle,
        "utd": cycle,
        "batch-size": job.batch,
        "total-frames": 10**9 // cycle * cycle,
        "anneal-frames": 0,  # the fraction of offline rows stays
        "online-capacity": job.data["reward"].size,
    }
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    words += ["--num-cells", *map(str, job.hidden)]
    step = start(job.checkout / CHECKOUTS["torchrl"], words, job.data, job.threads, 2 * cycle)

    def once() -> None:
        for _ in range(cycle):
            step()

    return Work(once, updates=cycle)


def _torchrl_rows(job: Job) -> Any:
    """The rows as TorchRL's datasets hold them."""
    from tensordict import TensorDict  # type: ignore[import-not-found]
    from torchrl.data import LazyTensorStorage, ReplayBuffer  # type: ignore[import-not-found]

    made = {name: torch.from_numpy(values) for name, values in transitions(job).items()}
    count = len(made["obs"])
    ends = {name: torch.zeros(count, 1, dtype=torch.bool) for name in ("done", "terminated", "truncated")}
    after = {"observation": made["next_obs"], "reward": made["reward"][:, None], **ends}
    rows = TensorDict({"observation": made["obs"], "action": made["action"], "next": after, **ends}, [count])
    replay = ReplayBuffer(storage=LazyTensorStorage(count))
    replay.extend(rows)
    return replay


def floor(job: Job) -> Work:
    """One hidden layer of a pair of critics, forward: the matrix product an update is made of."""
    width = max(job.hidden)
    x, weight = torch.randn(2, job.batch, width), torch.randn(2, width, width)
    out = torch.empty(2, job.batch, width)
    return Work(lambda: torch.bmm(x, weight, out=out), 2 * 2 * job.batch * width * width / 1e9)

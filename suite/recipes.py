"""Datasets built here, without a download.

Default ones are the AWAC paper's (section 5): demonstrations by an expert, a policy cloned from them, rollouts of the
clone, with a hampered expert in place of the human one on the hand. Others mix policies as D4RL does. A dataset is
built on first use and then lies in the Minari store under an id that holds a hash of all it was made from.
`distill` makes the experts in `envs/experts`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata, resources
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import algos
from algos.actor_critic import ActorCritic
from algos.core import LearnerConfig
from algos.nets import GaussianPolicy
from algos.policy_file import family_of, load_policy, save_policy
from algos.replay import Layout, Replay
from envs import datasets
from envs.datasets import Dataset, DatasetError, Episode
from envs.discrete import choices, one_hot
from envs.task import DEFAULT, AnyRecipe, DemoRecipe, MazeRecipe, MixRecipe, NoiseRecipe, Recipe, Task
from envs.vector import default_workers
from suite.demonstrator import Progress, demonstrations, mixture, noise, rollouts
from suite.maze_data import maze_episodes

__all__ = [
    "build", "built_id", "clone", "dataset", "demonstrations", "distill", "expert_file", "policy_file",
    "rollouts", "scores", "sources",
]  # fmt: skip

Array: TypeAlias = NDArray[np.float32]

FORMAT = 1  # of the recipe: count up when the same recipe gives other data
_REPORT_EVERY = 1000  # updates
_NORMAL_MEDIAN = 0.6745  # median of |x| of a standard normal x


# default datasets


def dataset(
    task: Task, name: str | None = None, seed: int = 0, workers: int | None = None, progress: Progress | None = None
) -> Dataset:
    """The dataset of that id or short name, or the task's default one where `name` is None; built if need be."""
    if name is None or name in task.recipes:
        return build(task, seed, workers, progress, name or DEFAULT)
    data = datasets.load(task, name)
    if data.info.changes and progress is not None:
        progress(f"{data.info.id}: {data.info.changes}")
    return data


def build(
    task: Task, seed: int = 0, workers: int | None = None, progress: Progress | None = None, name: str = DEFAULT
) -> Dataset:
    """A dataset that the task has a recipe for, from the store or newly generated.

    `workers` processes step the environments (None: one per core); the data do not depend on their number.
    Raises `DatasetError` when it cannot be made or stored.
    """
    dataset_id = built_id(task, seed, name)
    if datasets.exists(dataset_id):
        return datasets.load(task, dataset_id)
    count = default_workers() if workers is None else workers
    recipe = task.recipe_of(name)
    with _always_the_same_numbers():
        episodes, about = _MAKERS[type(recipe)](task, recipe, seed, count, progress)
    description = f"{about} in {task.id}{f'; success: {task.success_rule}' if task.success_rule else ''}"
    return datasets.store(task, dataset_id, episodes, _provenance(task, seed, recipe), description)


def _cloned_data(
    task: Task, recipe: Recipe, seed: int, workers: int, progress: Progress | None
) -> tuple[list[Episode], str]:
    """Demonstrations and rollouts of their clone, and a description."""
    expert, _ = load_policy([expert_file(task)])
    demos = demonstrations(task, recipe, expert, seed, workers, progress)
    policy = clone(task, recipe, demos, seed, progress=progress)
    played = rollouts(task, policy, recipe.rollouts, seed, workers, progress=progress)
    about = f"{len(demos)} demonstrations by {recipe.demonstrator} and {len(played)} rollouts of their clone"
    return [*demos, *played], about


def _mixed_data(
    task: Task, recipe: MixRecipe, seed: int, workers: int, progress: Progress | None
) -> tuple[list[Episode], str]:
    """Episodes of several policies, and a description."""
    policies = [
        None if name == recipe.RANDOM else load_policy([policy_file(task, name)])[0] for name, _ in recipe.parts
    ]
    episodes = mixture(task, recipe, policies, seed, workers, progress)
    names = ", ".join(name or "random actions" for name, _ in recipe.parts)
    return episodes, f"{sum(len(e.action) for e in episodes)} steps of {names}"


def _noise_data(
    task: Task, recipe: NoiseRecipe, seed: int, workers: int, progress: Progress | None
) -> tuple[list[Episode], str]:
    """Episodes of noise, and a description."""
    episodes = noise(task, recipe, seed, workers, progress)
    return episodes, f"{len(episodes)} rollouts of Ornstein-Uhlenbeck noise"


def _maze_data(
    task: Task, recipe: MazeRecipe, seed: int, workers: int, progress: Progress | None
) -> tuple[list[Episode], str]:
    """Demonstrations and rollouts of a steered runner, and a description."""
    expert, _ = load_policy([expert_file(task)])
    episodes = maze_episodes(task, recipe, expert, seed, workers, progress)
    demos = sum(e.demo for e in episodes)
    others = f"{len(episodes) - demos} rollouts of the same, noisy and from anywhere to anywhere,"
    return episodes, f"{demos} demonstrations by {recipe.demonstrator} and {others}"


_Maker: TypeAlias = Callable[[Task, Any, int, int, "Progress | None"], tuple[list[Episode], str]]
_MAKERS: dict[type, _Maker] = {
    Recipe: _cloned_data, DemoRecipe: _cloned_data, MixRecipe: _mixed_data, NoiseRecipe: _noise_data,
    MazeRecipe: _maze_data,
}  # fmt: skip


def built_id(task: Task, seed: int = 0, name: str = DEFAULT) -> str:
    """The id of a dataset that is built here, e.g. awac-bench/door-binary/default-s0-1a2b3c4d-v0.

    Changes with everything the data are made from: recipe, policies, dataset seed, simulator.
    """
    text = json.dumps(_provenance(task, seed, task.recipe_of(name)), sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{datasets.NAMESPACE}{task.short_name}/{name}-s{seed}-{digest}-v0"


def expert_file(task: Task) -> Path:
    """Where the task's expert lies; raises `DatasetError` where it has none."""
    if not task.expert:
        raise DatasetError(
            f"{task.id} has no default dataset, as no expert of it is at hand: name one of yours with --dataset, or "
            "take a method that learns from scratch, such as sac-scratch, or ppo with --set start=scratch"
        )
    return policy_file(task, task.expert)


def policy_file(task: Task, name: str) -> Path:
    """Where a policy that the task's data are made with lies."""
    path = Path(str(resources.files("envs"))) / "experts" / f"{name}.npz"
    if not path.is_file():
        raise DatasetError(f"{task.id} has no expert {path.name} in {path.parent}, so this dataset cannot be built")
    return path


def _provenance(task: Task, seed: int, recipe: AnyRecipe) -> dict[str, Any]:
    """All that the data are made from, as JSON values."""
    task.check_simulator()
    return {
        "format": FORMAT,
        "task": task.id,
        "seed": seed,
        "recipe": dataclasses.asdict(recipe),
        "versions": {name: metadata.version(name) for name in task.simulator},
        **sources(task, recipe),
    }


def sources(task: Task, recipe: AnyRecipe) -> dict[str, Any]:
    """The policies that a dataset is made of, by digest; raises `DatasetError` where one is not at hand."""
    if isinstance(recipe, MixRecipe):
        return {"policies": {n: _digest(policy_file(task, n)) for n, _ in recipe.parts if n != recipe.RANDOM}}
    return {"expert": _digest(expert_file(task))} if isinstance(recipe, Recipe | MazeRecipe) else {}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


# cloning


def clone(
    task: Task, recipe: Recipe, episodes: Sequence[Episode], seed: int, updates: int | None = None,
    progress: Progress | None = None,
) -> nn.Module:  # fmt: skip
    """A policy of one seed, cloned from episodes by maximum likelihood as the recipe says."""
    rows = datasets.transitions(task, episodes)
    learner = LearnerConfig(hidden=recipe.clone_hidden, batch_size=recipe.clone_batch)
    count = recipe.clone_updates if updates is None else updates
    return _cloned(task, rows.obs, rows.action, "nll", learner, [seed], count, progress)


def _cloned(
    task: Task, obs: Array, action: Array, loss: str, learner: LearnerConfig, seeds: Sequence[int], updates: int,
    progress: Progress | None, normalise: bool = False,
) -> nn.Module:  # fmt: skip
    """Policies of several seeds, cloned from obs [N, O] and actions [N, A] with this suite's own BC.

    They take observations as they are, also where the training saw them standardised.
    """
    bc = algos.load("bc")
    objective = dataclasses.replace(bc, needs=lambda cfg: dataclasses.replace(bc.needs(cfg), normalise_obs=normalise))
    layout = Layout(task.obs_dim, task.action_dim, discrete=task.discrete)
    o, a, zeros = torch.from_numpy(obs), torch.from_numpy(action), torch.zeros(len(obs))
    rows = layout.pack(o, a, zeros, o, zeros)  # BC looks at neither rewards nor successors
    replay = Replay(layout, rows, 0, len(seeds), 0, rows.device)
    actor_critic = ActorCritic(objective, objective.Config(bc_loss=loss), learner, seeds, layout, replay)
    for done in range(0, updates, _REPORT_EVERY):
        with _always_the_same_numbers():
            actor_critic.run(min(_REPORT_EVERY, updates - done))
        if progress is not None:
            progress(f"cloning {min(done + _REPORT_EVERY, updates)}/{updates} updates")
    if not actor_critic.finite().all():
        raise DatasetError("cloning diverged: the policy is not finite")
    return actor_critic.final_policy()


# experts


def distill(
    task: Task,
    source: Path,
    out: Path,
    updates: int = 15_000,
    seed: int = 0,
    *,
    normalise: bool = False,
    candidates: int = 2,
    hidden: tuple[int, ...] = (128, 128),
    teacher: str = "",
    episodes: int = 100,
    workers: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Clone a recorded expert into a small policy file with half-precision weights; returns its meta.

    `source` is an npz of E episodes of T steps: `observations` [E, T+1, O], `expert_actions` [E, T, A] (the
    expert's mean, or its choice as a one-hot vector) and `actions` [E, T, A] (executed, with the expert's noise, whose
    scale the policy keeps where actions are continuous); or for a task without a success rule, of episodes laid end to
    end: [N, O], [N, A], [N, A] and `episode_lengths` [E].
    Episodes that fail are left out, where the task has a success rule. `normalise` standardises observations for the
    training and puts that into the policy's first layer. Of `candidates` training seeds the best over `episodes`
    episodes is written; the scores in its meta are measured over as many others, with the weights as stored.
    Raises `DatasetError` if the file does not fit the task.
    """
    recorded = _read_rollouts(task, source)
    learner = LearnerConfig(hidden=hidden, batch_size=256, policy_weight_decay=0.0)
    count = default_workers() if workers is None else workers
    command = f"bench data distill {task.id} --rollouts {source.name} --out {out.name} --updates {updates}"
    meta: dict[str, Any] = {
        "obs_dim": task.obs_dim, "action_dim": task.action_dim, "hidden": list(hidden),
        "task": task.id, "teacher": teacher or source.name, "updates": updates,
        "command": command + (" --normalise" if normalise else ""),
    }  # fmt: skip
    seeds = range(seed, seed + candidates)
    best = -np.inf
    with _always_the_same_numbers():
        policies = _imitations(task, recorded, learner, seeds, updates, progress, normalise)
        meta["family"] = family_of(policies)
        for index, number in enumerate(seeds):
            trial = out.with_name(f".{out.name}.{number}")
            save_policy(trial, policies, index, meta | {"seed": number}, half=True)
            score = scores(task, load_policy([trial])[0], episodes, 2 * seed, count)[task.headline]
            if progress is not None:
                progress(f"candidate {index + 1}/{candidates}: {task.headline} {score:.2f}")
            if score > best:
                best = score
                trial.replace(out)
            trial.unlink(missing_ok=True)
        policy, meta = load_policy([out])
        meta |= {"episodes": episodes, **scores(task, policy, episodes, 2 * seed + 1, count)}
    save_policy(out, policy, 0, meta, half=True)
    return meta


def _imitations(
    task: Task, recorded: tuple[Array, Array, Array | None], learner: LearnerConfig, seeds: Sequence[int], updates: int,
    progress: Progress | None, normalise: bool,
) -> nn.Module:  # fmt: skip
    """Policies of several seeds: an expert's means with the scale of its noise, or the likeliest of its choices."""
    obs, wish, noise_std = recorded
    if noise_std is None:
        return _cloned(task, obs, wish, "nll", learner, seeds, updates, progress, normalise)
    policies = _cloned(task, obs, wish, "mse", learner, seeds, updates, progress, normalise)
    _set_std(policies, noise_std)
    return policies


def scores(
    task: Task, policy: nn.Module | None, episodes: int, seed: int, workers: int, sample: bool = False
) -> dict[str, float]:
    """What a policy of one seed earns (None: random actions): mean and spread of the return, mean length of an episode.

    Where the task has a success rule, also the shares of episodes successful at the last step and at any.
    """
    played = rollouts(task, policy, episodes, seed, workers, sample)
    rows = [datasets.transitions(task, [e]) for e in played]
    returns = np.array([r.reward.sum(dtype=np.float64) for r in rows])
    out = {
        "return": float(returns.mean()),
        "return_std": float(returns.std(ddof=1)) if episodes > 1 else 0.0,
        "episode_length": float(np.mean([len(r) for r in rows])),
    }
    if task.success is not None:
        hits = [task.success(r.next_obs) for r in rows]  # of each episode [T]
        out["success"] = float(np.mean([h[-1] for h in hits]))
        out["success_any"] = float(np.mean([h.any() for h in hits]))
    return out


def _read_rollouts(task: Task, source: Path) -> tuple[Array, Array, Array | None]:
    """Observations [N, O] and expert actions [N, A] of the episodes to clone, and the noise scale [A].

    Choices have no such scale: None.
    """
    names = ("observations", "expert_actions", "actions")
    try:
        with np.load(source, allow_pickle=False) as file:
            obs, wish, sent = (np.asarray(file[name], np.float32) for name in names)
            flat = task.success is None and "episode_lengths" in file.files
            steps = int(file["episode_lengths"].sum()) if flat else 0
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{source}: not an npz of rollouts with {', '.join(names)} ({error})") from None
    count, length = (*wish.shape, 0, 0)[:2]
    seen, done = ((steps,), (steps,)) if flat else ((count, length + 1), (count, length))
    if obs.shape != (*seen, task.obs_dim) or not wish.shape == sent.shape == (*done, task.action_dim):
        axes = ("N", "N = sum of episode_lengths") if flat else ("E, T+1", "E, T")
        raise DatasetError(
            f"{source}: observations {list(obs.shape)}, expert_actions {list(wish.shape)}, actions "
            f"{list(sent.shape)}; {task.id} needs [{axes[0]}, {task.obs_dim}] and [{axes[1]}, {task.action_dim}] twice"
        )
    if task.discrete and not np.array_equal(wish, one_hot(choices(wish), task.action_dim)):
        raise DatasetError(f"{source}: expert_actions are not one-hot vectors, and {task.id} has choices")
    by_step = wish.reshape(-1, task.action_dim), sent.reshape(-1, task.action_dim)
    std = None if task.discrete else _noise_std(*by_step)
    if not flat:
        obs, wish = _successful(task, source, obs, wish)
    return obs, wish.clip(-1, 1), std


def _successful(task: Task, source: Path, obs: Array, wish: Array) -> tuple[Array, Array]:
    """Steps of the episodes [E, T+1, O], [E, T, A] that succeed at their last step, end to end; all without a rule."""
    chosen = np.ones(len(obs), np.bool_) if task.success is None else task.success(obs[:, -1])
    if not chosen.any():
        raise DatasetError(f"{source}: none of its {len(obs)} episodes succeeds in {task.id} ({task.success_rule})")
    return obs[chosen, :-1].reshape(-1, task.obs_dim), wish[chosen].reshape(-1, task.action_dim)


def _noise_std(mean: Array, sent: Array) -> Array:
    """Standard deviation [A] of the noise between means and clipped actions [N, A].

    Noise towards 0 is clipped at the far bound only, and the median does not see how far the clipped ones were.
    Steps without noise count as little as those whose recorded mean may itself have been clipped.
    """
    noise = sent - mean
    inward = (np.abs(mean) < 1) & (noise * mean < 0)
    spread = np.nanmedian(np.where(inward, np.abs(noise), np.nan), axis=0)
    return np.asarray(spread / _NORMAL_MEDIAN, np.float32)


@torch.no_grad()
def _set_std(policy: nn.Module, std: Array) -> None:
    """Give a Gaussian policy these standard deviations [A], as far as its range holds them."""
    assert isinstance(policy, GaussianPolicy)
    share = (torch.from_numpy(std).log() - policy.low) / (policy.high - policy.low)
    policy.log_std_logits[:] = share.clamp(1e-3, 1 - 1e-3).logit()


@contextlib.contextmanager
def _always_the_same_numbers() -> Iterator[None]:
    """One thread, and denormals flushed as in training: roundings depend on neither command nor machine's cores.

    Small networks beside worker processes are also faster so, and a clone's last updates are full of denormals.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # stays on: torch cannot tell what it was
    try:
        yield
    finally:
        torch.set_num_threads(before)

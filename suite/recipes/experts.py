"""The small policies of `envs/experts`: experts distilled from rollouts or adopted, clones; and scores of policies."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from algos.contract import LearnerConfig
from algos.networks.policies import GaussianPolicy, family_of
from algos.networks.policy_file import load_policy, save_policy
from envs.data import datasets
from envs.discrete import choices, one_hot
from envs.errors import DatasetError
from envs.stepping.vector import default_workers
from envs.task import Recipe, Task
from suite.recipes.clones import always_the_same_numbers, clone, cloned
from suite.recipes.demonstrator import demonstrations
from suite.recipes.play import Progress, rollouts
from suite.recipes.policies import cloned_from, expert_file

__all__ = ["adopt", "clone_of", "distill", "scores"]

Array: TypeAlias = NDArray[np.float32]

_NORMAL_MEDIAN = 0.6745  # median of |x| of a standard normal x


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
    learner = LearnerConfig(hidden=hidden, batch_size=256, policy_weight_decay=0.0, normalise_obs=normalise)
    count = default_workers() if workers is None else workers
    command = f"bench data distill {task.id} --rollouts {source.name} --out {out.name} --updates {updates}"
    meta: dict[str, Any] = {
        "obs_dim": task.obs_dim,
        "action_dim": task.action_dim,
        "hidden": list(hidden),
        "task": task.id,
        "teacher": teacher or source.name,
        "updates": updates,
        "command": command + (" --normalise" if normalise else ""),
    }
    seeds = range(seed, seed + candidates)
    with always_the_same_numbers(), tempfile.TemporaryDirectory() as folder:
        policies = _imitations(task, recorded, learner, seeds, updates, progress)
        trials = _stored(policies, seeds, meta, Path(folder))
        found = []
        for number, trial in enumerate(trials, 1):
            found.append(scores(task, load_policy([trial])[0], episodes, 2 * seed, count)[task.headline])
            if progress is not None:
                progress(f"candidate {number}/{candidates}: {task.headline} {found[-1]:.2f}")
        policy, meta = load_policy([trials[int(np.argmax(found))]])
        meta |= {"episodes": episodes, **scores(task, policy, episodes, 2 * seed + 1, count)}
    save_policy(out, policy, 0, meta, half=True)
    return meta


def adopt(
    task: Task, source: Path, out: Path, episodes: int = 100, seed: int = 0, workers: int | None = None
) -> dict[str, Any]:
    """Make a small file for `envs/experts` of a policy that a run has kept; returns its meta.

    Weights are stored in half precision. The scores in the meta are of sampled actions, with which data are generated,
    over `episodes` episodes. Raises `SettingError` where the file is no policy, `DatasetError` where it
    is one of another task.
    """
    policy, meta = load_policy([source])
    if (meta["obs_dim"], meta["action_dim"]) != (task.obs_dim, task.action_dim):
        raise DatasetError(
            f"{source}: takes {meta['obs_dim']} observations and gives {meta['action_dim']} actions; {task.id} has "
            f"{task.obs_dim} and {task.action_dim}"
        )
    names = ("family", "obs_dim", "action_dim", "hidden", "activation", "log_std_range", "algo")
    kept: dict[str, Any] = {name: meta[name] for name in names if name in meta}
    kept |= {"task": task.id, "source": f"{source.parent.name}/{source.name}", "episodes": episodes}
    save_policy(out, policy, 0, kept, half=True)
    stored, _ = load_policy([out])
    count = default_workers() if workers is None else workers
    kept |= scores(task, stored, episodes, 2 * seed + 1, count, sample=True)
    save_policy(out, stored, 0, kept, half=True)
    return kept


def clone_of(
    task: Task,
    out: Path,
    seed: int = 0,
    *,
    candidates: int = 5,
    episodes: int = 100,
    workers: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write the clone of a task's demonstrations that its default dataset is played by; returns its meta.

    It is the median by score of `candidates` training seeds, so that the data are neither lucky nor unlucky, each
    scored over `episodes` episodes of sampled actions, with the half-precision weights that are stored.
    Raises `DatasetError` where the task's data hold no clone's rollouts.
    """
    recipe = task.recipe
    if not isinstance(recipe, Recipe):
        raise DatasetError(f"the default dataset of {task.id} has no rollouts of a clone")
    expert, _ = load_policy([expert_file(task)])
    count = default_workers() if workers is None else workers
    meta: dict[str, Any] = {
        "obs_dim": task.obs_dim,
        "action_dim": task.action_dim,
        "hidden": list(recipe.clone_hidden),
        "task": task.id,
        "cloned_from": cloned_from(task, recipe, seed),
        "episodes": episodes,
    }
    seeds = range(seed, seed + candidates)
    with always_the_same_numbers(), tempfile.TemporaryDirectory() as folder:
        demos = demonstrations(task, recipe, expert, seed, count, progress)
        trials = _stored(clone(task, recipe, demos, seeds, progress), seeds, meta, Path(folder))
        found = [scores(task, load_policy([t])[0], episodes, 2 * seed + 1, count, sample=True) for t in trials]
        ranked = sorted(range(candidates), key=lambda i: found[i][task.headline])
        chosen = ranked[(candidates - 1) // 2]
        policy, kept = load_policy([trials[chosen]])
    kept |= {"candidates": [round(f[task.headline], 2) for f in found], **found[chosen]}
    save_policy(out, policy, 0, kept, half=True)
    return kept


def _stored(policies: nn.Module, seeds: Sequence[int], meta: Mapping[str, Any], folder: Path) -> list[Path]:
    """Files of candidates in half precision, one for each training seed: they are scored as they will be stored."""
    paths = [folder / f"seed-{number}.npz" for number in seeds]
    for index, (number, path) in enumerate(zip(seeds, paths, strict=True)):
        save_policy(path, policies, index, {**meta, "family": family_of(policies), "seed": number}, half=True)
    return paths


def _imitations(
    task: Task,
    recorded: tuple[Array, Array, Array | None],
    learner: LearnerConfig,
    seeds: Sequence[int],
    updates: int,
    progress: Progress | None,
) -> nn.Module:
    """Clone policies of several seeds: of an expert's means with the scale of its noise, or of its choices."""
    obs, wish, noise_std = recorded
    if noise_std is None:
        return cloned(task, obs, wish, "nll", learner, seeds, updates, progress)
    policies = cloned(task, obs, wish, "mse", learner, seeds, updates, progress)
    assert isinstance(policies, GaussianPolicy)
    policies.start_at(torch.from_numpy(noise_std))
    return policies


def scores(
    task: Task, policy: nn.Module | None, episodes: int, seed: int, workers: int, sample: bool = False
) -> dict[str, float]:
    """Scores of a policy of one seed (None: random actions): mean and spread of the return, mean length of an episode.

    Where the task has a success rule, also the shares of episodes successful at the last step and at any, and where it
    has subtasks, the normalised score and its spread.
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
    if task.subtasks is not None:
        placed = np.array([100.0 * task.subtasks(r.next_obs).any(axis=0).mean() for r in rows])
        out["normalized_score"] = float(placed.mean())
        out["normalized_score_std"] = float(placed.std(ddof=1)) if episodes > 1 else 0.0
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
    """Steps, laid end to end, of the episodes [E, T+1, O], [E, T, A] that end in success; of all without a rule."""
    chosen = np.ones(len(obs), np.bool_) if task.success is None else task.success(obs[:, -1])
    if not chosen.any():
        raise DatasetError(f"{source}: none of its {len(obs)} episodes succeeds in {task.id} ({task.success_rule})")
    return obs[chosen, :-1].reshape(-1, task.obs_dim), wish[chosen].reshape(-1, task.action_dim)


def _noise_std(mean: Array, sent: Array) -> Array:
    """Standard deviation [A] of the noise between means and clipped actions [N, A].

    Noise towards 0 is clipped at the far bound only, and the median does not see how far the clipped ones were.
    Left out are steps without noise, and those whose recorded mean may itself have been clipped; 0 where none is left.
    """
    noise = sent - mean
    inward = (np.abs(mean) < 1) & (noise * mean < 0)
    noisy = inward.any(axis=0)  # [A]
    spread = np.zeros(mean.shape[1])
    spread[noisy] = np.nanmedian(np.where(inward, np.abs(noise), np.nan)[:, noisy], axis=0)
    return np.asarray(spread / _NORMAL_MEDIAN, np.float32)

"""JAX-CORL's side of `peers.py`; needs jax and what its file imports, nothing of this project nor torch."""

from __future__ import annotations

import os

from peer_job import CHECKOUTS, Job, Work, transitions
from peer_stand_ins import ignore, module_at

NAMES = {"observations": "obs", "actions": "action", "rewards": "reward", "next_observations": "next_obs"}


def prepare(threads: int) -> None:
    """Give XLA as many threads; it reads both when the first array is made."""
    os.environ["NPROC"] = str(threads)
    os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={str(threads > 1).lower()}"


def jax_corl(job: Job) -> Work:
    """One call of AWAC's jitted function, waited for: as many updates as it has by default, batches drawn inside."""
    flags = os.environ["XLA_FLAGS"]
    ignore("d4rl", "gym", "tqdm", "wandb")  # imported by the file, not used by the parts taken from it
    peer = module_at(job.checkout / CHECKOUTS["jax-corl"])
    os.environ["XLA_FLAGS"] += flags  # the file has set its own
    import jax  # type: ignore[import-not-found, unused-ignore]

    rows = transitions(job)
    peer.d4rl.qlearning_dataset = lambda env: {theirs: rows[ours].copy() for theirs, ours in NAMES.items()}
    config = peer.AWACConfig(actor_hidden_dims=job.hidden, critic_hidden_dims=job.hidden, batch_size=job.batch)
    dataset, _, _ = peer.get_dataset(None, config)
    example = jax.tree_util.tree_map(lambda column: column[0], dataset)
    key, first = jax.random.split(jax.random.PRNGKey(config.seed))
    state = peer.create_awac_train_state(first, example.observations, example.actions, config)
    update = jax.jit(peer.AWAC().update_n_times, static_argnums=(3,))

    def once() -> None:
        nonlocal key, state
        key, own = jax.random.split(key)
        state, _ = update(state, dataset, own, config)
        jax.block_until_ready(state)

    once()  # compiles
    return Work(once, updates=config.n_jitted_updates)

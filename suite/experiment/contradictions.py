"""Contradictions between the parts of an experiment, which no part alone can see."""

from __future__ import annotations

import algos
from algos.settings import SettingError
from suite.experiment.experiment import Experiment, without_meaning
from suite.record.shapes import BY_HAND

__all__ = ["check"]


def check(experiment: Experiment) -> None:
    """Raise `SettingError` for contradictions between parts, which no single part can see."""
    for name, why in without_meaning(experiment).items():
        if experiment.sources[name].startswith(BY_HAND):
            raise SettingError(f"--set {name}: {why}")
    protocol, horizon = experiment.protocol, experiment.task.horizon
    steps = protocol.steps_per_iteration
    _check_actions(experiment)
    if steps > horizon and steps % horizon:
        near = max(1, round(steps / horizon)) * horizon
        raise SettingError(
            f"steps_per_iteration={steps} is not a multiple of the horizon of {experiment.task.id} ({horizon}): "
            f"collection takes whole episodes; {near} would be right"
        )
    if "networks" in protocol.reset_at_switch and experiment.needs.offline_fit:
        raise SettingError(
            f"reset_at_switch=networks contradicts {experiment.algo}, whose behaviour model is fitted offline alone: "
            "it would stay as it was before any data; behaviour_fit=always fits it online as well"
        )
    if not experiment.needs.offline_data and protocol.offline_fraction is not None:
        if not protocol.prior_data:
            raise SettingError("prior_data=false contradicts offline_fraction; set offline_fraction=none as well")
        raise SettingError(f"offline_fraction contradicts {experiment.algo}, which never sees offline data")
    _check_from_scratch(experiment)
    if protocol.action_chunk > 1:
        _check_chunks(experiment)
    if protocol.prior_data == "warm" and experiment.needs.offline_data:
        _check_warm_start(experiment)


def _check_actions(experiment: Experiment) -> None:
    """Raise `SettingError` where the task's actions are choices and a loss differentiates through actions."""
    task, algo = experiment.task, experiment.algo
    if not task.discrete or experiment.needs.actions == "any":
        return
    able = [other.name for other in algos.usable() if other.default_needs.actions == "any"]
    others = f"{', '.join(name for name in able if name != algo)} can"
    fix = f"with its own settings {algo} does without" if algo in able else others
    raise SettingError(
        f"{algo}{' so set' if algo in able else ''} needs continuous actions and {task.short_name} has "
        f"{task.action_dim} choices; {fix}"
    )


def _check_from_scratch(experiment: Experiment) -> None:
    """Raise `SettingError` where there are no prior data and a method or setting cannot do without."""
    needs = experiment.needs
    if experiment.protocol.prior_data:
        if experiment.learner.normalise_obs and not needs.offline_data:
            raise SettingError(f"normalise_obs contradicts {experiment.algo}, which never sees offline data")
        return
    demonstrations = needs.demos or (needs.demo_batch > 0 and needs.demo_rows == "all")
    if needs.offline_only or needs.offline_fit or demonstrations:
        what = "demonstrations" if needs.demos else "offline data"
        raise SettingError(f"prior_data=false contradicts {experiment.algo}, which cannot do without {what}")
    if experiment.learner.normalise_obs:
        raise SettingError(
            "prior_data=false contradicts normalise_obs, whose statistics are those of the offline data; "
            "set normalise_obs=false as well"
        )


def _check_chunks(experiment: Experiment) -> None:
    """Raise `SettingError` where actions cannot be decided several at a time."""
    chunk, task = experiment.protocol.action_chunk, experiment.task
    if not experiment.needs.chunks:  # a list of algorithms may share what a plan or a preset sets
        raise SettingError(f"action_chunk={chunk} contradicts {experiment.algo}, which decides one action at a time")
    if experiment.hindsight is not None:
        raise SettingError(
            f"action_chunk={chunk} contradicts {task.short_name}, whose goals are exchanged step by step"
        )
    if chunk > task.horizon:
        raise SettingError(
            f"action_chunk={chunk} is longer than an episode of {task.short_name} ({task.horizon} steps)"
        )


def _check_warm_start(experiment: Experiment) -> None:
    """Raise `SettingError` where nothing would be warm, or offline rows would be sampled online after all."""
    algo, protocol = experiment.algo, experiment.protocol
    online = experiment.objective.needs(experiment.objective.on_phase(experiment.cfg, "online"))
    if online.offline_only:
        raise SettingError(f"prior_data=warm contradicts {algo}, which does not learn online")
    if not online.offline_phase:
        raise SettingError(f"prior_data=warm contradicts {algo}, which has no offline phase to start from")
    if online.demo_batch or online.source == "demos":
        raise SettingError(f"prior_data=warm contradicts {algo}, which learns from demonstrations online too")
    if not protocol.warmup_steps:
        raise SettingError(
            "prior_data=warm needs warmup_steps, which the policy collects before the first online update; WSRL: 5000"
        )
    if protocol.warmup_actions != "policy":
        raise SettingError("prior_data=warm contradicts warmup_actions=uniform: what warms up is the pretrained policy")

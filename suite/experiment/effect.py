"""Settings that have no effect here: what a run learns and scores is the same whatever their values.

Those of the learner and the protocol follow from what the method needs, from its stages, and from the phases that the
experiment has; a method's own from what its settings declare (`algos.conditions`). They stay in the record, as presets,
profiles and tasks set them for several methods alike. Set by hand they are refused, or left out for the method that
ignores them; what has no meaning at all is `without_meaning`'s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from algos.conditions import unread
from algos.contract import Phase, Stage
from algos.networks.policies import GaussianPolicy, SquashedPolicy
from algos.settings import schedules
from suite.experiment.experiment import Experiment, without_meaning
from suite.experiment.requirements import (
    built_here,
    dataset_name,
    most_online_rows,
    offline_updates,
    online_steps,
    recipe_of,
)

__all__ = ["without_effect"]

Whys = dict[str, str]  # setting -> why it has no effect
Phases = Mapping[Phase, tuple[Stage, ...]]

_SIZES = {"demonstrations": "demonstrations", "rollouts": "rollouts", "dataset_steps": "steps"}  # in a recipe's words
_SPREAD = {"gaussian", "squashed", GaussianPolicy, SquashedPolicy}  # families that have a deviation


def without_effect(experiment: Experiment) -> Whys:
    """Settings without effect on this experiment, and why; those without meaning among them."""
    phases = _phases(experiment)
    return {
        **unread(experiment.cfg),
        **_schedules(experiment, phases),
        **_values(experiment, phases),
        **_batches(experiment, phases),
        **_deviations(experiment),
        **_offline(experiment, phases),
        **_online(experiment, phases),
        **_data(experiment),
        **without_meaning(experiment),
    }


def _phases(e: Experiment) -> Phases:
    """The phases in which something is learned, each with the stages of its iterations."""
    lengths: dict[Phase, int] = {"offline": offline_updates(e), "online": online_steps(e)}
    steps = e.protocol.steps_per_iteration
    return {
        phase: e.objective.stages(e.objective.on_phase(e.cfg, phase), phase, steps, e.learner)
        for phase, length in lengths.items()
        if length
    }


def _no_offline_phase(e: Experiment) -> str:
    """Why there is no offline phase."""
    if not e.needs.offline_data:
        return _no_data(e)
    return "offline_updates=0 leaves no offline phase" if e.needs.offline_phase else f"{e.algo} has no offline phase"


def _no_online_phase(e: Experiment) -> str:
    """Why there is no online phase."""
    return f"{e.algo} does not learn online" if e.needs.offline_only else "online_steps=0 leaves no online phase"


def _no_data(e: Experiment) -> str:
    """Why there are no offline data."""
    return f"{e.algo} never sees offline data" if e.protocol.prior_data else "prior_data=false leaves no offline data"


def _schedules(e: Experiment, phases: Phases) -> Whys:
    """Settings that count parts of a phase which does not take place."""
    counted = {name: what for part in (e.protocol, e.cfg) for name, what in schedules(type(part)).items()}
    out = Whys()
    for name, what in counted.items():
        if what == "offline_updates" and "offline" not in phases:
            out[name] = _no_offline_phase(e)
        elif what != "offline_updates" and "online" not in phases:
            out[name] = _no_online_phase(e)
    if e.protocol.prior_data == "warm":
        out.pop("warmup_steps", None)  # which it cannot be without
    return out


def _values(e: Experiment, phases: Phases) -> Whys:
    """Settings of critics and of their slow copies, and of whatever else estimates values."""
    needs, out = e.needs, Whys()
    if not needs.critics:
        why = f"{e.algo} has no critics"
        out |= dict.fromkeys(("q_bound", "update_order"), why)
        if "critic" not in needs.module_lr.values():
            out["critic_lr"] = why
        if not needs.target_policy:
            out |= dict.fromkeys(("tau", "copy_targets"), why)
        if not needs.modules and not any(phases.values()) and "return_to_go" not in needs.columns:
            out |= dict.fromkeys(("discount", "bootstrap_through_terminals"), f"{e.algo} estimates no values")
    elif not needs.bounded_q:
        out["q_bound"] = f"Q of {e.algo} holds more than rewards, and no largest return bounds it"
    elif math.isinf(e.task.reward_range[1]):
        out["q_bound"] = f"rewards of {e.task.id} have no bound"
    return out


def _batches(e: Experiment, phases: Phases) -> Whys:
    """The size of batches where every stage has its own, and goals that belong to whole trajectories."""
    out = Whys()
    if phases and all(stages and all(stage.batch_size for stage in stages) for stages in phases.values()):
        out["batch_size"] = f"all stages of {e.algo} have batches of their own size"
    if not e.needs.single_rows:
        out |= dict.fromkeys(("her_future", "her_fresh"), f"{e.algo} looks at whole trajectories, whose goals stay")
    return out


def _deviations(e: Experiment) -> Whys:
    """Settings of the policy's deviation where the method has its own."""
    needs = e.needs
    if _SPREAD & {*needs.modules.values()} or needs.policy != "gaussian":
        return {}
    if needs.log_std_range is not None:
        return dict.fromkeys(("log_std_range", "std_start"), f"{e.algo} as it is set says the deviation of its policy")
    return {"std_start": "the policy starts with the deviation of the demonstrations"} if needs.std_of_demos else {}


def _offline(e: Experiment, phases: Phases) -> Whys:
    if "offline" in phases:
        return {}
    structural = not (e.needs.offline_data and e.needs.offline_phase)
    return dict.fromkeys(("eval_every_offline", *["offline_updates"] * structural), _no_offline_phase(e))


def _online(e: Experiment, phases: Phases) -> Whys:
    """Settings of the online phase, where there is none or its stages learn otherwise."""
    if "online" not in phases:
        names = ["updates_per_step", "warmup_actions", "buffer_size", "keep_offline_data", "eval_every_online"]
        names += ["offline_fraction"] if e.needs.offline_data else []  # else it contradicts them, and none is the cure
        names += ["online_steps", "reset_at_switch"] if e.needs.offline_only else []
        names += [] if phases.get("offline") else ["steps_per_iteration"]
        return dict.fromkeys(names, _no_online_phase(e))
    out = Whys()
    if phases["online"]:
        if e.needs.offline_data:
            out["offline_fraction"] = f"stages of {e.algo} draw from all of their rows alike"
        if e.needs.window == "iteration":
            out["keep_offline_data"] = f"stages of {e.algo} learn from what was just collected alone"
    if most_online_rows(e) <= e.protocol.steps_per_iteration:
        out["buffer_size"] = f"{e.algo} keeps one iteration at most"
    return out


def _data(e: Experiment) -> Whys:
    """What a dataset is made by, where there is none, it is not made here, or is counted otherwise."""
    if not e.needs.offline_data:
        return dict.fromkeys((*_SIZES, "dataset_seed", "keep_offline_data"), _no_data(e))
    if not built_here(e):
        return dict.fromkeys((*_SIZES, "dataset_seed"), f"dataset {e.dataset} is not made here")
    recipe = recipe_of(e.task, e)
    return {
        name: f"the {dataset_name(e)} data of {e.task.id} are not counted in {size}"
        for name, size in _SIZES.items()
        if not hasattr(recipe, size)
    }

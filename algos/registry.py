"""The registry: a name -> an objective's module, and the settings by which the entry departs from its defaults.

Packages elsewhere join through the entry point group "bench.algos". Nothing here imports torch until an algorithm is
loaded.
"""

from __future__ import annotations

import importlib
import inspect
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from types import ModuleType
from typing import TYPE_CHECKING, Any

from algos.settings import SettingError, closest, nearest

if TYPE_CHECKING:
    from algos.contract import Objective

__all__ = ["ALGOS", "Entry", "get", "load", "names", "usable"]

GROUP = "bench.algos"
_MISSPELT = 0.85  # from this likeness on, one name is another misspelt


@dataclass(frozen=True)
class Entry:
    """One name of the registry."""

    module: str  # import path of the objective module
    summary: str
    settings: Mapping[str, Any] = field(default_factory=dict)  # departures from the module's Config
    protocol: Mapping[str, Any] = field(default_factory=dict)  # of experiment and learner, where the method has its own
    presets: str = "PRESETS"  # the module's table of this entry's presets, by name
    space: str = "SPACE"  # and of what `bench tune` tries, likewise
    # profile -> what it sets for this entry alone, of either kind: sizes and rates that its own for all do not suit
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # in every figure: one of the twelve colours of reports, and dashes where others have it ("blue", "blue dashed")
    look: str = ""


_AWR_SIZES: dict[str, dict[str, Any]] = {
    "quick": {"steps_per_iteration": 1000, "value_updates": 100, "policy_updates": 400},
    "smoke": {"value_updates": 5, "policy_updates": 15},
}
_VAE_SIZES: dict[str, dict[str, Any]] = {
    "quick": {"vae_hidden": (256, 256)},
    "smoke": {"vae_hidden": (16, 16)},
}
_ON_POLICY_SIZES: dict[str, dict[str, Any]] = {"quick": {"steps_per_iteration": 1000}}

ALGOS: dict[str, Entry] = {
    "abm": Entry(
        "algos.methods.abm", "ABM: samples of a prior of good data actions, imitated by their advantage", look="cyan"
    ),
    "algae-dice": Entry(
        "algos.methods.algae_dice", "AlgaeDICE: policy and Q as two players of one regularised objective", look="plum"
    ),
    "awac": Entry(
        "algos.methods.awac", "AWAC: data actions imitated by the exponential of their advantage", look="blue"
    ),
    "awac-z": Entry(
        "algos.methods.awac",
        "AWAC with an estimate of the normaliser Z(s), its Table 1",
        {"z_estimator": "behaviour"},
        presets="Z_PRESETS",
        space="Z_SPACE",
        look="blue dashed",
    ),
    "awr": Entry(
        "algos.methods.awr",
        "AWR: V from returns of the buffer, then data actions imitated by the exponential of their advantage",
        protocol={"steps_per_iteration": 2000},
        profiles=_AWR_SIZES,
        look="maroon",
    ),
    "bc": Entry("algos.methods.bc", "behaviour cloning of all offline data; offline only", look="grey"),
    "bc-demos": Entry(
        "algos.methods.bc",
        "behaviour cloning of the demonstrations; offline only",
        {"source": "demos"},
        look="grey dashed",
    ),
    "bcq": Entry(
        "algos.methods.bcq",
        "BCQ: the best of slightly perturbed samples of a behaviour model",
        profiles=_VAE_SIZES,
        look="violet dotted",
    ),
    "bear": Entry(
        "algos.methods.bear",
        "BEAR: Q maximised within a discrepancy from a behaviour model",
        profiles=_VAE_SIZES,
        look="violet",
    ),
    "bear-loose": Entry(
        "algos.methods.bear",
        "BEAR whose constraint is loosened online, as in AWAC's Figure 2",
        # no value is published: where the sweep of AWAC's own scripts ends, icml2020/bear_finetune/sweep1.py on
        # HalfCheetah, Ant and Walker; on pen, pen1.py, at 0.25
        {"eps_online": 0.15},
        profiles=_VAE_SIZES,
        look="violet dashed",
    ),
    "brac": Entry(
        "algos.methods.brac",
        "BRAC as AWAC compares it: likelihood under a behaviour model in the policy's loss",
        look="orange",
    ),
    "brac-v": Entry(
        "algos.methods.brac",
        "BRAC-v: KL to a behaviour model in the policy's loss and Q",
        {"mode": "kl_value"},
        presets="BRAC_V_PRESETS",
        look="orange dashed",
    ),
    "cal-ql": Entry(
        "algos.methods.cql",
        "Cal-QL: CQL that pushes no policy action below the return of the data",
        # its weight of 1 on the hand tasks is for values that are 5.05 of ours, plus 5
        {
            "calibrate": True,
            "conservative_weight": 0.198,
            "conservative_temperature": 0.198,
            "backup_samples": 10,
        },
        protocol={"offline_fraction": 0.5},
        presets="CAL_QL_PRESETS",
        profiles={"quick": {"conservative_samples": 4, "backup_samples": 4}},
        look="forest dashed",
    ),
    "cql": Entry(
        "algos.methods.cql",
        "CQL: SAC whose critics are pushed down at actions that the data do not hold",
        profiles={"quick": {"conservative_samples": 4}},
        look="forest",
    ),
    "dapg": Entry(
        "algos.methods.dapg",
        "DAPG: natural policy gradient on fresh data, from and beside the demonstrations",
        protocol={"steps_per_iteration": 10_000},
        profiles=_ON_POLICY_SIZES,
        look="brown",
    ),
    "ddpg": Entry(
        "algos.methods.td3",
        "DDPG: TD3 with one critic, no delay and no target noise",
        {"critics": 1, "target_noise": 0.0, "policy_every": 1},
        space="DDPG_SPACE",
        look="plum dotted",
    ),
    "fql": Entry(
        "algos.methods.fql",
        "FQL: a flow that clones the data, distilled into a one-step policy that Q moves",
        look="green dotted",
    ),
    "iql": Entry(
        "algos.methods.iql",
        "IQL: values of data actions by expectile regression, then weighted imitation",
        look="olive dotted",
    ),
    "marwil": Entry(
        "algos.methods.awr",
        "MARWIL as AWAC compares it: AWR with Monte-Carlo returns",
        {"td_lambda": 1.0},
        protocol={"steps_per_iteration": 2000},
        space="MONTE_CARLO_SPACE",
        profiles=_AWR_SIZES,
        look="olive",
    ),
    "marwil-rllib": Entry(
        "algos.methods.marwil",
        "MARWIL in its own form: advantages divided by their running scale, V and policy together",
        profiles={"quick": {"updates": 500}, "smoke": {"updates": 20}},
        look="olive dashed",
    ),
    "mpo": Entry(
        "algos.methods.mpo",
        "MPO as AWAC adapts it: own actions imitated by the exponential of their Q",
        look="cyan dashed",
    ),
    "mpo-acme": Entry(
        "algos.methods.mpo",
        "MPO with its temperature and its bounds on the policy's step",
        {"mode": "acme"},
        protocol={"std_start": 0.5},  # acme: 0.3 to 0.7; from 0.05 its bound of 1e-6 on the KL leads nowhere
        presets="ACME_PRESETS",
        space="ACME_SPACE",
        look="cyan dotted",
    ),
    "ppo": Entry(
        "algos.methods.ppo",
        "PPO from a cloned policy: clipped likelihood ratios on fresh data",
        protocol={"steps_per_iteration": 2000},
        profiles=_ON_POLICY_SIZES,
        look="brown dotted",
    ),
    "rebrac": Entry(
        "algos.methods.rebrac",
        "ReBRAC: TD3+BC with a cloning penalty in the target and normalised critics",
        protocol={"offline_fraction": 0.5},
        look="orange dotted",
    ),
    "rlpd": Entry(
        "algos.methods.rlpd",
        "RLPD: SAC on prior and new data in equal shares, ten normalised critics, many updates per step",
        protocol={
            "offline_fraction": 0.5,
            "updates_per_step": 20.0,
            "warmup_steps": 5000,
            "warmup_actions": "uniform",
        },
        profiles={
            "quick": {"updates_per_step": 1.0, "policy_every": 2},
            "smoke": {"updates_per_step": 1.0, "policy_every": 2},
        },
        look="red dash-dotted",
    ),
    "rwr": Entry(
        "algos.methods.awr",
        "RWR from a cloned policy: fresh actions imitated by the exponential of their return",
        {"on_policy": True, "baseline": False, "td_lambda": 1.0},
        protocol={"steps_per_iteration": 2000},
        presets="RWR_PRESETS",
        space="RWR_SPACE",
        profiles=_AWR_SIZES,
        look="maroon dashed",
    ),
    "sac": Entry(
        "algos.methods.sac", "SAC with prior data in the buffer and a policy pretrained by cloning", look="red"
    ),
    "sac-prior": Entry(
        "algos.methods.sac",
        "SAC with prior data in the buffer, trained on it offline",
        {"start": "prior"},
        look="red dotted",
    ),
    "sac-scratch": Entry(
        "algos.methods.sac", "SAC that never sees prior data", {"start": "scratch"}, look="red dashed"
    ),
    "sac-bc": Entry(
        "algos.methods.sac_bc", "SAC with a cloning term on demonstrations in the policy loss", look="green"
    ),
    "spot": Entry(
        "algos.methods.spot",
        "SPOT: TD3 within the support of a VAE of the data, by its density at the policy's actions",
        profiles=_VAE_SIZES,
        look="violet dash-dotted",
    ),
    "td3": Entry(
        "algos.methods.td3", "TD3: deterministic policy, twin critics, delayed; unprotected offline", look="plum dashed"
    ),
    "td3-bc": Entry(
        "algos.methods.td3_bc",
        "TD3+BC: TD3 that stays near the data's actions",
        protocol={"normalise_obs": True},  # its eq. 4
        look="green dashed",
    ),
    "trpo": Entry(
        "algos.methods.trpo",
        "TRPO from a cloned policy: natural gradient steps within a bound on the divergence",
        protocol={"steps_per_iteration": 10_000},
        profiles=_ON_POLICY_SIZES,
        look="brown dashed",
    ),
    "wsrl": Entry(
        "algos.methods.wsrl",
        "WSRL: Cal-QL offline, then SAC with ten critics on its own data alone, after a warm-up by the policy",
        protocol={"prior_data": "warm", "updates_per_step": 4.0, "warmup_steps": 5000},
        profiles={
            "quick": {
                "updates_per_step": 1.0,
                "policy_every": 1,
                "conservative_samples": 4,
                "backup_samples": 4,
                "warmup_steps": 1000,
            },
            "smoke": {"updates_per_step": 1.0, "policy_every": 1, "warmup_steps": 40},
        },
        look="forest dotted",
    ),
    "xql": Entry(
        "algos.methods.xql",
        "XQL: V the soft maximum of Q over data actions by Gumbel regression, then weighted imitation",
        look="olive dash-dotted",
    ),
}


def names() -> dict[str, Entry]:
    """Every known algorithm, ours and those that installed packages add."""
    outside = {
        e.name: Entry(e.value, f"from {e.dist.name if e.dist else 'elsewhere'}") for e in entry_points(group=GROUP)
    }
    return {**outside, **ALGOS}


def get(name: str) -> Entry:
    """The entry called `name`; raises `SettingError` with the nearest name."""
    if name in ALGOS:  # looking for packages reads what is installed
        return ALGOS[name]
    known = names()
    if name not in known:
        raise SettingError(f"unknown algorithm {name!r}; {nearest(name, known)}")
    return known[name]


def load(name: str) -> Objective:
    """Import the module behind `name` as an `Objective`; raises `SettingError` where it is not as the contract asks."""
    from algos.contract import ARGUMENTS, HOOKS, OPTIONAL_HOOKS, Objective

    entry = get(name)
    module = _imported(name, entry)
    if missing := [hook for hook in HOOKS if not hasattr(module, hook)]:
        near = closest(missing[0], vars(module), _MISSPELT)
        hint = f"; is {near!r} meant to be it?" if near else ""
        raise SettingError(f"algorithm {name!r}: {entry.module} does not define {', '.join(missing)}{hint}")
    hooks = {hook: getattr(module, hook) for hook in (*HOOKS, *OPTIONAL_HOOKS) if hasattr(module, hook)}
    _check_public(name, module, {*HOOKS, *OPTIONAL_HOOKS})
    for hook, arguments in ARGUMENTS.items():
        if hook in hooks:
            _check_arguments(name, f"{entry.module}.{hook}", hooks[hook], arguments)
    return Objective(
        name=name,
        summary=entry.summary,
        settings=entry.settings,
        metrics=getattr(module, "METRICS", {}),
        presets=getattr(module, entry.presets, {}),
        space=getattr(module, entry.space, {}),
        **hooks,
    )


def usable() -> Iterator[Objective]:
    """Load every known algorithm, but for those of packages that are broken, which must not hide the others."""
    for name in names():
        try:
            yield load(name)
        except SettingError:
            if name in ALGOS:
                raise


def _imported(name: str, entry: Entry) -> ModuleType:
    """The module of an entry; raises `SettingError` where that of another package cannot be imported."""
    try:
        return importlib.import_module(entry.module)
    except Exception as error:  # whatever the package's own code raises
        if name in ALGOS:
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = "" if isinstance(error, SyntaxError | ModuleNotFoundError) else f", {last.filename}, line {last.lineno}"
        raise SettingError(
            f"algorithm {name!r} {entry.summary}: {entry.module} cannot be imported "
            f"({type(error).__name__}: {error}{place})"
        ) from error


def _check_arguments(name: str, where: str, hook: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    """Refuse a hook that cannot be called with what it is given: it would fail in the midst of a run."""
    signature = inspect.signature(hook)
    try:
        signature.bind(*arguments)
    except TypeError:
        takes = ", ".join(signature.parameters)
        raise SettingError(
            f"algorithm {name!r}: {where}({takes}) cannot be called: it is given ({', '.join(arguments)})"
        ) from None


def _check_public(name: str, module: ModuleType, hooks: Collection[str]) -> None:
    """Refuse a public function that is no hook: it would never be called, and is most likely a misspelt one.

    A helper that other modules take from a method is listed in `__all__`, unless it is spelt nearly like a hook.
    """
    for function, value in vars(module).items():
        if function in hooks or function.startswith("_"):
            continue
        if not inspect.isfunction(value) or value.__module__ != module.__name__:
            continue
        meant = closest(function, hooks, _MISSPELT)
        if meant or function not in getattr(module, "__all__", ()):
            hint = f"did you mean {meant!r}?" if meant else f"hooks are {', '.join(sorted({*hooks} - {'Config'}))}."
            raise SettingError(
                f"algorithm {name!r}: {module.__name__}.{function} is not a hook; {hint} The name of a helper begins "
                "with _, or stands in __all__ where other modules use it"
            )

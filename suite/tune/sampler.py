"""The next trials of a method, from those before: Optuna's samplers, asked anew for every round.

Nothing is kept between rounds, so that what is tried follows from the run folders and the round's seed alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from algos.settings import SettingError, Value
from algos.space import Domain, Space, Span
from suite.record.trials import Trial

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

__all__ = ["check", "propose"]

_DIGITS = 3  # that count of a number that is tried


def check() -> None:
    """Raise `SettingError` where there is no Optuna."""
    if find_spec("optuna") is None:
        raise SettingError("bench tune needs optuna: pip install 'awac-bench[tune]'")


def propose(
    space: Space, before: Sequence[Trial], count: int, *, kind: str, seed: Sequence[int]
) -> list[dict[str, Value]]:
    """Settings of `count` trials; `before` are the finished ones, `kind` is tpe or random.

    A trial that diverged counts as the worst of them. One whose settings lie outside of the space, as defaults may, is
    not seen.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=_sampler(kind, seed))
    distributions = {name: _distribution(domain) for name, domain in space.items()}
    worst = min((t.score for t in before if t.score is not None), default=None)
    for trial in before:
        inside = all(trial.values[name] in domain for name, domain in space.items())
        if inside and (frozen := _frozen(trial, space, distributions, worst)):
            study.add_trial(frozen)
    asked = [study.ask(distributions).params for _ in range(count)]
    return [{name: _value(domain, params[name]) for name, domain in space.items()} for params in asked]


def _sampler(kind: str, seed: Sequence[int]) -> BaseSampler:
    from optuna.samplers import RandomSampler, TPESampler

    number = int(np.random.SeedSequence(tuple(seed)).generate_state(1)[0])
    if kind == "random":
        return RandomSampler(seed=number)
    # constant_liar: the trials of a round keep away from each other
    return TPESampler(seed=number, multivariate=True, constant_liar=True)


def _distribution(domain: Domain) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if isinstance(domain, Span):
        return FloatDistribution(domain.low, domain.high, log=domain.log)
    return CategoricalDistribution(tuple(range(len(domain.values))))  # Optuna takes no tuples


def _value(domain: Domain, param: Any) -> Value:
    if isinstance(domain, Span):
        return min(max(float(f"{param:.{_DIGITS}g}"), domain.low), domain.high)
    return domain.values[int(param)]


def _frozen(
    trial: Trial, space: Space, distributions: dict[str, BaseDistribution], worst: float | None
) -> FrozenTrial | None:
    """A finished trial as Optuna knows it; None where it says nothing."""
    from optuna.trial import TrialState, create_trial

    params = {
        name: trial.values[name] if isinstance(domain, Span) else domain.values.index(trial.values[name])
        for name, domain in space.items()
    }
    if trial.state == "given up":
        rungs = dict(enumerate(trial.rungs))
        return create_trial(
            state=TrialState.PRUNED, params=params, distributions=distributions, intermediate_values=rungs
        )
    value = trial.score if trial.state == "complete" else worst
    return None if value is None else create_trial(params=params, distributions=distributions, value=value)

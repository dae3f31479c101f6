"""Natural gradients: the KL, its curvature and the solver, against torch's own; float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, OneHotCategorical, kl_divergence

from algos.networks.dists import Categorical, Gaussian
from algos.networks.nets import Linear
from algos.networks.policies import CategoricalPolicy, GaussianPolicy
from algos.parts.natural import as_vector, at, conjugate_gradient, fisher, kl, split

SEEDS, OBS, ACT = 2, 3, 2


def some(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def small_policy(seeds: int = SEEDS) -> GaussianPolicy:
    """37 parameters per seed, with different deviations."""
    out = GaussianPolicy(seeds, OBS, ACT, (4, 3))
    for module in out.modules():
        if isinstance(module, Linear):
            module.bound = 0.8
            module.init([torch.Generator().manual_seed(s) for s in range(seeds)])
    with torch.no_grad():
        out.log_std_logits.copy_(some(seeds, 1, ACT, seed=9))
    return out.double()


def small_categorical() -> CategoricalPolicy:
    """51 parameters per seed, over three choices."""
    out = CategoricalPolicy(SEEDS, OBS, 3, (4, 3))
    for module in out.modules():
        if isinstance(module, Linear):
            module.bound = 0.8
            module.init([torch.Generator().manual_seed(s) for s in range(SEEDS)])
    return out.double()


def here(policy: GaussianPolicy | CategoricalPolicy) -> Tensor:
    return as_vector(list(policy.parameters())).detach()


def test_parameters_become_a_vector_and_come_back() -> None:
    parts = [some(SEEDS, 3, 4), some(SEEDS, 1, 4, seed=1), some(SEEDS, 5, seed=2)]
    vector = as_vector(parts)
    assert vector.shape == (SEEDS, 21)
    assert all(torch.equal(a, b) for a, b in zip(split(vector, parts), parts, strict=True))


def test_a_policy_at_its_own_parameters_is_itself_and_at_others_it_is_what_they_make() -> None:
    policy, other, obs = small_policy(), small_policy(), some(SEEDS, 7, OBS)
    same = at(policy, here(policy), obs)
    assert torch.equal(same.mean, policy(obs).mean)
    assert torch.equal(same.log_std, policy(obs).log_std)
    with torch.no_grad():
        for n, p in enumerate(other.parameters()):
            p.add_(0.1 * some(*p.shape, seed=n))
    moved = at(policy, here(other), obs)
    assert torch.equal(moved.mean, other(obs).mean)
    assert torch.equal(moved.log_std, other(obs).log_std)
    assert torch.equal(policy(obs).mean, same.mean), "the policy itself stays where it is"


def test_the_kl_is_that_of_normals() -> None:
    old = Gaussian(some(SEEDS, 7, ACT), some(SEEDS, 1, ACT, seed=1))
    new = Gaussian(some(SEEDS, 7, ACT, seed=2), some(SEEDS, 1, ACT, seed=3))
    theirs = kl_divergence(Normal(old.mean, old.std), Normal(new.mean, new.std)).sum(-1).mean(1)
    torch.testing.assert_close(kl(old, new), theirs, rtol=1e-12, atol=1e-12)
    assert not kl(old, old).any()


def test_the_kl_of_choices_is_torchs() -> None:
    old, new = (Categorical(2 * some(SEEDS, 7, 3, seed=n)) for n in range(2))
    theirs = kl_divergence(OneHotCategorical(logits=old.logits), OneHotCategorical(logits=new.logits)).mean(1)
    torch.testing.assert_close(kl(old, new), theirs, rtol=1e-12, atol=1e-12)
    assert kl(old, old).abs().max() < 1e-15


@pytest.mark.parametrize("family", [small_policy, small_categorical])
@pytest.mark.parametrize("damping", [0.0, 0.1])
def test_the_fisher_product_is_the_hessian_of_the_kl_times_the_vector(damping: float, family: Any) -> None:
    policy, obs = family(), some(SEEDS, 6, OBS)
    centre, old = here(policy), policy(obs).detached()
    v = some(*centre.shape, seed=5)
    got = fisher(policy, obs, damping)(v)
    for s in range(SEEDS):

        def of_seed(x: Tensor, s: int = s) -> Tensor:
            whole = torch.cat((centre[:s], x[None], centre[s + 1 :]))
            return kl(old, at(policy, whole, obs))[s]

        hessian = torch.autograd.functional.hessian(of_seed, centre[s])
        assert isinstance(hessian, Tensor)
        assert float(torch.linalg.eigvalsh(hessian).min()) > -1e-10
        torch.testing.assert_close(got[s], hessian @ v[s] + damping * v[s], rtol=1e-9, atol=1e-11)


def test_the_fisher_matrix_is_the_mean_outer_product_of_scores() -> None:
    """Its other definition, by a large sample from the policy; what the KL's form must agree with."""
    policy, obs = small_policy(1), some(1, 1, OBS)
    dist = policy(obs)
    n, v = 20_000, some(1, here(policy).shape[1], seed=5)
    action = dist.mean + dist.std * some(1, n, ACT, seed=6)
    scores = torch.func.vmap(
        torch.func.jacrev(lambda x, a: at(policy, x, obs).log_prob(a[None, None])[0, 0]), (None, 0)
    )(here(policy), action[0].detach())[:, 0]
    expected = (scores * (scores @ v[0])[:, None]).mean(0)
    got = fisher(policy, obs, 0.0)(v)[0]
    assert float((got - expected).norm()) < 0.05 * float(got.norm())


def systems(size: int = 20) -> tuple[Tensor, Tensor]:
    """A positive definite system per seed, of different scales."""
    root = some(3, size, size)
    matrix = root @ root.mT / size + torch.tensor([1.0, 0.5, 10.0]).double()[:, None, None] * torch.eye(size).double()
    return matrix, some(3, size, seed=1) * torch.tensor([1.0, 1e-4, 1e3]).double()[:, None]


def test_conjugate_gradients_solve_every_seeds_system_in_as_many_steps_as_it_has_numbers() -> None:
    matrix, b = systems()
    x = conjugate_gradient(lambda v: (matrix @ v[..., None])[..., 0], b, 20)
    exact = torch.linalg.solve(matrix, b)
    assert (x - exact).norm(dim=1).div(exact.norm(dim=1)).max() < 1e-8
    early = conjugate_gradient(lambda v: (matrix @ v[..., None])[..., 0], b, 3)
    assert (early - exact).norm(dim=1).div(exact.norm(dim=1)).min() > 1e-6


def test_each_step_brings_the_solution_closer_in_the_norm_of_the_matrix() -> None:
    matrix, b = systems()
    exact = torch.linalg.solve(matrix, b)
    distances = []
    for n in range(8):
        error = conjugate_gradient(lambda v: (matrix @ v[..., None])[..., 0], b, n) - exact
        distances.append((error * (matrix @ error[..., None])[..., 0]).sum(1))
    assert (torch.stack(distances).diff(dim=0) < 0).all()


def test_a_solved_seed_stays_as_it_is_beside_others() -> None:
    """One system is solved by its first step, one has nothing to solve; more steps leave both finite and right."""
    matrix, b = systems()
    matrix[0] = 3.0 * torch.eye(20)
    b[2] = 0.0
    x = conjugate_gradient(lambda v: (matrix @ v[..., None])[..., 0], b, 60)
    torch.testing.assert_close(x[0], b[0] / 3, rtol=1e-12, atol=0)
    torch.testing.assert_close(x[1], torch.linalg.solve(matrix[1], b[1]), rtol=1e-8, atol=0)
    assert not x[2].any()

"""Networks and distributions against torch's own layers and distributions."""

from __future__ import annotations

import math
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal, TransformedDistribution
from torch.distributions.transforms import TanhTransform

from algos.networks.dists import Deterministic, Gaussian, SquashedGaussian
from algos.networks.nets import ACTIVATIONS, MLP, Activation, LayerNorm, Nets, TwinQ, activate
from algos.networks.policies import DeterministicPolicy, GaussianPolicy, SquashedPolicy

S, ROWS, A = 2, 64, 3


def made(kind: str) -> tuple[Any, Any]:
    """One of our distributions and torch's version of it; float64."""
    g = torch.Generator().manual_seed(0)
    mean = 0.5 * torch.randn(S, ROWS, A, generator=g).double()
    if kind == "gaussian":
        log_std = torch.randn(S, 1, A, generator=g).double() - 1
        return Gaussian(mean, log_std), Independent(Normal(mean, log_std.exp().expand_as(mean)), 1)
    log_std = 0.5 * torch.randn(S, ROWS, A, generator=g).double() - 0.5
    squash = TanhTransform(cache_size=1)
    return SquashedGaussian(mean, log_std), Independent(TransformedDistribution(Normal(mean, log_std.exp()), squash), 1)


both = pytest.mark.parametrize("kind", ["gaussian", "squashed"])


@both
def test_log_prob_of_given_actions_is_torchs(kind: str) -> None:
    ours, theirs = made(kind)
    action = 1.996 * torch.rand(S, ROWS, A, generator=torch.Generator().manual_seed(1)).double() - 0.998
    torch.testing.assert_close(ours.log_prob(action), theirs.log_prob(action), rtol=1e-9, atol=1e-9)


@both
def test_samples_come_with_their_own_log_prob(kind: str) -> None:
    ours, theirs = made(kind)
    noise = torch.randn(S, ROWS, A, generator=torch.Generator().manual_seed(1)).double()
    action, log_prob = ours.sample(noise)
    inside = (action.abs() < 0.998).all(-1) | torch.tensor(kind == "gaussian")
    assert inside.float().mean() > 0.5
    torch.testing.assert_close(log_prob[inside], ours.log_prob(action)[inside], rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(log_prob, theirs.log_prob(action), rtol=1e-6, atol=1e-6)
    expected = ours.mean + ours.std * noise
    torch.testing.assert_close(action, expected.tanh() if kind == "squashed" else expected)
    assert torch.equal(ours.mode, ours.sample(torch.zeros_like(noise))[0])


def test_the_squashed_density_integrates_to_one() -> None:
    a = torch.linspace(-0.999, 0.999, 20001, dtype=torch.float64)
    dist = SquashedGaussian(torch.full((1, 1, 1), 0.3).double(), torch.full((1, 1, 1), -1.0).double())
    assert float(torch.trapezoid(dist.log_prob(a[None, :, None]).exp()[0], a)) == pytest.approx(1, abs=1e-6)


@both
@pytest.mark.parametrize("at", [1.0, -1.0, 1.4, -1.4, 1 - 1e-7])
@pytest.mark.parametrize("log_std", [-6.0, 0.0])
def test_actions_at_and_beyond_the_bounds_have_a_finite_log_prob_and_gradient(
    kind: str, at: float, log_std: float
) -> None:
    mean = torch.zeros(1, 4, A, requires_grad=True)
    spread = torch.full((1, 4, A), log_std, requires_grad=True)
    dist = SquashedGaussian(mean, spread) if kind == "squashed" else Gaussian(mean, spread)
    log_prob = dist.log_prob(torch.full((1, 4, A), at))
    gradients = torch.autograd.grad(log_prob.sum(), (mean, spread))
    assert log_prob.isfinite().all()
    assert all(g.isfinite().all() for g in gradients)
    assert (gradients[0].sign() == math.copysign(1, at)).all()  # the mean is pulled towards the action


def test_squashed_samples_far_out_stay_finite_with_their_gradients() -> None:
    mean = torch.tensor([[[-200.0, 0.0, 200.0]]], requires_grad=True)
    action, log_prob = SquashedGaussian(mean, torch.zeros(1, 1, 3)).sample(torch.ones(1, 1, 3))
    (gradient,) = torch.autograd.grad(log_prob.sum(), mean)
    assert action.abs().max() <= 1
    assert log_prob.isfinite().all()
    assert gradient.isfinite().all()
    assert gradient[0, 0].sign().tolist() == [-1, 1, 1]  # log pi grows outwards, where tanh is flat


def test_a_deterministic_policy_does_one_thing_and_explores_around_it() -> None:
    mean = torch.tensor([[[-0.9, 0.0, 0.5]]], requires_grad=True)
    dist = Deterministic(mean, noise=0.2)
    action, log_prob = dist.sample(torch.tensor([[[-3.0, 1.0, -1.0]]]))
    torch.testing.assert_close(action, torch.tensor([[[-1.0, 0.2, 0.3]]]))  # inside the bounds
    assert log_prob.tolist() == [[0.0]]
    assert torch.equal(dist.mode, mean)
    assert torch.equal(dist.sample(torch.zeros_like(mean))[0], mean)
    assert dist.std.tolist() == [[pytest.approx([0.2] * 3)]]
    (gradient,) = torch.autograd.grad(action.sum(), mean)
    assert gradient.tolist() == [[[0.0, 1.0, 1.0]]]
    with pytest.raises(TypeError, match="a deterministic policy has no density"):
        dist.log_prob(action)


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(s) for s in seeds]


def init(module: nn.Module, *seeds: int) -> None:
    for part in module.modules():
        if hasattr(part, "init"):
            part.init(generators(*seeds))


@pytest.mark.parametrize("lead", [(3,), (3, 2)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_stack_equals_separate_networks(lead: tuple[int, ...], activation: Activation) -> None:
    mlp = MLP(lead, (5, 16, 16, 4))
    activate(mlp, activation)
    init(mlp, 1, 2, 3)
    x = torch.randn(*lead, 8, 5, generator=torch.Generator().manual_seed(0))
    out = mlp(x)
    assert out.shape == (*lead, 8, 4)
    for index in torch.cartesian_prod(*(torch.arange(n) for n in lead)).view(-1, len(lead)).tolist():
        torch.testing.assert_close(out[tuple(index)], tiny.plain(mlp, *index)(x[tuple(index)]))


@torch.no_grad()
def test_normalised_stacks_equal_separate_networks() -> None:
    mlp = MLP((3, 2), (5, 16, 16, 4), layer_norm=True)
    init(mlp, 1, 2, 3)
    g = torch.Generator().manual_seed(0)
    norms = [part for part in mlp.modules() if isinstance(part, LayerNorm)]
    assert len(norms) == 2  # one per hidden layer
    for norm in norms:
        assert norm.scale.eq(1).all()
        assert norm.shift.eq(0).all()
        norm.scale.add_(torch.randn(norm.scale.shape, generator=g))
        norm.shift.add_(torch.randn(norm.shift.shape, generator=g))
    x = torch.randn(3, 2, 8, 5, generator=g)
    out = mlp(x)
    for s, e in [(0, 0), (1, 1), (2, 0)]:
        torch.testing.assert_close(out[s, e], tiny.plain(mlp, s, e)(x[s, e]), rtol=1e-5, atol=1e-5)
    far = MLP((3, 2), (5, 16, 16, 4), layer_norm=True)
    far.load_state_dict(mlp.state_dict())
    far.layers[0].bias.zero_()
    torch.testing.assert_close(far(1000 * x), far(2000 * x), rtol=1e-3, atol=1e-3)  # values far out stay bounded


@pytest.mark.parametrize(("algo", "networks"), [("awac", 1), ("iql", 2), ("dapg", 2), ("bear", 3)])
def test_every_network_has_the_activation_asked_for(algo: str, networks: int) -> None:
    for activation in ACTIVATIONS:
        learner = tiny.learner(algo, common={"activation": activation})
        parts = [m for m in learner.nets.modules() if isinstance(m, MLP)]
        assert len(parts) >= networks
        assert {m.activation for m in parts} == {activation}
        learner.run(2 * learner.pace.policy_every)
        assert learner.finite().all()
        batch, _ = learner.draw()
        if learner.nets.critic is not None:
            q, expected = learner.nets.q(batch.obs, batch.action), tiny.plain(learner.nets.critic.body, 1, 0)
            torch.testing.assert_close(q[1, 0], expected(torch.cat((batch.obs, batch.action), -1)[1])[:, 0])


def test_twin_critics_see_observation_and_action_and_differ() -> None:
    critic = TwinQ(2, 3, 5, 3, (16,))
    init(critic, 1, 2)
    obs, action = torch.randn(2, 8, 5), torch.randn(2, 8, 3)
    q = critic(obs, action)
    assert q.shape == (2, 3, 8)
    for s in range(2):
        for e in range(3):
            alone = tiny.plain(critic.body, s, e)(torch.cat((obs[s], action[s]), -1))[:, 0]
            torch.testing.assert_close(q[s, e], alone)
    assert not torch.allclose(q[:, 0], q[:, 1])


@pytest.mark.parametrize("target", [False, True])
def test_values_of_many_actions_are_those_of_each(target: bool) -> None:
    made = nets((1, 2), copy_targets=False)
    obs, actions = torch.randn(2, 8, 5), torch.randn(2, 4, 8, 3)
    many = made.q_of_many(obs, actions, target)
    assert many.shape == (2, 2, 4, 8)
    for k in range(4):
        one = (made.target_q if target else made.q)(obs, actions[:, k])
        torch.testing.assert_close(many[:, :, k], one)


def test_a_target_policy_is_a_copy_that_no_gradient_reaches() -> None:
    for copied in (True, False):
        made = Nets(DeterministicPolicy(2, 5, 3, (16,)), None, {}, None, target_policy=True)
        made.init(generators(1, 2), copied)
        ((online, target),) = made.targets()
        assert (online, target) == (made.policy, made.target_policy)
        pairs = list(zip(online.parameters(), target.parameters(), strict=True))
        assert all(torch.equal(a, b) == copied for a, b in pairs)
        assert all(a.data_ptr() != b.data_ptr() and not b.requires_grad for a, b in pairs)
    assert nets((1, 2)).target_policy is None


def nets(seeds: tuple[int, ...], copy_targets: bool = True, q_max: float | None = None) -> Nets:
    policy = GaussianPolicy(len(seeds), 5, 3, (16, 16))
    out = Nets(policy, TwinQ(len(seeds), 2, 5, 3, (16, 16)), {"extra": MLP((len(seeds),), (5, 4))}, q_max)
    out.init(generators(*seeds), copy_targets)
    return out


def test_a_seed_starts_from_the_same_weights_alone_and_packed() -> None:
    packed = dict(nets((4, 8, 6)).named_parameters())
    for n, seed in enumerate((4, 8, 6)):
        for name, alone in nets((seed,)).named_parameters():
            assert torch.equal(alone[0], packed[name][n]), name
    weight = packed["policy.mean.layers.0.weight"]
    assert not torch.equal(weight[0], weight[1])


@pytest.mark.parametrize("copied", [True, False])
def test_targets_start_as_copies_unless_asked_otherwise(copied: bool) -> None:
    made = nets((1, 2), copy_targets=copied)
    assert made.critic is not None
    assert made.target_critic is not None
    pairs = list(zip(made.critic.parameters(), made.target_critic.parameters(), strict=True))
    assert all(torch.equal(a, b) == copied for a, b in pairs)
    assert all(a.data_ptr() != b.data_ptr() and not b.requires_grad for a, b in pairs)


def test_initial_weights_are_those_of_torchs_linear_layers() -> None:
    """Uniform in +-1/sqrt(inputs), as nn.Linear's, except for a small last layer of the policy."""
    policy = GaussianPolicy(4, 16, 3, (64, 64))
    init(policy, 1, 2, 3, 4)
    *hidden, last = policy.mean.layers
    for layer, inputs in zip(hidden, (16, 64), strict=True):
        reference = nn.Linear(inputs, 64)
        for p, q in ((layer.weight, reference.weight), (layer.bias, reference.bias)):
            assert float(p.detach().abs().max()) == pytest.approx(1 / math.sqrt(inputs), rel=0.05)
            assert float(p.detach().std()) == pytest.approx(float(q.detach().std()), rel=0.25)
    assert last.weight.detach().abs().max() <= 1e-3


def test_policies_start_near_zero_with_the_spread_of_the_source() -> None:
    obs = torch.randn(2, 8, 5)
    gaussian, squashed = GaussianPolicy(2, 5, 3, (16,)), SquashedPolicy(2, 5, 3, (16,))
    for policy, log_std in ((gaussian, -3.0), (squashed, 0.0)):
        init(policy, 1, 2)
        dist = policy(obs)
        assert dist.mode.shape == (2, 8, 3)
        assert dist.mode.detach().abs().max() < 0.02
        torch.testing.assert_close(dist.std.detach().log(), torch.full_like(dist.std, log_std), atol=0.02, rtol=0)


def test_a_deterministic_policy_is_the_tanh_of_its_network() -> None:
    policy = DeterministicPolicy(2, 5, 3, (16, 16), noise=0.1)
    init(policy, 1, 2)
    obs = torch.randn(2, 8, 5)
    dist = policy(obs)
    for s in range(2):
        torch.testing.assert_close(dist.mode[s], tiny.plain(policy.body, s)(obs[s]).tanh())
    assert dist.std.flatten().tolist() == pytest.approx([0.1] * 6)
    assert dist.mode.detach().abs().mean() > 0.05  # unlike the others it starts with torch's own last layer


@pytest.mark.parametrize(("logit", "log_std"), [(-50.0, -6.0), (50.0, 0.0)])
def test_the_gaussian_spread_stays_in_its_range(logit: float, log_std: float) -> None:
    policy = GaussianPolicy(1, 5, 3, (8,))
    init(policy, 0)
    nn.init.constant_(policy.log_std_logits, logit)
    assert policy(torch.zeros(1, 2, 5)).std.log().tolist()[0][0] == pytest.approx([log_std] * 3, abs=1e-5)


@pytest.mark.parametrize(("bias", "log_std"), [(-100.0, -20.0), (100.0, 2.0)])
def test_the_squashed_spread_stays_in_its_range(bias: float, log_std: float) -> None:
    policy = SquashedPolicy(1, 5, 3, (8,))
    init(policy, 0)
    *_, last = policy.parameters()
    nn.init.constant_(last, bias)
    assert policy(torch.zeros(1, 2, 5)).log_std[0, 0].tolist() == [log_std] * 3


def test_an_output_bound_holds_for_critics_and_targets() -> None:
    free, bounded = nets((1, 2)), nets((1, 2), q_max=-0.01)
    obs, action = torch.randn(2, 64, 5), torch.randn(2, 64, 3)

    def values(n: Nets) -> list[Tensor]:
        return [n.q(obs, action).detach(), n.target_q(obs, action).detach()]

    for raw, clamped in zip(values(free), values(bounded), strict=True):
        assert (raw > -0.01).any()
        assert torch.equal(clamped, raw.clamp(max=-0.01))


def test_tiny_policies_are_what_the_closed_forms_take_them_for() -> None:
    dist = tiny.constant_policy(0.37, 0.51)(torch.randn(1, 4, 1).double())
    torch.testing.assert_close(dist.mean, torch.full((1, 4, 1), 0.37).double())
    torch.testing.assert_close(dist.std, torch.full((1, 1, 1), 0.51).double())
    grid = tiny.normal_grid(999)
    assert float(grid.mean()) == pytest.approx(0, abs=1e-12)
    assert float(grid.var(correction=0)) == pytest.approx(1)

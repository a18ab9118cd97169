from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from eureka_agent.analysis.rewards.distance import (
    RewardDistances,
    ValueFeatures,
    clusters,
    distances,
    diversity,
    opposites,
)
from eureka_agent.common.paths import data_folder
from eureka_agent.environment import SignalLayout, Transitions, find_environment
from eureka_agent.environment.episodes import BoolArray, FloatArray
from eureka_agent.reward import RewardValues, parse
from eureka_agent.workers.probe.samples import sample_transitions, sampled_batch

DISCOUNT = 0.99
ENVIRONMENTS = ("half_cheetah", "hopper")
SEEDS = 2
HEIGHT = 1
"""Column of the torso's height in both."""

Potential = Callable[[FloatArray], FloatArray]


@dataclass
class Bank:
    """Random transitions of an environment, and its human reward for them."""

    name: str
    parts: list[Transitions]
    before: FloatArray
    after: FloatArray
    terminated: BoolArray
    human: FloatArray
    speed: FloatArray

    def pay(self, text: str) -> FloatArray:
        """Rewards of a program [M]."""
        totals = [self.evaluate(text, part).total for part in self.parts]
        return torch.cat(totals).double().numpy()

    def component(self, text: str, name: str) -> tuple[FloatArray, FloatArray]:
        """A component on transitions that stand still, before and after each step [M, 1]."""
        sides: list[list[torch.Tensor]] = [[], []]
        for part in self.parts:
            for side, state in zip(sides, (part.before, part.after), strict=True):
                still = replace(
                    part, before=state, after=state, terminated=torch.zeros_like(part.terminated)
                )
                side.append(self.evaluate(text, still).components[name])
        before, after = (torch.cat(side).double().numpy()[:, None] for side in sides)
        return before, after

    def evaluate(self, text: str, transitions: Transitions) -> RewardValues:
        signals = find_environment(self.name).signals_described
        program = parse(text, signals)
        batch = sampled_batch(transitions, SignalLayout(signals), program.parameters)
        return program.compile()(batch.arguments)

    def shaping(self, potential: Potential) -> FloatArray:
        """A difference of potentials [M] that varies as much as the human reward."""
        there = np.where(self.terminated, 0.0, potential(self.after))
        shaped = DISCOUNT * there - potential(self.before)
        return shaped * self.human.std() / shaped.std()

    def distances(
        self, *rewards: FloatArray, components: tuple[FloatArray, FloatArray] | None = None
    ) -> RewardDistances:
        paid = np.stack(rewards, axis=1)
        return distances(self.before, self.after, self.terminated, paid, DISCOUNT, components)


@pytest.fixture(scope="session")
def banks() -> dict[str, Bank]:
    return {name: record(name) for name in ENVIRONMENTS}


@pytest.fixture(params=ENVIRONMENTS)
def bank(request: pytest.FixtureRequest, banks: dict[str, Bank]) -> Bank:
    return banks[request.param]


@pytest.fixture
def cheetah(banks: dict[str, Bank]) -> Bank:
    return banks["half_cheetah"]


@pytest.fixture
def hopper(banks: dict[str, Bank]) -> Bank:
    return banks["hopper"]


def record(name: str) -> Bank:
    parts = [sample_transitions(find_environment(name), seed) for seed in range(SEEDS)]

    def rows(of: Callable[[Transitions], torch.Tensor]) -> FloatArray:
        flat = [of(part).flatten(0, 1).double().numpy() for part in parts]
        return np.concatenate(flat)

    before = rows(lambda part: torch.cat([part.before, part.prev_action], dim=-1))
    after = rows(lambda part: torch.cat([part.after, part.action], dim=-1))
    terminated = rows(lambda part: part.terminated).astype(np.bool_)
    bank = Bank(name, parts, before, after, terminated, before, before)
    bank.human = bank.pay(human_reward(name))
    bank.speed = bank.pay(program("forward", "forward = torso_velocity[:, 0]", "torso_velocity"))
    return bank


def human_reward(name: str) -> str:
    return (data_folder("envs") / name / "human_reward.py").read_text(encoding="utf-8")


def program(name: str, body: str, *parameters: str) -> str:
    head = (
        f'"""Idea."""\nWEIGHTS = {{"{name}": 1.0}}\ndef compute_reward({", ".join(parameters)}):\n'
    )
    return f'{head}    {body}\n    return {{"{name}": {name}}}\n'


def inside(bank: Bank) -> Potential:
    """A potential that the value function can express: some of its own features."""
    features = ValueFeatures(np.concatenate([bank.before, bank.after]), DISCOUNT)
    weights = np.random.default_rng(3).normal(size=features(bank.before[:1]).shape[1])
    weights[0] = 0.0
    return lambda states: features(states) @ weights


def outside(bank: Bank) -> Potential:
    """A potential that the value function cannot express: a random network of one hidden layer."""
    generator = np.random.default_rng(5)
    columns = bank.before.shape[1]
    directions = generator.normal(size=(columns, 32)) * 2 / columns**0.5
    weights = generator.normal(size=32)
    middle, spread = bank.before.mean(axis=0), bank.before.std(axis=0) + 1e-9
    return lambda states: np.tanh((states - middle) / spread @ directions) @ weights


def test_a_factor_makes_no_difference(bank: Bank) -> None:
    assert bank.distances(bank.human, 10 * bank.human).matrix[0, 1] < 1e-6


def test_shaping_that_the_value_function_can_express_makes_no_difference(bank: Bank) -> None:
    shaped = bank.human + bank.shaping(inside(bank))
    assert np.corrcoef(shaped, bank.human)[0, 1] < 0.9
    assert bank.distances(bank.human, shaped).matrix[0, 1] < 0.02


def test_other_shaping_makes_little_difference(bank: Bank) -> None:
    shaped = bank.human + bank.shaping(outside(bank))
    assert np.corrcoef(shaped, bank.human)[0, 1] < 0.9
    assert bank.distances(bank.human, shaped).matrix[0, 1] < 0.12


def test_shaping_by_a_component_of_the_program_is_seen_through(bank: Bank) -> None:
    potential = "torch.sin(12 * {0}[:, 0]) * torch.sin(9 * {0}[:, 1])"
    now, before = potential.format("joint_angles"), potential.format("prev_joint_angles")
    body = f"shaping = 0.99 * {now} * (~terminated).float() - {before}"
    text = program("shaping", body, "joint_angles", "prev_joint_angles", "terminated")
    paid = bank.pay(text)
    shaped = bank.human + 2 * paid * bank.human.std() / paid.std()
    without = bank.distances(bank.human, shaped).matrix[0, 1]
    known = bank.component(text, "shaping")
    with_it = bank.distances(bank.human, shaped, components=known).matrix[0, 1]
    assert without > 0.06
    assert with_it < 0.02


def test_a_little_noise_makes_little_difference(bank: Bank) -> None:
    noise = np.random.default_rng(1).normal(size=len(bank.human)) * bank.human.std() / 10
    assert bank.distances(bank.human, bank.human + noise).matrix[0, 1] < 0.025


def test_a_constant_makes_no_difference_where_episodes_never_end_early(cheetah: Bank) -> None:
    assert not cheetah.terminated.any()
    assert cheetah.distances(cheetah.human, cheetah.human + 1).matrix[0, 1] < 1e-6


def test_a_constant_is_a_reason_to_live_where_episodes_can_end(hopper: Bank) -> None:
    assert hopper.terminated.any()
    assert 0.05 < hopper.distances(hopper.human, hopper.human + 1).matrix[0, 1] < 0.2


def test_a_time_limit_is_no_end(hopper: Bank) -> None:
    limited = replace(hopper, terminated=np.zeros_like(hopper.terminated))
    assert limited.distances(limited.human, limited.human + 1).matrix[0, 1] < 1e-6


def test_dropping_the_price_of_a_fall_makes_a_difference(hopper: Bank) -> None:
    assert 0.2 < hopper.distances(hopper.human, hopper.speed).matrix[0, 1] < 0.5


def test_the_negated_reward_is_opposite(bank: Bank) -> None:
    matrix = bank.distances(bank.human, -bank.human, bank.shaping(inside(bank)) - bank.human).matrix
    assert matrix[0, 1] == pytest.approx(1.0)
    assert opposites(matrix) == [(0, 1), (0, 2)]


def test_unrelated_rewards_are_far_apart(bank: Bank) -> None:
    noise = np.random.default_rng(1).normal(size=len(bank.human))
    stripes = np.sin(40 * bank.after[:, HEIGHT])
    matrix = bank.distances(bank.human, noise, stripes).matrix
    assert (matrix[np.triu_indices(3, 1)] > 0.4).all()


def test_distances_are_symmetric_and_keep_the_triangle_inequality(bank: Bank) -> None:
    generator = np.random.default_rng(2)
    some = np.stack([bank.human, bank.speed, *bank.after.T[:6]], axis=1)
    mixed = some @ generator.normal(size=(8, 10))
    matrix = bank.distances(*mixed.T).matrix
    assert np.array_equal(matrix, matrix.T)
    assert (np.diag(matrix) == 0).all()
    assert ((matrix >= 0) & (matrix <= 1)).all()
    over_another = (matrix[:, :, None] + matrix[None, :, :]).min(axis=1)
    assert (matrix <= over_another + 1e-7).all()


def test_other_programs_change_nothing(hopper: Bank) -> None:
    alone = hopper.distances(hopper.human, hopper.speed).matrix
    among = hopper.distances(hopper.human, hopper.speed, -1e6 * hopper.human).matrix
    assert among[:2, :2] == pytest.approx(alone, abs=1e-6)


def test_a_constant_reward_is_degenerate_where_nothing_ends(cheetah: Bank, hopper: Bank) -> None:
    constant = np.ones_like(cheetah.human)
    result = cheetah.distances(cheetah.human, constant, 0 * constant)
    assert result.degenerate.tolist() == [False, True, True]
    assert np.isnan(result.matrix[1:]).all()
    assert result.matrix[0, 0] == 0
    reasons = result.reasons(["one", "two", "three"])
    assert [reason.split()[0] for reason in reasons] == ["two", "three"]
    assert not hopper.distances(np.ones_like(hopper.human)).degenerate.any()


def test_a_program_that_is_not_finite_leaves_the_others_alone(hopper: Bank) -> None:
    broken = hopper.human.copy()
    broken[7] = np.inf
    result = hopper.distances(hopper.human, broken, hopper.speed)
    assert result.degenerate.tolist() == [False, True, False]
    alone = hopper.distances(hopper.human, hopper.speed).matrix
    assert result.matrix[0, 2] == pytest.approx(alone[0, 1])


def test_components_that_are_not_known_say_nothing(hopper: Bank) -> None:
    unknown = np.full((len(hopper.human), 2), np.nan)
    plain = hopper.distances(hopper.human, hopper.speed).matrix
    given = hopper.distances(hopper.human, hopper.speed, components=(unknown, unknown)).matrix
    assert given == pytest.approx(plain)


def test_the_reasons_name_equals_and_opposites(cheetah: Bank) -> None:
    result = cheetah.distances(cheetah.human, 3 * cheetah.human, -cheetah.human)
    equal, contrary, contrary_too = result.reasons(["first", "second", "third"])
    assert equal.startswith("second asks for the same as first (distance 0.000")
    assert contrary == "third asks for the contrary of first."
    assert contrary_too == "third asks for the contrary of second."


def test_equals_are_equal_to_the_first_itself_and_not_over_others() -> None:
    on_a_line = np.array([0.0, 0.02, 0.04, 0.5])
    matrix = np.abs(on_a_line[:, None] - on_a_line)
    assert clusters(matrix).tolist() == [0, 0, 2, 3]
    assert clusters(matrix[:2, :2]).tolist() == [0, 0]


def test_a_program_without_distances_equals_none() -> None:
    matrix = np.array([[np.nan, np.nan, np.nan], [np.nan, 0.0, 0.01], [np.nan, 0.01, 0.0]])
    assert clusters(matrix).tolist() == [0, 1, 1]
    assert opposites(matrix) == []


def test_diversity_is_the_mean_over_known_pairs() -> None:
    matrix = np.array([[0.0, 0.2, np.nan], [0.2, 0.0, 0.6], [np.nan, 0.6, 0.0]])
    assert diversity(matrix) == pytest.approx(0.4)
    assert np.isnan(diversity(matrix[:1, :1]))

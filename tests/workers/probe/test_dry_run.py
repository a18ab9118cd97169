"""The dry run rejects certain faults, and warns of components that teach nothing."""

import sys
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor

from eureka_agent.environment import (
    Environment,
    Episodes,
    SignalLayout,
    Transitions,
    find_environment,
)
from eureka_agent.reward import Finding, RewardFunction, RewardProgram, RewardValues, parse
from eureka_agent.reward.program import TorchState
from eureka_agent.workers.probe.dry_run import Origin, dry_run, origins
from eureka_agent.workers.probe.samples import (
    BLOCK,
    Batch,
    join,
    recorded_batch,
    sample_transitions,
    sampled_batch,
)

Try = Callable[..., list[Finding]]


def only(findings: list[Finding], rule: str, severity: str) -> Finding:
    assert [(f.rule, f.severity) for f in findings] == [(rule, severity)], findings
    assert findings[0].hint
    return findings[0]


def tampered(
    act: Callable[[Mapping[str, Tensor], RewardValues], None],
) -> Callable[[RewardProgram], RewardProgram]:
    """Programs whose function does something that the language has no words for."""

    class Function(RewardFunction):
        def __call__(self, arguments: Mapping[str, Tensor]) -> RewardValues:
            evaluation = super().__call__(arguments)
            act(arguments, evaluation)
            return evaluation

    class Program(RewardProgram):
        def compile(self) -> RewardFunction:
            return Function(self.tree, self.weights, self.scales, self.parameters)

    return lambda program: Program(**vars(program))


@pytest.mark.parametrize("name", ["cartpole", "half_cheetah"])
def test_human_rewards_pass_without_findings(name: str) -> None:
    environment = find_environment(name)
    assert environment.human_reward_path is not None
    program = parse(environment.human_reward_path.read_text(), environment.signals_described)
    layout = SignalLayout(environment.signals_described)
    batch = sampled_batch(sample_transitions(environment, 0), layout, program.parameters)
    assert dry_run(program, [batch]) == []


def test_a_program_that_raises_gets_the_line_and_the_shapes(tried: Try) -> None:
    body = 'pair = torch.cat([action, action], dim=-1)\nreturn {"a": pair @ pole_up}'
    finding = only(tried(body), "exception", "error")
    assert finding.line == 6
    assert "Error" in finding.message
    assert finding.hint == "The arguments are pole_up [M], action [M, 1], with M rows."


@pytest.mark.parametrize(
    "value", ["action", "torch.tensor(1.0)", "pole_up[:10]", "1.0 + len(pole_up)"]
)
def test_a_wrong_shape_is_refused(tried: Try, value: str) -> None:
    finding = only(tried(f'result = {{"a": {value}}}\nreturn result'), "shape", "error")
    assert '"a"' in finding.message
    assert finding.line == 5


def test_values_that_are_not_finite_come_with_a_row_that_makes_them(tried: Try) -> None:
    body = 'speed = cart_velocity.sqrt()\nreturn {"a": speed, "b": pole_up}'
    finding = only(tried(body, weights='{"a": 1.0, "b": 1.0}'), "not-finite", "error")
    assert finding.line == 5
    assert "of 2,048 transitions under random actions: it is nan" in finding.message
    # Only what the component reads is shown.
    assert "where cart_velocity = -" in finding.message
    assert "pole_up" not in finding.message


def test_a_sum_beyond_float32_is_refused(tried: Try) -> None:
    body = 'big = 1e38 * (2.0 + pole_up)\nreturn {"a": big}'
    assert "too large" in only(tried(body, weights='{"a": 1e6}'), "not-finite", "error").message


WRAP = "def wrap(v):\n    return v\n"


@pytest.mark.parametrize(
    ("returned", "rule", "hint"),
    [
        ("wrap([pole_up])", "return", "Write return"),
        ('wrap({"b": pole_up, "a": pole_up})', "component-without-weight", "Add it to WEIGHTS"),
        ('wrap({"b": pole_up})', "weight-without-component", "Return it"),
    ],
)
def test_a_result_that_the_text_hides_gets_the_rule_of_the_text(
    tried: Try, returned: str, rule: str, hint: str
) -> None:
    finding = only(tried(f"return {returned}", helpers=WRAP), rule, "error")
    assert finding.hint.startswith(hint)


def test_a_program_that_changes_torch_is_told_so(
    tried: Try, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TorchState, "restore", lambda state: "default type")
    finding = only(tried('return {"a": pole_up}'), "torch-settings", "error")
    assert finding.message == "The program changed torch's default type."
    assert "torch" in finding.hint


@pytest.mark.parametrize(
    "body",
    [
        "torch.zeros(1000000, 1000000).sum() + pole_up",
        "torch.ones(1000000).outer(torch.ones(1000000))[0, 0] + pole_up",
    ],
)
def test_giant_tensors_are_refused_in_words(tried: Try, body: str) -> None:
    finding = only(tried(f'return {{"a": {body}}}'), "memory", "error")
    assert finding.line == 5
    assert "3,725.3 GiB" in finding.message


@pytest.mark.parametrize(
    "mixed",
    [
        "x.cumsum(0)",
        "x / x.max()",
        "x - x.mean()",
        "x.argsort().argsort().float()",
        "x.sort().values",
        "x.roll(1, 0)",
        "x.flip(0)",
        "x / x.shape[0]",
        "x * torch.arange(x.shape[0])",
        "(x > x.median()).float()",
        "x.softmax(0)",
        "x + x[:10].sum()",
        "x + torch.ones(2048)",
    ],
)
def test_rows_that_depend_on_each_other_are_refused(tried: Try, mixed: str) -> None:
    findings = tried(
        'good = mixed(cart_velocity)\nreturn {"a": good, "b": pole_up}',
        weights='{"a": 1.0, "b": 1.0}',
        helpers=f"def mixed(x):\n    return {mixed}\n",
    )
    finding = only(findings, "row-dependence", "error")
    assert finding.line in (4, 7)
    assert "dim=-1" in finding.hint


def test_a_program_that_cannot_take_a_single_row_is_refused(tried: Try) -> None:
    finding = only(tried('return {"a": action.squeeze()}'), "few-rows", "error")
    assert "1 row" in finding.message


def test_a_program_that_pays_few_rows_differently_is_refused(tried: Try) -> None:
    body = 'up = pole_up if pole_up.numel() > 100 else 2.0 * pole_up\nreturn {"a": up}'
    assert '"a"' in only(tried(body), "row-dependence", "error").message


def test_one_marked_row_among_thousands_is_noticed(tried: Try) -> None:
    body = 'bonus = torch.zeros_like(pole_up)\nbonus[0] = 1.0\nreturn {"a": bonus, "b": pole_up}'
    findings = tried(body, weights='{"a": 1.0, "b": 1.0}')
    assert '"a"' in only(findings, "row-dependence", "error").message


def test_a_scale_by_the_largest_row_is_noticed_even_where_many_rows_are_largest(tried: Try) -> None:
    helpers = "def scaled(x):\n    return x / x.max()\n"
    only(
        tried('return {"a": scaled(action[:, 0] * 0.7)}', helpers=helpers),
        "row-dependence",
        "error",
    )


@pytest.mark.parametrize(
    "sound",
    [
        "(pole_up > 0.0).float()",
        "torch.stack([pole_up, cart_velocity], dim=-1).norm(dim=-1)",
        "torch.exp(20.0 * pole_up) - torch.exp(20.0 * pole_right)",
        "torch.einsum('ij,ij->i', action, action) - cart_velocity",
        "torch.stack([pole_up, cart_velocity], dim=1) @ torch.tensor([0.5, 1.5])",
        "pole_up.float_power(2.0).sign() + torch.floor(cart_velocity * 3.0)",
        "torch.stack([pole_up, cart_velocity, pole_right], -1).softmax(-1).std(dim=-1)",
    ],
)
def test_rows_that_stand_alone_pass(tried: Try, sound: str) -> None:
    assert not [f for f in tried(f'return {{"a": {sound}}}') if f.severity == "error"]


def test_a_reward_that_differs_between_two_calls_is_refused(tried: Try) -> None:
    calls = iter(range(1000))

    def drift(arguments: Mapping[str, Tensor], evaluation: RewardValues) -> None:
        evaluation.components["a"] += next(calls)

    findings = tried('return {"a": pole_up}', program_type=tampered(drift))
    assert '"a" differs by up to' in only(findings, "nondeterministic", "error").message


def test_a_changed_argument_is_a_warning(tried: Try) -> None:
    def spoil(arguments: Mapping[str, Tensor], evaluation: RewardValues) -> None:
        if unspoilt:
            arguments["pole_up"][unspoilt.pop()] = 0.5

    unspoilt = [7]
    findings = tried('return {"a": pole_up}', program_type=tampered(spoil))
    assert '"pole_up"' in only(findings, "changed-argument", "warning").message


def test_a_slow_program_is_warned_of_its_share_of_training_time(tried: Try) -> None:
    body = "x = pole_up\nfor i in range(200):\n    for j in range(40):\n"
    body += '        x = torch.exp(x * 0.1)\nreturn {"a": x + pole_up}'
    finding = only(tried(body), "slow", "warning")
    assert "% of a training run's time" in finding.message


AT_512 = "a = pole_up\nif pole_up.shape[0] == 512:\n    a = {}\nreturn {{'a': a}}"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("pole_up[:7]", "as many as a training run gives it at once"),
        ("-pole_up", "changes by up to"),
    ],
)
def test_a_fault_only_at_the_number_of_rows_in_training_is_found(
    tried: Try, value: str, said: str
) -> None:
    assert tried(AT_512.format(value)) == []
    finding = only(tried(AT_512.format(value), rows=512), "row-dependence", "error")
    assert said in finding.message


def test_a_program_that_would_take_far_longer_than_its_training_is_refused(
    tried: Try, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["eureka_agent.workers.probe.dry_run"]
    monkeypatch.setattr(module, "LEAST_S", 0.01)
    monkeypatch.setattr(module, "TOO_SLOW_US", 20.0)
    body = AT_512.format("torch.zeros(400, 400)")
    body = body.replace("    a =", "    a = pole_up + 0.0\n    x =").replace(
        "\nreturn", "\n    for i in range(200):\n        x = x @ x\n    a = a + x[0, 0]\nreturn"
    )
    assert tried(body, rows=1024) == []
    finding = only(tried(body, rows=512), "too-slow", "error")
    assert "512 rows" in finding.message


def test_a_constant_component_is_a_warning_on_its_line(tried: Try) -> None:
    body = 'b = 0.3 * torch.ones_like(pole_up)\nreturn {"a": pole_up, "b": b}'
    finding = only(tried(body, weights='{"a": 1.0, "b": 0.5}'), "constant", "warning")
    assert finding.line == 5
    said = '"b" is 0.3 on all 2,048 transitions under random actions: it teaches nothing there.'
    assert finding.message == said


def test_a_reward_that_pays_the_same_for_everything_is_one_warning(tried: Try) -> None:
    body = 'return {"a": torch.ones_like(pole_up), "b": 0.0 * pole_up}'
    only(tried(body, weights='{"a": 1.0, "b": 1.0}'), "constant-reward", "warning")


def test_a_saturated_component_is_a_warning(tried: Try) -> None:
    body = "far = torch.exp(-500.0 * (cart_position - 1.5).abs())\n"
    body += 'return {"a": cart_velocity, "far": far}'
    finding = only(tried(body, weights='{"a": 1.0, "far": 1.0}'), "saturated", "warning")
    assert '"far" stays near its lowest value' in finding.message
    assert "under random actions" in finding.message


def test_a_rare_event_is_called_an_event(tried: Try) -> None:
    body = 'event = (time_left < 0.001).float()\nreturn {"a": pole_up, "event": event}'
    finding = only(tried(body, weights='{"a": 1.0, "event": 1.0}'), "saturated", "warning")
    assert finding.message.startswith('"event" is 0 on 99.')
    assert "and 1 on the few others" in finding.message


def test_a_component_that_its_weight_hides_is_a_warning(tried: Try) -> None:
    body = 'return {"a": pole_up, "b": cart_velocity}'
    finding = only(tried(body, weights='{"a": 1.0, "b": 0.00001}'), "negligible", "warning")
    assert 'as much as "a" does' in finding.message


def test_components_that_are_only_shown_get_no_findings(tried: Try) -> None:
    body = 'return {"a": pole_up, "b": 0.0 * pole_up, "c": (pole_up > 2.0).float()}'
    assert tried(body, weights='{"a": 1.0, "b": 0.0, "c": 0}') == []


def test_recorded_episodes_are_tried_up_to_their_ends(
    cartpole: Environment, transitions: Transitions
) -> None:
    layout = SignalLayout(cartpole.signals_described)
    states = torch.full((21, 3, layout.width), 0.5)
    states[6:, 1] = -7.0  # beyond the end of the second episode
    states[20, 2, 0] = -9.0
    lengths = torch.tensor([20, 5, 20])
    episodes = Episodes(states, torch.zeros(20, 3, 1), lengths, torch.zeros(3, dtype=torch.bool))
    program = parse(
        '"""Idea."""\nWEIGHTS = {"a": 1.0}\n\n'
        'def compute_reward(cart_position):\n    return {"a": (cart_position + 8.0).log()}\n',
        cartpole.signals_described,
    )
    batches = [sampled_batch(transitions, layout, program.parameters)]
    assert dry_run(program, batches) == []
    batches.append(recorded_batch(episodes, layout, program.parameters))
    assert len(batches[1]) == 45
    finding = only(dry_run(program, batches), "not-finite", "error")
    assert "on 1 of 2,176 transitions under random actions and in recorded episodes" in (
        finding.message
    )
    assert "where cart_position = -9." in finding.message


def test_joined_batches_are_filled_up_to_whole_blocks() -> None:
    batches = [Batch({"x": torch.arange(n) + 100.0}, "here") for n in (100, 50)]
    joined = join(batches)
    assert joined.where == "here"
    assert len(joined) == 2 * BLOCK
    assert torch.equal(joined.arguments["x"][150:], joined.arguments["x"][:106])


TEXT = '''"""Idea."""
WEIGHTS = {"up": 1.0, "slow": 1.0, "late": 1.0, "plain": 1.0}
SCALES = {"width": 0.5}

def compute_reward(pole_up, pole_right, cart_velocity, action, width):
    speed = cart_velocity.square()
    slow = -speed
    slow = slow / width
    result = {"up": pole_up + pole_right, "slow": slow}
    result["late"] = action[:, 0]
    for column in (0,):
        force = action[:, column]
        slow = slow - force
    result["plain"] = torch.ones_like(pole_up) * 0.0
    return result
'''


def test_components_are_traced_to_lines_and_inputs(cartpole: Environment) -> None:
    found = origins(parse(TEXT, cartpole.signals_described))
    assert found == {
        "": Origin(15, ("pole_up", "pole_right", "cart_velocity", "action")),
        "up": Origin(9, ("pole_up", "pole_right")),
        "slow": Origin(13, ("cart_velocity", "action")),
        "late": Origin(10, ("action",)),
        "plain": Origin(14, ("pole_up",)),
    }


def test_a_component_that_the_text_does_not_show_may_depend_on_everything(
    cartpole: Environment,
) -> None:
    text = TEXT[: TEXT.index("def ")].replace(', "late": 1.0, "plain": 1.0', "")
    text += "def both(x, y):\n    return {'up': x, 'slow': y}\n\n"
    text += "def compute_reward(pole_up, cart_velocity):\n    return both(pole_up, cart_velocity)\n"
    found = origins(parse(text, cartpole.signals_described))
    assert found["up"] == found["slow"] == Origin(9, ("pole_up", "cart_velocity"))

"""Findings point at the line that makes a component, and name the inputs it reads."""

from eureka_agent.environment import Environment
from eureka_agent.reward import parse
from eureka_agent.workers.probe.dry_run import Origin, origins

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

# Speed plus a mild wish that the leading foot is where it catches the body, further ahead the
# faster it goes.
"""Running is falling and catching: pay speed, and let the leading foot reach a little further at
higher speed."""

WEIGHTS = {"speed": 1.0, "catch": 0.3, "alive": 0.4, "effort": 0.002}
SCALES = {"rest_reach": 0.08, "reach_per_speed": 0.08, "reach_width": 0.3}


def compute_reward(
    torso_velocity, feet_ahead, action, terminated, rest_reach, reach_per_speed, reach_width
):
    speed = torso_velocity[:, 0]
    wanted = rest_reach + reach_per_speed * speed.clamp(0.0, 4.0)
    lead = feet_ahead.amax(dim=-1)
    catch = gaussian_kernel(lead - wanted, reach_width)
    return {
        "speed": speed,
        "catch": catch,
        "alive": 1.0 - terminated.float(),
        "effort": -action.abs().sum(-1),
    }

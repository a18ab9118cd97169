# Speed, and a little for a lifted foot that swings forward, less when it swings back: only stepping
# nets it.
"""Walking is swinging the free foot ahead: pay speed, and a little for a foot that swings forward
while it is up."""

WEIGHTS = {"speed": 1.0, "swing": 0.15, "upright": 0.4, "effort": 0.004}
SCALES = {"clear": 0.09, "clear_softness": 0.02, "control_step": 0.008, "swing_cap": 3.0}


def compute_reward(
    torso_velocity,
    torso_pitch,
    foot_heights,
    feet_ahead,
    prev_feet_ahead,
    action,
    clear,
    clear_softness,
    control_step,
    swing_cap,
):
    lifted = torch.sigmoid((foot_heights - clear) / clear_softness)
    overtaking = (feet_ahead - prev_feet_ahead) / control_step
    swing = (lifted * overtaking.clamp(-swing_cap, swing_cap)).sum(-1)
    return {
        "speed": torso_velocity[:, 0],
        "swing": swing,
        "upright": gaussian_kernel(torso_pitch, 0.6),
        "effort": -action.square().sum(-1),
    }

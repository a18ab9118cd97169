"""Come close, be exact there and come to rest, with little control.

Distance and control as in Gymnasium's Reacher-v5, but control counts less, and what is asked for
pays in addition: to be on the target, and to rest on it.
"""

WEIGHTS = {"distance": 1.0, "on_target": 0.5, "at_rest": 0.5, "control": 0.1}
SCALES = {"near": 0.02, "slow": 0.1}


def compute_reward(target_offset, fingertip_velocity, action, near, slow):
    distance = target_offset.norm(dim=-1)
    on_target = gaussian_kernel(distance, near)
    at_rest = on_target * laplace_kernel(fingertip_velocity.norm(dim=-1), slow)
    control = -action.square().sum(-1)
    return {
        "distance": -distance,
        "on_target": on_target,
        "at_rest": at_rest,
        "control": control,
    }

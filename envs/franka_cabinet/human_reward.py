"""Reach the handle, turn the hand to it, put the fingers around it, pull: IsaacGymEnvs' reward."""

WEIGHTS = {
    "reach": 2.0,
    "turn": 0.5,
    "around": 0.125,
    "close": 5.0,
    "open": 7.5,
    "stages": 1.0,
    "effort": 0.01,
    "style": 1.0,
}
SCALES = {"at_handle": 0.02, "finger_range": 0.04, "too_far": 0.04}


def compute_reward(
    drawer_opening,
    grip_to_handle,
    handle_position,
    left_finger_position,
    right_finger_position,
    hand_forward,
    hand_up,
    action,
    at_handle,
    finger_range,
    too_far,
):
    distance = grip_to_handle.square().sum(-1).sqrt()
    near = (1.0 / (1.0 + distance.square())).square()
    reach = torch.where(distance <= at_handle, 2.0 * near, near)

    facing, level = -hand_forward[:, 0], hand_up[:, 2]
    turn = 0.5 * (facing * facing.abs() + level * level.abs())

    above = left_finger_position[:, 2] - handle_position[:, 2]
    below = handle_position[:, 2] - right_finger_position[:, 2]
    around = ((above > 0.0) & (below > 0.0)).float()
    close = around * (2.0 * finger_range - above - below)

    opened = drawer_opening * (1.0 + 0.5 * around)
    begun = 0.5 * (drawer_opening > 0.01).float()
    stages = begun + around * (
        0.5 * (drawer_opening > 0.2).float() + (drawer_opening > 0.39).float()
    )

    foremost = torch.minimum(left_finger_position[:, 0], right_finger_position[:, 0])
    fair = (foremost >= handle_position[:, 0] - too_far).float()
    return {
        "reach": fair * reach,
        "turn": fair * turn,
        "around": fair * around,
        "close": fair * close,
        "open": fair * opened,
        "stages": fair * stages,
        "effort": -fair * action.square().sum(-1),
        "style": fair - 1.0,
    }

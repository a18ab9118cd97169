"""Ball near the point above the tray's middle, and slow: the reward of Isaac Gym's BallBalance."""

WEIGHTS = {"balance": 1.0}
SCALES = {"height": 0.7}


def compute_reward(ball_position, ball_velocity, height):
    above = ball_position[:, 2] - height
    distance = (ball_position[:, :2].square().sum(-1) + above.square()).sqrt()
    speed = ball_velocity.norm(dim=-1)
    return {"balance": 1.0 / (1.0 + distance) / (1.0 + speed)}

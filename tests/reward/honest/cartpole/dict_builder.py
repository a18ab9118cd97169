"""Build the components one after the other and return them at the end."""

WEIGHTS = {"up": 1.0, "close": 0.4, "alive": 0.2, "quiet": 0.02}

def compute_reward(pole_up, cart_position, pole_angular_velocity, terminated, action):
    rewards = {}
    # 1. upright
    rewards["up"] = (1 + pole_up) * 0.5
    # 2. close to the middle
    rewards["close"] = 1.0 / (1.0 + cart_position ** 2)
    # 3. alive
    rewards["alive"] = 1.0 - terminated.float()
    # 4. quiet
    rewards["quiet"] = -(0.1 * pole_angular_velocity.abs() + action[:, 0].abs())
    return rewards

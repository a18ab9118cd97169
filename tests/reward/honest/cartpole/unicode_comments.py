"""Balance the pole: θ ≈ 0, θ̇ ≈ 0 and x ≈ 0 — in that order of importance.

Notes: the reward is r = e^(−θ²/σ²) · (1 − |x|/x_max), bounded in [0, 1]; “near” means |θ| ≤ 12°.
"""

WEIGHTS = {"theta": 1.0, "x": 0.5, "theta_dot": 0.1}
SCALES = {"sigma": 0.4, "x_max": 1.8}


def compute_reward(pole_up, pole_right, pole_angular_velocity, cart_position, sigma, x_max):
    # θ = atan2(sin θ, cos θ) ∈ [−π, π]
    theta_value = torch.atan2(pole_right, pole_up)
    theta = torch.exp(-(theta_value / sigma) ** 2)  # σ is the kernel's width (rad)
    x = 1.0 - (cart_position.abs() / x_max).clamp(0.0, 1.0)  # 1 → centre, 0 → ±x_max
    theta_dot = -pole_angular_velocity.abs() * theta  # only damp near the top ✔️
    return {"theta": theta, "x": x, "theta_dot": theta_dot}

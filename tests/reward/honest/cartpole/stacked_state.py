"""Quadratic cost around the upright state, as an LQR designer would write it."""
import torch

WEIGHTS = {"state_cost": 1.0, "control_cost": 0.001, "upright": 1.0}


def compute_reward(cart_position, cart_velocity, pole_right, pole_up, pole_angular_velocity, action):
    state = torch.stack(
        [cart_position, cart_velocity, pole_right, 1.0 - pole_up, pole_angular_velocity], dim=-1
    )
    q = torch.tensor([0.5, 0.05, 1.0, 5.0, 0.05], device=state.device, dtype=state.dtype)
    state_cost = -(state.square() * q).sum(dim=-1)
    state_cost = torch.clamp(state_cost, min=-20.0)
    control_cost = -action.pow(2).sum(-1)
    return {"state_cost": state_cost, "control_cost": control_cost, "upright": pole_up}

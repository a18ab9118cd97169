"""Pump the pole's energy to that of the upright rest, then hold it there.

While the pole hangs, energy is what has to grow; near the top the same energy keeps it up,
and the products switch the balance terms on.
"""

import torch

WEIGHTS = {"energy": 1.0, "balance": 3.0, "centre": 0.3}
SCALES = {"gravity": 9.81, "length": 0.5, "energy_width": 5.0, "still": 2.0}


def pole_energy(up, rate, g, l):
    # kinetic + potential energy per unit of mass, 0 when hanging still
    kinetic = 0.5 * (l * rate) ** 2
    potential = g * l * (up + 1.0)
    return kinetic + potential


def compute_reward(pole_up, pole_angular_velocity, cart_position, gravity, length, energy_width, still):
    target = 2.0 * gravity * length
    energy = pole_energy(pole_up, pole_angular_velocity, gravity, length)
    energy_term = torch.exp(-((energy - target) / energy_width) ** 2)
    near_top = torch.sigmoid(10.0 * (pole_up - 0.8))
    balance = near_top * torch.exp(-(pole_angular_velocity / still) ** 2)
    centre = -torch.tanh(cart_position.abs())
    return {"energy": energy_term, "balance": balance, "centre": centre}

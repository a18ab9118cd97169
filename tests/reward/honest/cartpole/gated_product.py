'''A product of four terms in [0, 1]: being up only counts when the cart is on the rail and calm.'''

WEIGHTS = {'product': 1.0, 'up_shown': 0.0}

def bounded(x, bound):
    return torch.clamp(1.0 - (x / bound).square(), min=0.0)

def compute_reward(pole_up, cart_position, cart_velocity, pole_angular_velocity, action):
    up = 0.5 * (1.0 + pole_up)
    place = 0.5 + 0.5 * bounded(cart_position, 1.8)
    calm = 0.5 + 0.5 * torch.exp(-0.1 * pole_angular_velocity.square())
    gentle = 0.8 + 0.2 * bounded(action.squeeze(-1), 1.0)
    return {'product': up * place * calm * gentle, 'up_shown': up}

"""Share of the time in which the pole stands and the cart is in the middle.

The sparse reward of dm_control's cart-pole swing-up.
"""

REDUCE = "mean"
AFTER_END = 0.0
RANGE = (0, 1)

COSINE = 0.995  # the pole is within 5.7 degrees of upright
CENTRE = 0.25  # the cart is within 0.25 m of the middle


def fitness(pole_up, cart_position):
    """1 while both hold, else 0."""
    return ((pole_up >= COSINE) & (cart_position.abs() <= CENTRE)).float()

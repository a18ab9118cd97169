"""Probing: a reward program is called on real transitions before it costs any training."""

HINTS = {
    "too-slow": "Write few tensor operations on [M] and [M, d] tensors, and no long loops.",
    "slow": "Replace loops by operations on all columns at once.",
    "exception": "Write plain tensor operations on [M] and [M, d] tensors.",
    "died": "Write plain tensor operations on [M] and [M, d] tensors.",
    "memory": "Write operations on [M] and [M, d] tensors, never on all pairs of rows.",
    "return": 'Write return {"name": value}; the weighted sum is made from WEIGHTS.',
    "weight-without-component": "Return it, or drop it.",
    "component-without-weight": "Add it to WEIGHTS; weight 0 means shown, not paid.",
    "torch-settings": "Compute values from the arguments alone, and leave torch as it is.",
    "shape": "Return one [M] tensor per component: choose a column, x[:, 0], or reduce, x.sum(-1).",
    "not-finite": (
        "Keep the arguments of roots, logarithms and divisors away from what they cannot take: "
        "x.clamp(min=0.0).sqrt(), y / (x.abs() + 1e-6)."
    ),
    "few-rows": (
        "squeeze() without dim, or a number of rows that is written down, does that: choose a "
        "column with x[:, 0] or x.squeeze(-1)."
    ),
    "row-dependence": (
        "mean, max, std, sum or norm without dim, and cumsum, sort or x[0] over rows mix them: "
        "reduce columns with dim=-1, and take fixed numbers from SCALES to scale by."
    ),
    "constant-reward": (
        "Pay for something that changes with every action, such as a velocity or a distance."
    ),
    "constant": (
        "If a better policy would change it, leave it; otherwise widen its scale, or pay for a "
        "quantity that changes by degrees."
    ),
}
"""What to write instead, by the rule that a program breaks when it is called."""

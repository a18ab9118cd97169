"""Programs of two kinds of parts: dense ones lead the way, sparse ones pay what counts.

With signs, as in Auto MC-Reward, there is one part of each kind, and only its sign is paid: the
author chooses situations and directions, and has no say in sizes.
"""

import ast
import re

from eureka_agent.common.choices import FREE, SIGNS
from eureka_agent.designer.extraction import ENTRY
from eureka_agent.reward import Finding
from eureka_agent.reward.parser import bounded_tree

KINDS = ("sparse", "dense")
SIGN_WEIGHTS = {"sparse": 1.0, "dense": 0.1}
"""What the sign of each part is worth per step."""
RULE = "parts"
_SIGN = ("sign", "sgn")


def parts_findings(text: str, parts: str) -> tuple[Finding, ...]:
    """What keeps a program from being made of the parts that were asked for.

    Args:
        text: the program; one that is no Python is left to the critic.
        parts: one of `FREE`, `TWO_KINDS` and `SIGNS`.
    """
    if parts == FREE or (tree := bounded_tree(text)) is None:
        return ()
    weights = _weights(tree)
    if weights is None:
        return ()
    if parts == SIGNS:
        return _sign_findings(tree, weights)
    unkind = [name for name in weights if not re.match(rf"(?:{'|'.join(KINDS)})_", name)]
    if unkind:
        message = f"Components are of no kind: {', '.join(unkind)}."
        return (_finding(message, "Begin the name of each with sparse_ or dense_."),)
    missing = [kind for kind in KINDS if not any(name.startswith(kind) for name in weights)]
    if missing:
        message = f"There is no {' and no '.join(missing)} component."
        return (_finding(message, "Write components of both kinds."),)
    return ()


def _sign_findings(tree: ast.Module, weights: dict[str, float]) -> tuple[Finding, ...]:
    if weights != SIGN_WEIGHTS:
        return (_finding("The weights are others than asked for.", f"WEIGHTS = {SIGN_WEIGHTS}"),)
    returned = _returned(tree)
    unlimited = [name for name in weights if name not in returned or not _is_sign(returned[name])]
    if unlimited:
        message = (
            f"More than the sign is returned of {' and '.join(unlimited)}, as far as it shows."
        )
        hint = 'Return {"sparse": torch.sign(sparse), "dense": torch.sign(dense)}.'
        return (_finding(message, hint),)
    return ()


def _returned(tree: ast.Module) -> dict[str, ast.expr]:
    """What compute_reward returns, with names replaced by what was last assigned to them."""
    found: dict[str, ast.expr] = {}
    for function in tree.body:
        if not isinstance(function, ast.FunctionDef) or function.name != ENTRY:
            continue
        assigned: dict[str, ast.expr] = {}
        for node in function.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    assigned[name] = value
                case ast.Return(value=ast.Dict(keys=keys, values=values)):
                    for key, value in zip(keys, values, strict=True):
                        if isinstance(key, ast.Constant):
                            name = value.id if isinstance(value, ast.Name) else ""
                            found[str(key.value)] = assigned.get(name, value)
                case _:  # what happens to a name here is not followed
                    for inner in ast.walk(node):
                        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                            assigned.pop(inner.id, None)
    return found


def _is_sign(value: ast.expr) -> bool:
    match value:
        case ast.Call(func=ast.Attribute(attr=name)):
            return name in _SIGN
    return False


def _weights(tree: ast.Module) -> dict[str, float] | None:
    """The table WEIGHTS; None if there is none that can be read, which the critic says."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="WEIGHTS")], value=ast.Dict() as table):
                try:
                    return {str(k): float(v) for k, v in ast.literal_eval(table).items()}
                except (ValueError, TypeError, OverflowError, RecursionError):
                    return None
    return None


def _finding(message: str, hint: str) -> Finding:
    return Finding(RULE, "error", 1, 1, message, hint)

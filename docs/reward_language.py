"""Print `reward-language.md`, from the tables by which programs are checked.

Run `python docs/reward_language.py > docs/reward-language.md` after a change of the language.
"""

from collections.abc import Iterable, Mapping

from eureka_agent.reward import language
from eureka_agent.reward.library import library_lines
from eureka_agent.reward.signals import SIGNAL_PREFIXES, STANDARD_PARAMETERS

RULES = {
    # the text
    "not-text": "A program is text.",
    "too-long": "A program, and the number of its helpers, is limited.",
    "long-line": "A line is limited.",
    "hidden-character": "No character is invisible or moves others.",
    "encoding-comment": "The first two lines do not declare an encoding.",
    "syntax": "A program is Python.",
    "too-deep": "Expressions nest to a limited depth.",
    # the module
    "no-thought": "A program begins with a docstring that says its idea (a warning).",
    "no-weights": "The program has a table WEIGHTS.",
    "weights": "Weights have a sensible size, and at least one is not 0.",
    "table": "WEIGHTS and SCALES are literal dicts of names and numbers.",
    "unused-scale": "compute_reward asks for every key of SCALES (a warning).",
    "scale-name": "A key of SCALES is not the name of a signal.",
    "import": "Only torch, math, F and typing are imported, which are available anyway.",
    "module-statement": "Outside functions are only the docstring and the two tables, each once.",
    # functions
    "no-compute-reward": "The program has a function compute_reward.",
    "decorator": "Only the decorators that are removed anyway are allowed.",
    "parameters": "Parameters are plain names.",
    "default": "Defaults are plain numbers, True, False or None; compute_reward has SCALES.",
    "unknown-parameter": "compute_reward asks only for what the task offers and keys of SCALES.",
    "no-signal": "compute_reward asks for at least one signal.",
    "return": "A function ends with a return; compute_reward returns a dict.",
    "recursion": "A helper calls only helpers that stand above it.",
    # names
    "reserved-name": "Names with a meaning of their own are not redefined.",
    "odd-name": "Names are ASCII, without two underscores in a row.",
    "unknown-name": "A name is assigned to, or is a parameter, before it is read.",
    "unassigned-name": "A name is assigned to, or is a parameter, before it is read.",
    "table-in-function": "WEIGHTS and SCALES are not read by functions.",
    "module-as-value": "torch, math and F are used only before a dot.",
    "function-as-value": "Functions are only called, never used as values.",
    "call-of-variable": "Variables are never called.",
    # expressions
    "unknown-syntax": "Only the listed parts of Python are in the language.",
    "unknown-function": "Only the listed functions are called.",
    "unknown-method": "Only the listed methods are called.",
    "unknown-attribute": "Only the listed attributes are read.",
    "in-place": "No method changes a tensor in place.",
    "randomness": "Nothing is random.",
    "keyword": "Arguments have one of the listed names.",
    "positional": "Options are passed by name, not by position.",
    "option": "Options that are text have one of the listed values.",
    "device": "Programs do not name a device.",
    "string": "Text names components and options; it is not a value.",
    "constant": "Constants are numbers, True, False and None.",
    "large-integer": "Integers are limited.",
    "large-number": "Numbers are finite.",
    "large-exponent": "Exponents are limited, and are not powers themselves.",
    "list-arithmetic": "There is no arithmetic on lists and tuples.",
    "component-name": "Keys of dicts are literal names, each once.",
    "range": "range is used only in the head of a loop.",
    # statements
    "loop": "Loops have a known, limited length, also all together.",
    "assignment": "Only variables, and items of variables, are assigned to.",
    "no-effect": "No line computes something and drops it.",
    # rows
    "row-index": "x[0] is one transition of many; a column is x[:, 0].",
    "column": "A column is one that the signal has.",
    "mixed-rows": "Reductions name the columns' dimension: every row needs a value of its own.",
    "number-function": "Functions for plain numbers do not get tensors.",
    "tensor-truth": "if, and, or, not and chained comparisons work on numbers, not on tensors.",
    "component-shape": "A component has a value for each row.",
    "component-without-weight": "Every component that is returned is in WEIGHTS.",
    "weight-without-component": "Every component of WEIGHTS is returned.",
}
"""What each rule asks for; each finding has the id of its rule."""

RULES_OF_CALLS = {
    "exception": "No line raises.",
    "memory": "Tensors fit into the memory of the worker.",
    "shape": "Each component is a tensor [M] of real numbers.",
    "not-finite": "Components and their weighted sum are finite.",
    "torch-settings": "torch's settings and its random state stay as they are.",
    "few-rows": "The program takes any number of rows.",
    "row-dependence": "What a row is paid depends on that row alone.",
    "nondeterministic": "Equal calls pay the same.",
    "too-slow": "Calls take far less time than training does.",
    "died": "The program does not end its process.",
    "slow": "Calls take less than a tenth of a training run's time (a warning).",
    "changed-argument": "Arguments stay as they are (a warning).",
    "constant-reward": "The reward changes with what is done (a warning).",
    "constant": "Each component changes with what is done (a warning).",
    "saturated": "A component is not nearly always at one end of its range (a warning).",
    "negligible": "A component is not lost beside the largest one (a warning).",
}
"""The same of the rules that are checked when the program is called on real transitions."""

_INTRODUCTION = """\
# The reward language

A reward program is a small Python module. It is read, never imported: a program is parsed, checked
against the lists below and rewritten. Only the rewritten syntax tree runs, in a namespace that
contains what is listed here and no modules. **What is not listed is refused.** The lists say what
rewards need, not what would be dangerous.

```python
\"\"\"Run forward, stay upright, waste no effort.\"\"\"

WEIGHTS = {"forward": 1.0, "upright": 0.3, "effort": 0.01}
SCALES = {"upright_width": 0.25}


def compute_reward(torso_velocity, torso_up, action, upright_width):
    forward = torso_velocity[:, 0]
    upright = torch.exp((torso_up[:, 2] - 1.0) / upright_width)
    return {"forward": forward, "upright": upright, "effort": -action.square().sum(-1)}
```

`eureka-agent critique ENV FILE` checks a program. Each finding names a rule, line and column, and
says what is wrong and, where that helps, what to write instead.
"""

_SYNTAX = """\
## Syntax

- **Outside functions:** a docstring, `WEIGHTS` and `SCALES` as literal dicts of numbers, and
  functions: helpers first, `compute_reward` among them.
- **Statements:** assignment to a variable, to several at once, or to items of one (`x[:, 2] = 0.0`,
  `x -= y`); `if` on plain numbers; `for` over `range(<numbers>)` or a literal tuple;
  `return`; `pass`.
- **Expressions:** numbers, `True`, `False`, `None`; names; `x[...]` with slices; lists, tuples;
  dicts with names for keys; calls; `a if b else c` on plain numbers; `and`, `or`, `not` on plain
  numbers; comparisons (`==` `!=` `<` `<=` `>` `>=`) and operators
  (`+` `-` `*` `/` `//` `%` `**` `@` `&` `|` `^` `~`).
- **Parameters** of `compute_reward` are chosen by name: signals of the environment; {prefixes}
  before a signal's name; {plain}; keys of `SCALES`. Helpers take what they are given.
- **Names** of functions and variables are ASCII without `__`. `torch`, `math` and `F`
  (`torch.nn.functional`) are used only before a dot; functions are only called, never used as
  values.
- **Text** is not a value. It names components, the equation of `torch.einsum`, {options}, and
  infinity in `float("inf")`.
"""

_REWRITING = """\
## What is rewritten

Harmless habits are removed before the check: imports of {imports}, `typing` and
`torch.Tensor`; annotations; {decorators} as decorators or in `with`.

In-place changes are rewritten after it: `x[i] = v` and `x += v` bind `x` to a new value, so that
nothing that shares its memory changes. `*` and `**` on whole numbers give a float where the result
would be beyond 2^53. `x.view(...)` is `x.reshape(...)`. A dict gives access to its
values, not to its names.
"""


def reference() -> str:
    """The whole reference as Markdown."""
    decorators = ", ".join(f"`{name}`" for name in sorted(language.HARMLESS_DECORATORS))
    options = " and ".join(
        f"`{name}` ({' or '.join(values)})" for name, values in language.OPTIONS.items()
    )
    syntax = _SYNTAX.format(
        prefixes=", ".join(f"`{prefix}_`" for prefix in SIGNAL_PREFIXES),
        plain=", ".join(f"`{name}`" for name in STANDARD_PARAMETERS),
        options=options,
    )
    imports = ", ".join(f"`{name}`" for name in sorted(language.HARMLESS_IMPORTS))
    rewriting = _REWRITING.format(imports=imports, decorators=decorators)
    return "\n".join([_INTRODUCTION, syntax, _functions(), _limits(), rewriting, _rules()])


def _functions() -> str:
    both = language.TORCH_FUNCTIONS & language.TENSOR_METHODS
    constants = {root: names for root, names in language.CONSTANTS.items() if names}
    parts = {
        "`torch.f(x)` and `x.f()`": both,
        "`torch.f(...)` only": language.TORCH_FUNCTIONS - both,
        "`x.f(...)` only": language.TENSOR_METHODS - both,
        "`x.a`": language.TENSOR_ATTRIBUTES,
        "`F.f(...)`": language.NN_FUNCTIONS,
        "`math.f(...)`": language.MATH_FUNCTIONS,
        "Python's own": language.BUILTINS,
        **{f"`{root}.c`": names for root, names in constants.items()},
        "Names of arguments": language.KEYWORDS,
    }
    lists = "\n".join(f"- **{title}:** {_words(names)}" for title, names in parts.items())
    library = "\n".join(
        f"| `{line['name']}{line['signature']}` | {line['meaning'].replace('|', '&#124;')} |"
        for line in library_lines()
    )
    return (
        f"## Functions\n\n{lists}\n\nThe reward library is available as well; all of it works row "
        f"by row.\n\n| function | is |\n|---|---|\n{library}\n"
    )


def _limits() -> str:
    low, high = language.WEIGHT_RANGE
    limits: Mapping[str, object] = {
        "bytes of a program": language.MAX_BYTES,
        "characters of a line": language.MAX_LINE_LENGTH,
        "nodes of its syntax tree": language.MAX_NODES,
        "depth of that": language.MAX_DEPTH,
        "helper functions": language.MAX_HELPERS,
        **{f"entries of {table}": most for table, most in language.TABLES.items()},
        "size of a weight that is not 0": f"{low:g} to {high:g}",
        "an integer": language.MAX_INTEGER,
        "an exponent written out": language.MAX_EXPONENT,
        "arguments of a torch function, and of a method, that go without a name": (
            f"{language.MAX_POSITIONAL}, {language.MAX_POSITIONAL_METHOD}"
        ),
        "rounds of a loop": language.MAX_TRIPS,
        "expressions that a call evaluates, loops and helpers unrolled": language.MAX_WORK,
        "pairs of brackets after a variable that is assigned to": language.MAX_ITEM_DEPTH,
    }
    rows = "\n".join(f"| {what} | {most} |" for what, most in limits.items())
    return f"## Limits\n\n| what | at most |\n|---|---|\n{rows}\n"


def _rules() -> str:
    said = (
        "When a program is called on real transitions, `return`, `component-without-weight` and\n"
        "`weight-without-component` are checked again, and these:"
    )
    return f"## Rules\n\n{_table(RULES)}\n{said}\n\n{_table(RULES_OF_CALLS)}"


def _table(rules: Mapping[str, str]) -> str:
    rows = "\n".join(f"| `{rule}` | {asks} |" for rule, asks in rules.items())
    return f"| rule | asks for |\n|---|---|\n{rows}\n"


def _words(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in sorted(names))


if __name__ == "__main__":
    print(reference(), end="")

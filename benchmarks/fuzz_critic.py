"""Does any text break the check of reward programs, or make it slow?

Three sources of texts, each made from a seed: programs by a grammar of the language and of what is
next to it; mutations of the committed programs and attacks (`tests/reward/honest`, `attacks`); and
texts that repeat what nests. Of each it is asked that the check returns findings with places in the
text and raises nothing, and that what it accepts compiles. The 100,000 of the project's bar take
about eight minutes on one core:

    python benchmarks/fuzz_critic.py --inputs 100000

It prints how many were accepted, the mean and the largest time of a check, and the seeds of the
slowest texts and of those that broke it; with the latter, or a slow one, it ends with status 1.
"""

import argparse
import ast
import random
import statistics
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from eureka_agent.environment import find_environment
from eureka_agent.reward import Signal, check, language, parse

PROGRAMS = Path(__file__).parents[1] / "tests" / "reward"
SLOW = 0.5
"""Seconds that no check may take."""

HEAD = '"""Idea."""\nWEIGHTS = {"a": 1.0}\nSCALES = {"w": 0.5}\n'
ENTRY = "def compute_reward(x, y, w):\n"
LEAVES = "y z u x[:,0] x.sum(-1) action[:,0] terminated.float()".split()
NUMBERS = "1.0 2 0.5 -1 w math.pi 1e-6".split()
ODD_LEAVES = (
    *"torch math _ é None ... 'text' 1e999 99999999 2j b'' lambda:0 __class__ torch.os".split(),
    *"x torch.inf 1e9 compute_reward".split(),
    *"(v:=y) f'{y}' *y {y} [i\tfor\ti\tin\ty] torch.abs y.data y.numpy() WEIGHTS q helper9".split(),
)
ODD_FUNCTIONS = (*sorted(language.TORCH_FUNCTIONS), *"os.system load rand nn exp_ relu_".split())
ODD_METHODS = (*sorted(language.TENSOR_METHODS), *"numpy item zero_ apply_ __class__".split())
OPERATORS = "+ - * /".split()
ODD_OPERATORS = "** // % & | ^ < == << >> @ is and in or if".split()
INDICES = (":, 0", "..., 0", ":, -1", "..., 1:][:, 0", ":, [0, 1]][:, 1", ":, None][:, 0, 0")
ODD_INDICES = ("0", "'a'", ":, 9", "*y", "y:y:y", "()", "i", "::2")
STATEMENTS = ("pass", "z = y", "u, z = y, y", "z: float = y", "'text'", "v = {'b': [y]}")
ODD_STATEMENTS = (
    *"break;import os;global z;del y;raise y;assert y;return;y.zero_();yield;y".split(";"),
    *"class A: pass;with y as z: pass;x.T[0] = 1;a = b = y;z @= y;z, *u = y".split(";"),
    *"x[0][0][0][0] = 1;torch.x = y".split(";"),
)
TOKENS = (
    *'( ) [ ] { } : , . = == + - * ** / // % @ & | ^ ~ << >> -> := ; \\ # \' " """'.split(" "),
    *"def return for in if elif else while with as lambda not and or is await yield".split(" "),
    *"torch math F x y WEIGHTS SCALES compute_reward __class__ 1 0.5 1e999 None os ```".split(" "),
    *"\n \t\r\x00\x0c\x1b\u202e\u200b\ufeff\ud800\U000e0041\u3164\u00e9\uff45\U0001d428\u00b2",
    *("\n\n", "\n    "),
)
NESTS = tuple(
    nest.partition("|")[::2]
    for nest in (
        "(|)~[|]~{|}~{1: |}~torch.exp(|)~x[|]~-|~~|~not |~lambda: |~y if y else |~y and |~y < |~y.|"
        "~y + |~y ** |~(|.exp())~f(a=|)~f(*|)~f(**|)~(z := |)~[i for i in |]~f'{|}'~y, |~*|~|[0]"
        "~if y:\n |~for i in (1, 2):\n |~try:\n |\nfinally:\n pass~with y:\n |~def f():\n |~@|\n"
    ).split("~")
)


class Author:
    """Writes texts; the same one for the same seed."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._oddness = self._draw.choice((0.0, 0.01, 0.2))

    def text(self) -> str:
        """A text from one of the sources."""
        sources = (self.program, self.program, self.mutated_tree, self.mutated_text, self.nested)
        return self._draw.choice(sources)()

    def program(self) -> str:
        """A program by a grammar: of the language, but for what oddness puts in."""
        count = int(self._pick("012", "9"))
        helpers = "".join(
            f"def helper{i}(x, y{self._pick(('', ', w=1.0'), (', *z', ', v=[]'))}):\n"
            f"    z, u, w, action, terminated = y, y, 1.0, y, y\n{self._block(1)}    return z\n"
            for i in range(count)
        )
        first = "    z, u = y, x\n"
        result = f'{{"a": {self._expression(3)}}}'
        entry = ENTRY.replace("w)", f"w, action, terminated{self._pick(('',), (', q', ', *r'))})")
        returned = self._pick((result,), ("y", "y, {}", "z"))
        return (
            f"{self._pick((HEAD,), ('', HEAD * 2))}{helpers}{entry}"
            f"{first}{self._block(1)}    return {returned}\n"
        )

    def mutated_tree(self) -> str:
        """A committed program, some of its nodes in the places of others."""
        try:
            tree = ast.parse(self._draw.choice(_seeds()))
            nodes = list(ast.walk(tree))
            for node in nodes:
                for name, value in ast.iter_fields(node):
                    for kind in (ast.expr, ast.stmt):
                        if isinstance(value, kind) and self._draw.random() < 0.02:
                            others = [n for n in nodes if isinstance(n, kind)]
                            setattr(node, name, self._draw.choice(others))
            return ast.unparse(ast.fix_missing_locations(tree))
        except (SyntaxError, ValueError, TypeError, AttributeError, RecursionError):
            return self.mutated_text()  # the text, or the new tree, is no Python

    def mutated_text(self) -> str:
        """A committed text with pieces left out, repeated, put in, taken from others."""
        text = self._draw.choice(_seeds())
        for _ in range(self._draw.choice((1, 1, 2, 8))):
            start = self._draw.randrange(len(text) + 1)
            stop = start + self._draw.choice((0, 1, 5, 40))
            pieces = (
                "",
                self._draw.choice(TOKENS),
                text[start:stop] * self._draw.choice((2, 3, 300)),
                self._draw.choice(_seeds())[start:stop],
            )
            text = text[:start] + self._draw.choice(pieces) + text[stop:]
        return text

    def nested(self) -> str:
        """What nests, many times over, closed or not."""
        count = self._draw.choice((3, 20, 50, 190, 1000, 8000))
        chosen = [self._draw.choice(NESTS)] * count
        if self._draw.random() < 0.3:
            chosen = [self._draw.choice(NESTS) for _ in range(count)]
        text = "".join(left for left, _ in chosen) + "y"
        if self._draw.random() < 0.8:
            text += "".join(right for _, right in reversed(chosen))
        if "\n" not in text:  # no limit on lines should be what stops it
            text = "\\\n".join(text[i : i + 900] for i in range(0, len(text), 900))
        places = ("{}", "z = {}", "for i in {}: pass", "return {}", "{} = 1", "{} y")
        return f"{HEAD}{ENTRY}    {self._draw.choice(places).format(text)}\n"

    def _block(self, level: int) -> str:
        indent, lines = "    " * level, []
        for _ in range(self._draw.choice((1, 2, 4))):
            kind = self._draw.random()
            if kind < 0.6:
                targets = ("z", "u", "z[y > 0]", "x[:, 0]")
                target = self._pick(targets[:2] * 4 + targets, ("torch", "y.data", "é", "1"))
                sign = self._pick(("=", "=", "+=", "*="), ("**=", ">>=", ":="))
                lines.append(f"{indent}{target} {sign} {self._expression(3)}\n")
            elif kind < 0.75 and level < 4:
                heads = ("if w > 1.0:", "for i in range(3):", "for i in (1, 2):")
                odd = ("if y:", "for i in y:", "while w:", "for i in range(9**9):")
                head = self._pick(heads, odd)
                lines.append(f"{indent}{head}\n{self._block(level + 1)}")
            else:
                lines.append(f"{indent}{self._pick(STATEMENTS, ODD_STATEMENTS)}\n")
        return "".join(lines)

    def _expression(self, depth: int) -> str:
        if depth == 0:
            return self._pick(LEAVES, ODD_LEAVES)
        inner = self._expression(depth - 1)
        other = self._draw.choice((*NUMBERS[:4], self._expression(depth - 1)))
        one, two = (self._pick(_functions_of(count), ODD_FUNCTIONS) for count in (1, 2))
        method = self._pick(_functions_of(1), ODD_METHODS)
        keyword = self._pick(("max=2.0", "min=0.0"), ("out=x", "inplace=True", "**x", "key=abs"))
        forms = (
            f"({inner} {self._pick(OPERATORS, ODD_OPERATORS)} {other})",
            f"({inner} {self._pick(OPERATORS, ODD_OPERATORS)} {other})",
            f"{self._pick(('-', '+'), ('~', 'not ', 'await ', '*'))}({inner})",
            f"torch.{one}({inner})",
            f"torch.{two}({inner}, {other})",
            f"torch.clamp({inner}, {keyword})",
            f"({inner}).{method}()",
            f"({inner}).{two}({other})",
            f"F.{self._draw.choice(tuple(language.NN_FUNCTIONS))}({inner})",
            f"torch.where({inner} > {other}, {inner}, {other})",
            f"torch.stack([{inner}, {self._expression(0)}], 1)[{self._pick(INDICES, ODD_INDICES)}]",
        )
        return self._draw.choice(forms)

    def _pick(self, usual: Sequence[str], odd: Sequence[str]) -> str:
        return self._draw.choice(odd if self._draw.random() < self._oddness else usual)


@dataclass(frozen=True)
class Trial:
    """What became of a text.

    Attributes:
        seconds: processor time of its check.
        accepted: whether it has no error.
        broke: how it broke the check; empty if it did not.
    """

    seconds: float
    accepted: bool
    broke: str


def tried(text: str, signals: Sequence[Signal]) -> Trial:
    """Check a text, and compile what is accepted."""
    accepted, broke, start = False, "", time.process_time()
    seconds = 0.0
    try:
        found = check(text, signals)
        seconds = time.process_time() - start
        accepted = all(finding.severity == "warning" for finding in found)
        lines = text.count("\n") + 1
        for finding in found:
            if not 1 <= finding.line <= lines or finding.column < 1:
                broke = f"a finding stands at {finding.line}:{finding.column} of {lines} lines"
            if not finding.message.isascii() or not finding.message.isprintable():
                broke = f"a finding is not printable: {finding.message!r}"
        if accepted:
            parse(text, signals).compile()
    except Exception as error:
        broke = f"{type(error).__name__}: {error}"
    return Trial(seconds, accepted, broke)


@cache
def all_signals() -> tuple[Signal, ...]:
    """Those of the environments that the committed programs are for, and two more."""
    environments = (find_environment(name) for name in ("cartpole", "half_cheetah"))
    return (
        Signal("x", 3, "1", "Vector", "other"),
        Signal("y", None, "1", "Number", "other"),
        *(signal for environment in environments for signal in environment.signals_described),
    )


@cache
def _functions_of(count: int) -> tuple[str, ...]:
    """The listed functions that work on a number of tensors, row by row."""
    ones = [torch.ones(2)] * count

    def works(name: str) -> bool:
        try:
            result = getattr(torch, name)(*ones)
        except (TypeError, RuntimeError):
            return False
        return isinstance(result, torch.Tensor) and result.shape == (2,)

    return tuple(name for name in sorted(language.ELEMENTWISE) if works(name))


@cache
def _seeds() -> tuple[str, ...]:
    """The committed programs, and the attacks with their twins as programs."""
    texts = [path.read_text("utf-8") for path in sorted(PROGRAMS.glob("honest/*/*.py"))]
    around = {
        "module": f"{HEAD}@",
        "body": f'{HEAD}{ENTRY}    @\n    return {{"a": y}}\n',
        "expression": f'{HEAD}{ENTRY}    return {{"a": @}}\n',
    }
    for path in sorted(PROGRAMS.glob("attacks/*.toml")):
        for entry in tomllib.loads(path.read_text("utf-8")).values():
            (form,) = entry.keys() & around.keys()
            indent = "" if form == "module" else "    "
            for code in (entry[form], entry["twin"]):
                texts.append(around[form].replace("@", code.replace("\n", f"\n{indent}")))
    return tuple(texts)


def main() -> int:
    """Check as many texts as asked for; returns the exit status."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    options.add_argument("--inputs", type=int, default=2000, help="how many texts")
    options.add_argument("--seed", type=int, default=0, help="of the first text")
    chosen = options.parse_args()
    signals = all_signals()
    seeds = range(chosen.seed, chosen.seed + chosen.inputs)
    trials = {seed: tried(Author(seed).text(), signals) for seed in seeds}
    broken = [f"seed {seed}: {trial.broke}" for seed, trial in trials.items() if trial.broke]
    accepted = sum(trial.accepted for trial in trials.values())
    mean = statistics.fmean(trial.seconds for trial in trials.values())
    slowest = sorted(seeds, key=lambda seed: trials[seed].seconds, reverse=True)[:5]
    most = trials[slowest[0]].seconds
    print(f"{len(trials):,} texts, {accepted:,} accepted, {len(broken)} that broke the check")
    print(f"mean {1000 * mean:.2f} ms, slowest {most:.3f} s (at most {SLOW} s)")
    print("slowest seeds:", ", ".join(f"{s} ({trials[s].seconds:.3f} s)" for s in slowest))
    print("\n".join(broken[:20]), end="\n" if broken else "")
    return 1 if broken or most > SLOW else 0


if __name__ == "__main__":
    sys.exit(main())

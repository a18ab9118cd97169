"""Every attack is stopped by its layer, and its harmless counterpart is accepted."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from eureka_agent.reward import Finding, RewardFailed, RewardValues, Signal, check, parse
from eureka_agent.workers.probe.dry_run import dry_run
from eureka_agent.workers.probe.samples import Batch

FOLDER = Path(__file__).parent / "attacks"
SIGNALS = (
    Signal("x", 3, "1", "Vector", "other"),
    Signal("y", None, "1", "Number", "other"),
)
TABLES = '"""Idea."""\nWEIGHTS = {"a": 1.0}\n'


@dataclass(frozen=True)
class Attack:
    """One entry of the folder.

    Attributes:
        form: expression, body or module.
        code: the attack.
        twin: the harmless counterpart.
        layer: what stops the attack.
    """

    form: str
    code: str
    twin: str
    layer: str


def load(path: Path) -> dict[str, Attack]:
    found = {}
    for name, entry in tomllib.loads(path.read_text("utf-8")).items():
        (form,) = entry.keys() & {"expression", "body", "module"}
        layer = entry.get("layer", "check")
        found[f"{path.stem}-{name}"] = Attack(form, entry[form], entry["twin"], layer)
    return found


ATTACKS = {name: a for path in sorted(FOLDER.glob("*.toml")) for name, a in load(path).items()}


def of_layer(*layers: str) -> list[object]:
    return [pytest.param(a, id=name) for name, a in ATTACKS.items() if a.layer in layers]


def program(form: str, code: str) -> str:
    if form == "module":
        return TABLES + code
    if form == "expression":
        body = f'    return {{"a": {code}}}\n'
    else:
        body = "".join(f"    {line}\n" for line in code.split("\n")) + '    return {"a": y}\n'
    return f"{TABLES}def compute_reward(x, y):\n{body}"


def arguments(rows: int = 8) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "x": torch.rand(rows, 3, generator=generator),
        "y": torch.rand(rows, generator=generator),
    }


def errors(text: str) -> list[Finding]:
    return [finding for finding in check(text, SIGNALS) if finding.severity == "error"]


def evaluate(text: str, given: dict[str, Tensor]) -> RewardValues:
    return parse(text, SIGNALS).compile()(given)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_the_harmless_counterpart_is_accepted_and_evaluates(attack: Attack) -> None:
    text = program(attack.form, attack.twin)
    assert errors(text) == []
    assert evaluate(text, arguments()).total.shape == (8,)


@pytest.mark.parametrize("attack", of_layer("check"))
def test_the_check_refuses_the_attack_with_place_and_reason(attack: Attack) -> None:
    text = program(attack.form, attack.code)
    found = errors(text)
    assert found
    for finding in found:
        assert 1 <= finding.line <= text.count("\n") + 1
        assert finding.message.isascii() and finding.message.isprintable()
        assert finding.message.endswith(".")


PLACES = ("y + ({})", "torch.abs({})", "[{}][0]", "{{'b': {}}}['b']", "x[{}]", "({}).abs()")


@pytest.mark.parametrize("attack", of_layer("check"))
def test_an_expression_is_refused_wherever_it_stands(attack: Attack) -> None:
    if attack.form == "expression":
        for place in PLACES:
            assert errors(program("body", "z = " + place.format(attack.code))), place


@pytest.mark.parametrize("attack", of_layer("rewrite"))
def test_rewritten_code_evaluates_and_changes_nothing(
    attack: Attack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given, same = arguments(), arguments()
    assert torch.isfinite(evaluate(program(attack.form, attack.code), given).total).all()
    assert all(torch.equal(given[name], same[name]) for name in given)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("attack", of_layer("contract"))
def test_the_contract_stops_the_call(attack: Attack) -> None:
    text = program(attack.form, attack.code)
    assert errors(text) == []
    with pytest.raises(RewardFailed) as caught:
        evaluate(text, arguments())
    assert caught.value.message.isascii() and caught.value.message.isprintable()


@pytest.mark.parametrize("attack", of_layer("dry run"))
def test_the_dry_run_refuses_dependence_between_rows(attack: Attack) -> None:
    def rules(code: str) -> set[str]:
        accepted = parse(program(attack.form, code), SIGNALS)
        findings = dry_run(accepted, [Batch(arguments(256), "here")])
        return {finding.rule for finding in findings if finding.severity == "error"}

    assert rules(attack.code) == {"row-dependence"}
    assert rules(attack.twin) == set()


def test_every_layer_is_one_that_is_tested() -> None:
    assert {a.layer for a in ATTACKS.values()} == {"check", "rewrite", "contract", "dry run"}
    assert len(ATTACKS) > 300

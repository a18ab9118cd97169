"""The check distinguishes programs with the requested structure from others."""

import pytest

from eureka_agent.common.choices import FREE, SIGNS, TWO_KINDS
from eureka_agent.designer.extraction import structure_findings


def program(weights: str, body: str) -> str:
    return f'''"""A program."""
WEIGHTS = {weights}

def lead(place):
    return -place

def compute_reward(place, speed):
{body}
'''


SIGN_WEIGHTS = '{"sparse": 1.0, "dense": 0.1}'
INLINE = '    return {"sparse": torch.sign(place - 1.0), "dense": lead(place).sign()}'
NAMED = '    dense = torch.sgn(speed)\n    return {"sparse": torch.sign(place), "dense": dense}'


@pytest.mark.parametrize("body", [INLINE, NAMED])
def test_the_signs_of_both_components_are_accepted(body: str) -> None:
    assert structure_findings(program(SIGN_WEIGHTS, body), SIGNS) == ()


@pytest.mark.parametrize(
    ("weights", "body", "said"),
    [
        ('{"sparse": 1.0, "dense": 0.5}', INLINE, "weights"),
        ('{"reach": 1.0}', '    return {"reach": torch.sign(place)}', "weights"),
        (SIGN_WEIGHTS, INLINE.replace("torch.sign(place - 1.0)", "place"), "of sparse"),
        (SIGN_WEIGHTS, INLINE.replace(".sign()", ""), "of dense"),
        (SIGN_WEIGHTS, INLINE.replace("return ", "paid = ") + "\n    return paid", "of sparse"),
        (SIGN_WEIGHTS, NAMED.replace("\n", "\n    dense *= 5.0\n", 1), "of dense"),
        (SIGN_WEIGHTS, NAMED.replace("torch.sgn(speed)", "5 * torch.sgn(speed)"), "of dense"),
    ],
)
def test_anything_but_the_signs_is_reported(weights: str, body: str, said: str) -> None:
    (finding,) = structure_findings(program(weights, body), SIGNS)
    assert finding.severity == "error"
    assert said in finding.message


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ('{"sparse_reach": 1.0, "dense_near": 0.1}', ""),
        ('{"sparse_reach": 1.0}', "no dense"),
        ('{"near": 1.0, "sparse_reach": 1.0}', "have no kind: near"),
    ],
)
def test_the_names_show_the_kinds_of_components(weights: str, said: str) -> None:
    found = structure_findings(program(weights, "    return {}"), TWO_KINDS)
    assert (said in found[0].message) if said else found == ()


HUGE = 'WEIGHTS = {"sparse": 1' + "0" * 400 + "}"


@pytest.mark.parametrize("parts", [FREE, SIGNS, TWO_KINDS])
@pytest.mark.parametrize(
    "text", ["", "def (", "WEIGHTS = weights()", 'WEIGHTS = {"a": b}', "\0", HUGE]
)
def test_the_critic_reports_texts_that_are_not_programs(text: str, parts: str) -> None:
    assert structure_findings(text, parts) == ()

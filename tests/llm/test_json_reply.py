"""A reply is read as JSON, and only numbers that the model was shown are believed."""

import pytest

from eureka_agent.llm.conversation import UnusableReply
from eureka_agent.llm.json_reply import numbers_in, read_object, without_unknown

KEYS = ("mode", "keep")


@pytest.mark.parametrize(
    "reply",
    [
        '{"mode": "falls", "keep": []}',
        'Let me see.\n```json\n{"mode": "falls", "keep": []}\n```\nThat is all.',
        'It {sic} falls: {"mode": "falls", "keep": []}',
        'First {"mode": "idle"}, no: {"mode": "falls", "keep": []}',
        '{"mode": "falls", "keep": []}\nwith {"other": 1}',
        "{" * 50 + ' {"mode": "falls", "keep": []}',
    ],
)
def test_the_last_object_with_a_requested_key_is_found(reply: str) -> None:
    assert read_object(reply, KEYS) == {"mode": "falls", "keep": []}


@pytest.mark.parametrize(
    "reply",
    [
        *("", " \n", "It falls.", "[1, 2]", '{"other": 1}', '{"mode": "fal', "{mode: falls}"),
        *('{"mode":' * 100_000, "{" * 400_000, '{"mode": ' + "9" * 10_000 + "}"),
    ],
)
def test_a_reply_without_such_an_object_is_unusable_and_the_reason_names_the_keys(
    reply: str,
) -> None:
    with pytest.raises(UnusableReply, match=r"empty|mode, keep"):
        read_object(reply, KEYS)


SHOWN = numbers_in(["step 12 of 150: 0.4962, -3.5 m, weight 1e-3; 80 %", "17 rows, 811.7"])


@pytest.mark.parametrize(
    "text",
    [
        *("step 12", "12-17 of 150", "0.4962", "about 0.5", "0.496 and 50%", "3.5 m behind"),
        *("-3.5", "0.001", "1e-3", "80%", "812", "twice", "joint_2", "x1"),
    ],
)
def test_numbers_that_were_shown_stay_even_if_rounded(text: str) -> None:
    assert without_unknown(text, SHOWN) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("set it to 0.25", "set it to [?]"),
        ("99% of steps 12 to 13", "[?]% of steps 12 to [?]"),
        ("10x as much", "[?]x as much"),
        ("0.497 high, .3 wide", "[?] high, [?] wide"),
        ("step 4 of 811.75", "step [?] of [?]"),
        ("1e400 and 5e99999", "[?] and [?]"),
        ("1e-400", "[?]"),
        ("1e-" + "9" * 5000, "[?]"),
        ("0." + "0" * 400 + "1", "[?]"),
    ],
)
def test_numbers_that_were_not_shown_are_struck_out(text: str, left: str) -> None:
    assert without_unknown(text, SHOWN) == left

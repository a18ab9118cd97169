"""The configuration of a search refuses wrong values in words, and knows its own settings."""

import re
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from eureka_agent.common.errors import UsageError
from eureka_agent.config import BY_ENVIRONMENT, SearchConfig, parse_setting
from eureka_agent.environment import find_environment
from eureka_agent.search.presets import all_settings

MODEL = {"designer": "openai", "model": "any"}
EXAM = {"candidates": 4, "exam": True}


@pytest.mark.parametrize(
    ("settings", "says", "remedy"),
    [
        ({"candidates": 0}, "candidates is 0", "at least 1"),
        ({"candidates": 256}, "candidates is 256", "at most 255"),
        ({"steps": 10**13}, "steps is 1", "at most 1,000,000,000,000"),
        ({"seed": -1}, "seed is -1", "at least 0"),
        ({"reply_timeout": 0.5}, "reply_timeout is 0.5", "at least 1"),
        ({"temperature": float("nan")}, "temperature is nan", "a finite number"),
        ({**MODEL, "max_cost": float("inf")}, "max_cost is inf", "a finite number"),
        ({**MODEL, "max_cost": -1.0}, "max_cost is -1", "at least 0"),
        ({**MODEL, "review_rounds": -1}, "review_rounds is -1", "at least 0"),
        ({**MODEL, "review_rounds": 4}, "review_rounds is 4", "at most 3"),
        ({"steps": "many"}, "steps must be a whole number, not 'many'", "config show"),
        ({"steps": True}, "steps must be a whole number, not True", "config show"),
        ({"steps": 1.5}, "steps must be a whole number, not 1.5", "config show"),
        ({"video": 1}, "video must be true or false, not 1", "config show"),
        ({"step": 3}, "no setting 'step'", "Did you mean steps?"),
        ({"trainer": "oracle"}, "no trainer 'oracle'", "'population' or 'sb3'"),
        ({"rank_by": "applause"}, "no rank_by 'applause'", "'fitness' or 'peers'"),
        ({"sandbox": "maybe"}, "no sandbox 'maybe'", "'required', 'auto', 'weak' or 'off'"),
        ({"designer": "nobody"}, "no designer 'nobody'", "Use offline or openai."),
        ({"device": "gpu"}, "no device 'gpu'", "auto, cpu, cuda"),
        ({"designer": "openai"}, "needs the name of a model", "--model NAME"),
        ({"max_cost": 1.0}, "asks no language model", "--designer openai"),
        ({**MODEL, "max_cost": 1.0}, "what the model costs", "prompt_price"),
        ({"trainer": "sb3", "candidates": 2}, "one policy at a time", "--trainer sb3"),
        ({"trainer": "sb3", "candidates": 1, "device": "cuda"}, "runs on the CPU", "--device cpu"),
        ({"exam": True, "rank_by": "peers"}, "The exam uses the fitness", "Leave one"),
        ({**EXAM, "proposals": 3}, "proposals is 3, and 4", "from 4 to 255"),
        ({**EXAM, "proposals": 256}, "proposals is 256", "at most 255"),
        ({"candidates": 4, "proposals": 8}, "nothing chooses among them", "exam=true"),
    ],
)
def test_a_wrong_value_is_refused_with_what_to_do(
    settings: dict[str, Any], says: str, remedy: str
) -> None:
    with pytest.raises(UsageError) as error:
        SearchConfig(**settings)
    assert says in error.value.message
    assert remedy in error.value.remedy
    with pytest.raises(UsageError):
        replace(SearchConfig(), **settings)


@pytest.mark.parametrize("settings", [{"review_rounds": 1}, {"analyst": True}, {"parts": "signs"}])
@pytest.mark.parametrize("designer", ["offline", "offline-blind", "given"])
def test_a_setting_that_needs_a_language_model_is_refused_without_one(
    designer: str, settings: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match=next(iter(settings))) as error:
        SearchConfig(designer=designer, **settings)  # type: ignore[arg-type]
    assert "--designer openai" in error.value.remedy
    SearchConfig(**MODEL, **settings)


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        SearchConfig().seed = 3  # type: ignore[misc]


def test_a_whole_number_is_a_number() -> None:
    config = SearchConfig(temperature=1)
    assert config.temperature == 1.0 and isinstance(config.temperature, float)


def test_as_many_programs_are_written_as_train_unless_more_are_asked_for() -> None:
    assert SearchConfig(candidates=4).written == 4
    assert SearchConfig(candidates=4, proposals=4).written == 4
    assert SearchConfig(**EXAM, proposals=9).written == 9


def test_settings_that_only_an_environment_completes_are_not_refused_early() -> None:
    SearchConfig.check(trainer="sb3", proposals=6)
    SearchConfig.check(steps=None, device=None)
    with pytest.raises(UsageError, match="asks no language model"):
        SearchConfig.check(base_url="http://127.0.0.1:1")


def test_a_stored_configuration_is_read_without_settings_of_other_versions() -> None:
    config = SearchConfig(seed=7)
    stored = config.as_dict() | {"of_the_future": 1}
    assert SearchConfig.from_dict(stored) == config
    del stored["device"]  # as in runs from before there was a choice
    assert SearchConfig.from_dict(stored).device == "cpu"


def test_every_setting_has_a_meaning() -> None:
    settings = all_settings({})
    assert [s["name"] for s in settings] == [f.name for f in fields(SearchConfig)][1:]
    for setting in settings:
        name, default = setting["name"], setting["default"]
        assert re.fullmatch(r"[A-Z].+\.", setting["meaning"]), name
        assert not setting["changed"]
        assert parse_setting(f"{name}={7 if default is None else default}")[0] == name


def test_a_new_run_takes_some_settings_from_its_environment() -> None:
    environment = find_environment("cartpole")
    settings = {s["name"]: s["default"] for s in all_settings({})}
    config = SearchConfig.for_environment(environment).as_dict()
    fixed = {name: value for name, value in settings.items() if value not in (None, "auto")}
    assert {name: config[name] for name in fixed} == fixed
    own = environment.training
    assert [config[name] for name in BY_ENVIRONMENT] == [own.lanes, own.worlds, own.budget]
    assert [name for name, value in settings.items() if value is None] == list(BY_ENVIRONMENT)


@pytest.mark.parametrize(
    ("text", "said", "remedy"),
    [
        ("generatons=7", "no setting 'generatons'", "Did you mean generations?"),
        ("Reply-Tokens=7", "no setting 'Reply-Tokens'", "Did you mean reply_tokens?"),
        ("xyzzy=7", "no setting 'xyzzy'", "config show"),
        ("generations", "sets nothing", "generations=VALUE"),
        ("preset=quick", "not a setting", "--preset quick"),
        ("video=perhaps", "video must be true or false", "config show"),
        ("max_cost=much", "max_cost must be a number", "config show"),
    ],
)
def test_a_wrong_setting_is_refused_with_the_nearest_one(text: str, said: str, remedy: str) -> None:
    with pytest.raises(UsageError, match=said) as error:
        parse_setting(text)
    assert remedy in error.value.remedy


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("steps=3e5", 300_000),
        ("steps=300_000", 300_000),
        ("seed=7", 7),
        ("video=Yes", True),
        ("max_cost=0.5", 0.5),
        ("model=a=b", "a=b"),
    ],
)
def test_a_setting_is_read_by_its_type(text: str, value: object) -> None:
    assert parse_setting(text)[1] == value


@pytest.mark.parametrize("value", ["", "nan", "inf", "1e999", "1.5", "1e99", "9" * 5000])
def test_text_that_is_not_a_whole_number_is_refused_in_a_short_message(value: str) -> None:
    with pytest.raises(UsageError, match="steps must be a whole number") as error:
        parse_setting(f"steps={value}")
    assert len(str(error.value)) < 200

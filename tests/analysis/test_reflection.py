"""The reflection: short, plain, and silent wherever it could be wrong."""

import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from eureka_agent.analysis.reflection import reflect, signal_statistics
from eureka_agent.environment import find_environment
from eureka_agent.reward import parse
from eureka_agent.store import CandidateRow, EvaluationRow, TrainingRow
from eureka_agent.store.rows import CandidateState
from eureka_agent.training import Population

Curve = Sequence[float | None]

POINTS = 10
RISE = [float(point) for point in range(1, POINTS + 1)]
PROGRAM = '''"""Go on, calmly."""

WEIGHTS = {"go": 1.0, "calm": 0.1, "shown": 0.0}


def compute_reward(pole_up, action):
    return {"go": pole_up, "calm": -action.square().sum(-1), "shown": pole_up}
'''


def component(
    mean: Curve, low: float | None, high: float | None, share: Curve = (0.5,)
) -> dict[str, Curve]:
    """The curves of a component."""
    return {"mean": mean, "min": [low], "max": [high], "share": share}


GO = component([0.3 * value for value in RISE], -1.0, 4.0, [0.6])
CALM = component([-0.5 + 0.03 * value for value in RISE], -1.0, 0.0, [0.4])


def evaluations(
    fitness: Curve = RISE,
    own_return: Curve = RISE,
    components: dict[str, dict[str, Curve]] | None = None,
    diagnostics: dict[str, Curve] | None = None,
    ended_early: Curve = (0.0,),
    length: Curve = (250.0,),
) -> list[EvaluationRow]:
    """A sound training run made of curves, which repeat if they are too short."""

    def at(curve: Curve, point: int) -> float | None:
        return curve[point % len(curve)]

    components = {"go": GO, "calm": CALM} if components is None else components
    return [
        EvaluationRow(
            id=point + 1,
            training_id=1,
            step=1000 * (point + 1),
            fitness=fitness[point],
            own_return=at(own_return, point),
            episode_length=at(length, point),
            ended_early=at(ended_early, point),
            components={
                name: {key: at(curve, point) for key, curve in curves.items()}
                for name, curves in components.items()
            },
            diagnostics={name: at(curve, point) for name, curve in (diagnostics or {}).items()},
        )
        for point in range(len(fitness))
    ]


def candidate(
    state: CandidateState = "finished",
    verdict: list[dict[str, Any]] | None = None,
    failure: str | None = None,
    text: str = PROGRAM,
) -> CandidateRow:
    """A candidate as the store holds it."""
    return CandidateRow(
        id=1,
        generation=0,
        slot=0,
        parents=(),
        designer="offline",
        text=text,
        thought="Go on, calmly.",
        note="",
        lesson="",
        reflections={},
        state=state,
        verdict=verdict or [],
        fitness=10.0,
        own_return=10.0,
        checkpoint_step=None,
        failure=failure,
        created=0.0,
        finished=1.0,
    )


def training(checkpoint_step: int | None = 10_000) -> TrainingRow:
    """The training run of that candidate."""
    return TrainingRow(
        id=1,
        role="candidate",
        candidate_id=1,
        seed=0,
        state="finished",
        steps_done=10_000,
        steps_total=10_000,
        ranking_fitness=10.0,
        reporting_fitness=None,
        own_return=10.0,
        checkpoint_step=checkpoint_step,
        reproduced=None,
        failure=None,
    )


def said(**curves: Any) -> str:
    """The reflection on a training run with some unusual curves."""
    return reflect(candidate(), training(), evaluations(**curves), episode_steps=250)


def remarks(text: str) -> list[str]:
    """The sentences that the rules added."""
    return [line for line in text.splitlines() if line.startswith("- ")]


def test_the_reflection_of_a_sound_training_run_has_only_numbers() -> None:
    fitness = [1.0, 5.0, 8.0, 9.0, 9.5, 9.7, 9.8, 9.9, 9.9, 9.9]
    text = said(fitness=fitness, diagnostics={"explained_variance": [0.9], "kl": [0.01]})
    assert remarks(text) == []
    assert "ships (*)" in text
    assert "10k*" in text
    assert "Every episode ran to the time limit of 250 steps." in text
    assert "explained variance 0.9 to 0.9, KL 0.01 to 0.01" in text


def test_the_table_shows_every_component_at_every_point() -> None:
    lines = said().splitlines()
    title = lines.index("go (weight 1, -1 to 4)")
    assert lines[title + 1].split()[1:] == [f"{0.3 * value:.3g}" for value in RISE]
    assert lines[title + 2].split()[1:] == ["60%"] * POINTS
    assert len({len(line) for line in lines if line.startswith(("steps", "fitness", "  "))}) == 1


def test_more_points_than_fit_are_thinned_but_the_shipped_one_and_the_last_stay() -> None:
    rows = evaluations(fitness=RISE + RISE + RISE)
    text = reflect(candidate(), training(14_000), rows, episode_steps=250)
    heads = next(line for line in text.splitlines() if line.startswith("steps")).split()[1:]
    assert len(heads) == POINTS
    assert "14k*" in heads
    assert heads[-1] == "30k"
    assert heads == sorted(heads, key=lambda head: float(head.rstrip("k*")))


COURSES = {
    "the reward misleads": {"fitness": RISE[::-1]},
    "while fitness stayed": {"fitness": [1.0, 1.1] * 5},
    "Own return did not rise": {"own_return": [5.0, 5.1] * 5},
    "Own return fell": {"own_return": RISE[::-1]},
    "best well before the end": {"fitness": [1.0, 4.0, 7.0, 7.1, 7.2, 6.0, 4.0, 2.0, 1.9, 2.0]},
    "still rising": {"fitness": RISE},
    "100% of the episodes still ended early": {"ended_early": [1.0], "length": [20.0]},
    "diverged in up to 0.3%": {"diagnostics": {"diverged": [0.0, 0.003]}},
    "explains only 0.1": {"diagnostics": {"explained_variance": [0.1]}},
    "had shrunk to 0.05": {"diagnostics": {"action_spread": [1.0] + [0.05] * 9}},
    "grew to 3": {"diagnostics": {"action_spread": [1.0] * 9 + [3.0]}},
    "far too large": {"diagnostics": {"kl": [0.5]}},
    "hardly moved": {"diagnostics": {"kl": [1e-6]}},
    "not a finite number at 5 of 10": {"own_return": [1.0, None]},
}


@pytest.mark.parametrize("words", COURSES)
def test_a_remark_names_what_is_wrong_with_a_training_run(words: str) -> None:
    assert words in "\n".join(remarks(said(**COURSES[words])))


COMPONENTS = {
    "shown has weight 0": ("shown", component([0.0], 0.0, 0.0, [0.0])),
    "go was 0 at every step": ("go", component([0.0], 0.0, 0.0, [0.0])),
    "go was 0.7 at every step": ("go", component([0.7], 0.7, 0.7)),
    "go never passed 0.02 before": ("go", component([0.01], 0.0, 0.02)),
    "go was hardly ever earned": ("go", component([0.001, 0.01], 0.0, 1.0)),
    "go stayed at its worst": ("go", component([-9.9], -10.0, -1.0)),
    "go is negligible": ("go", component([0.001, 0.002], -0.01, 0.01, [0.002])),
    "go paid 95% of its maximum": ("go", component([0.95] * 5 + [0.7] * 5, 0.0, 1.0, [0.9])),
    "go is stuck at 0.5 of 1": ("go", component([0.2] * 4 + [0.5] * 6, 0.0, 1.0)),
    "go is saturated": ("go", component([0.2] * 3 + [0.98] * 7, 0.0, 1.0)),
    "go is flat": ("go", component([3.0, 3.01], -5.0, 5.0)),
    "go dominates with 95% to 97%": ("go", component([2.0, 4.0], -5.0, 5.0, [0.95, 0.97])),
}


@pytest.mark.parametrize("words", COMPONENTS)
def test_a_remark_names_what_is_wrong_with_a_component(words: str) -> None:
    name, curves = COMPONENTS[words]
    found = remarks(said(components={"calm": CALM, name: curves}))
    assert words in "\n".join(found)
    assert sum(f"- {name} " in line for line in found) == 1


def test_a_constant_is_no_fault_where_episodes_can_end_early() -> None:
    components = {"go": component([0.7], 0.7, 0.7), "calm": CALM}
    assert "constant" not in said(components=components, ended_early=[0.4])


def test_a_share_does_not_count_where_others_swing() -> None:
    swinging = component([0.01, -0.01], -9.0, 9.0, [0.005])
    text = said(components={"go": component([2.0, 4.0], -5.0, 5.0, [0.99]), "calm": swinging})
    assert "dominates" not in text
    assert "negligible" not in text


def test_a_jump_at_the_very_end_is_no_misleading_reward() -> None:
    text = said(fitness=[0.0, 0.01, 0.0, 0.02, 0.01, 0.0, 0.02, 0.01, 0.02, 0.6])
    assert "while fitness" not in text
    assert "still rising" in text


def test_noise_is_rarely_taken_for_a_lesson() -> None:
    source, count = random.Random(0), 300
    texts = [
        said(fitness=[source.gauss(1.0, 0.1) for _ in RISE], own_return=RISE) for _ in range(count)
    ]
    for words, rate in [("misleads", 0.05), ("best well before", 0.02), ("still rising", 0.05)]:
        assert sum(words in text for text in texts) <= rate * count, words


@pytest.mark.parametrize("missing", [None, math.nan, math.inf])
def test_missing_numbers_show_as_gaps(missing: float | None) -> None:
    nothing = component([missing], missing, missing, [missing])
    text = said(
        fitness=[missing] * (POINTS - 1) + [1.0],
        own_return=[missing],
        length=[missing],
        ended_early=[missing],
        components={"go": nothing},
        diagnostics={"kl": [missing]},
    )
    assert "nan" not in text
    assert "inf" not in text
    assert [line.split()[1:] for line in text.splitlines() if line.startswith("fitness")] == [
        ["-"] * (POINTS - 1) + ["1"]
    ]


def test_without_a_fitness_none_is_mentioned() -> None:
    assert "fitness" not in said(fitness=[None] * POINTS, own_return=RISE).lower()


def test_a_single_evaluation_gets_no_remark_on_its_course() -> None:
    rows = evaluations(fitness=[3.0])
    text = reflect(candidate(), training(1000), rows, episode_steps=250)
    assert "Trained for 1k steps. The policy at 1k ships (*)" in text
    assert remarks(text) == []


def test_the_reflection_of_a_rejected_candidate_lists_the_critics_findings() -> None:
    findings = [
        {"rule": "unit", "severity": "warning", "line": 1, "message": "Odd.", "hint": ""},
        *(
            {
                "rule": "unknown-name",
                "severity": "error",
                "line": line,
                "message": "pole_pu is no signal.\x1b[2J",
                "hint": "Did you mean pole_up?",
            }
            for line in range(6)
        ),
    ]
    text = reflect(candidate("rejected", findings, "pole_pu"), None, [], episode_steps=250)
    assert "- line 0, unknown-name: pole_pu is no signal.?[2J Did you mean pole_up?" in text
    assert "Odd" not in text
    assert text.endswith("- and 2 more")


def test_the_reflection_of_a_failed_candidate_ends_its_traceback_and_says_how_far_it_came() -> None:
    failure = "Traceback:\n  a\n  b\n  line 6, in compute_reward\nRewardFailed: not finite"
    row = candidate("failed", failure=failure)
    assert reflect(row, None, [], episode_steps=250).splitlines() == [
        "The candidate failed:",
        "> b",
        "> line 6, in compute_reward",
        "> RewardFailed: not finite",
    ]
    text = reflect(row, training(None), evaluations(fitness=[3.0]), episode_steps=250)
    assert "Trained for 1k steps." in text
    assert "ships" not in text
    assert "no reason was given" in reflect(candidate("failed"), None, [], episode_steps=250)


def test_five_components_with_everything_wrong_stay_short_and_plain() -> None:
    components = {
        f"component_number_{i}_\u202e": component(
            [-0.0123 * v for v in RISE], -0.123, -1.23e-5, [0.2]
        )
        for i in range(5)
    }
    text = said(
        fitness=[-value for value in RISE],
        components=components,
        ended_early=[0.9],
        length=[123.4],
        diagnostics={
            "explained_variance": [0.0123],
            "action_spread": [0.0456],
            "kl": [0.789],
            "entropy": [-12.3],
            "clip_share": [0.345],
            "diverged": [0.00123],
        },
    )
    assert len(text) < 2500
    assert len(remarks(text)) >= 3
    assert all(character == "\n" or " " <= character <= "~" for character in text)
    table = text[text.index("steps  ") : text.index("Of the episodes")]
    assert all(len(line) <= 100 for line in table.splitlines())


def test_names_that_the_program_does_not_weigh_are_shown_all_the_same() -> None:
    text = reflect(candidate(text="no program ("), training(), evaluations(), episode_steps=250)
    assert "go (-1 to 4)" in text


def test_a_real_training_run_reads_well() -> None:
    environment = find_environment("cartpole")
    population = Population(environment, lanes=1, worlds=4, threads=1)
    program = parse(PROGRAM, environment.signals_described)
    population.load(0, program.compile(), seed=0)
    rows = []
    for point in range(1, 7):
        [report] = population.advance(population.rollout_steps)
        components: dict[str, dict[str, float | None]] = {
            name: {"mean": v.mean, "min": v.minimum, "max": v.maximum, "share": v.share}
            for name, v in report.components.items()
        }
        diagnostics: dict[str, float | None] = {**report.diagnostics}
        rows.append(
            EvaluationRow(
                point, 1, report.steps, 0.0, float(point), 250.0, 0.0, components, diagnostics
            )
        )
    text = reflect(candidate(), training(rows[-1].step), rows, episode_steps=250)
    assert "go (weight 1, -1 to" in text
    assert "shown has weight 0" in text
    assert "explained variance" in text
    assert "nan" not in text
    assert "Own return rose" in text


def test_halves_spread_and_range_are_those_of_the_living_steps() -> None:
    states = np.zeros((5, 2, 1), dtype=np.float32)
    states[:, 0, 0] = [0, 1, 2, 3, 4]
    states[:, 1, 0] = [10, 20, 30, 999, 999]  # ended after two steps
    _, heading, line = signal_statistics(["pole_up"], states, np.array([4, 2])).split("\n")
    assert heading.split() == ["1st", "half", "2nd", "half", "spread", "from", "to"]
    name, first, second, _, low, high = line.split()
    assert (name, first, second, low, high) == ("pole_up", "6.6", "12.3", "0", "30")


def test_many_columns_are_cut() -> None:
    states = np.zeros((3, 1, 100), dtype=np.float32)
    text = signal_statistics([f"x[:, {i}]" for i in range(100)], states, np.array([2]))
    assert "x[:, 23]" in text and "x[:, 24]" not in text

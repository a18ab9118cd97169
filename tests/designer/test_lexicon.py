"""The offline designer reads which way a task goes, and which way a signal is positive."""

from typing import Literal

import pytest

from eureka_agent.designer.base import PastCandidate
from eureka_agent.designer.offline.designer import OfflineDesigner
from eureka_agent.designer.offline.grounding import visible_task
from eureka_agent.designer.offline.lexicon import positive_directions, read_clauses
from eureka_agent.designer.offline.program_text import read
from eureka_agent.designer.offline.term_grammar import Factor, TermGrammar, canonical
from eureka_agent.environment import TaskDescription, find_environment
from eureka_agent.reward import Signal

Kind = Literal["position", "velocity", "angle", "angular_velocity", "orientation", "distance"]

LIMBS = (
    Signal("joint_angles", 2, "rad", "Angles of the joints", "angle", ("hip", "knee")),
    Signal("joint_rates", 2, "rad/s", "Rates of the joints", "angular_velocity", ("hip", "knee")),
)


def describe(task: str, *signals: Signal) -> TaskDescription:
    return TaskDescription("robot", task, signals, ("hip", "knee"), 0.05, 500, "")


def leading(task: TaskDescription) -> Factor:
    """The aim that is most plausible."""
    return TermGrammar(visible_task(task, 0, blind=False)).for_use("aim")[0].factor


def course(factor: Factor) -> int:
    """1 if it asks for more of its quantity, -1 for less, or for 0."""
    if factor.form in ("linear", "bounded") or (factor.form, factor.target) == ("progress", None):
        return factor.sign
    if factor.form == "share":
        assert isinstance(factor.target, float) and factor.origin is not None
        return 1 if factor.target > factor.origin else -1
    return -1


V, W, P, A, D = "velocity", "angular_velocity", "position", "angle", "distance"
SPIN = "Rate of the body on its hinge, negative while its top moves away from the finger"


@pytest.mark.parametrize(
    ("task", "kind", "meaning", "sign"),
    [
        ("Spin the body so that its top moves away from the finger.", W, SPIN, -1),
        ("Spin the body so that its top moves toward the finger.", W, SPIN, 1),
        ("Turn the valve clockwise.", W, "Rate of the valve, positive anticlockwise", -1),
        ("Rotate the valve counter-clockwise.", W, "Rate of the valve, positive anticlockwise", 1),
        ("Turn to starboard.", W, "Rate at which the boat turns, negative to port (left)", 1),
        ("Turn left on the spot.", W, "Yaw rate of the body", 1),
        ("Do backflips.", W, "Rate of the torso's pitch, positive nose down", -1),
        ("Do backflips.", W, "Rate of the torso's pitch, positive nose up", 1),
        ("Whirl forward round the bar.", W, "Rate of whirling. Backward is positive.", -1),
        ("Spin in the negative direction.", W, "Rate of the top about its axis", -1),
        ("Drive the cart to the left.", V, "Velocity of the cart, positive to the right", -1),
        ("Drive the cart to the left.", V, "Velocity of the cart, < 0 to the right", 1),
        ("Roll the ball to the left.", V, "Speed of the ball; > 0 to the right wall", -1),
        ("Go backward.", V, "Speed ahead, negative in reverse", -1),
        ("Do not move forward but back up.", V, "Speed along its own axis, positive forward", -1),
        ("Raise the platform.", V, "Vertical speed of the platform, downward positive", -1),
        (
            "Pull the rope towards the robot.",
            V,
            "Rope speed: negative towards the robot",
            -1,
        ),
        ("Close the gripper.", V, "Opening speed of the gripper, > 0 while it opens", -1),
        ("Lower the load.", P, "Height of the load above the ground", -1),
        ("Lower the load.", P, "Depth of the load below the crane", 1),
        ("Lift the box.", P, "Height of the box above the table", 1),
        ("Run without lifting the feet: keep them low.", P, "Height of the feet", -1),
        ("Push the drawer shut.", P, "How far the drawer is out: 0 closed, 0.4 fully open", -1),
        ("Open the drawer.", P, "How far the drawer is out: 0 closed, 0.4 fully open", 1),
        ("Shorten the cable.", P, "Length of the cable", -1),
        ("Lean back.", A, "Lean of the trunk, positive forward", -1),
        ("Lean forward.", A, "Lean of the trunk; leaning back is positive", -1),
        ("Bend the waist.", A, "Angle of the waist (negative when bent)", -1),
        ("Turn the head to the right.", A, "Direction of the head, 0 ahead, grows to the left", -1),
        ("Keep the sway as small as possible.", A, "Sway of the load, 0 hanging down", -1),
        ("Slow down the wheel.", W, "Rate at which the wheel turns", -1),
        ("Run away from the ball.", D, "Distance between the ball and the torso", 1),
        ("Avoid the ball.", D, "Distance from the torso to the ball", 1),
        ("Fetch the ball.", D, "Distance from the torso to the ball", -1),
    ],
)
def test_a_quantity_is_rewarded_in_the_direction_of_the_task(
    task: str, kind: Kind, meaning: str, sign: int
) -> None:
    aim = leading(describe(task, Signal("measure", None, "1", meaning, kind), *LIMBS))
    assert aim.quantity is not None and aim.quantity.parameter == "measure"
    assert course(aim) == sign, aim.code("scale")


MOTION = ("forward (x)", "left (y)", "up (z)")
TURNS = ("roll to the right", "pitch nose down", "yaw to the left")
ROBOT = (
    Signal("torso_velocity", 3, "m/s", "Velocity of the torso", "velocity", MOTION),
    Signal("torso_rates", 3, "rad/s", "Angular velocity of the torso", "angular_velocity", TURNS),
    Signal("foot_heights", 2, "m", "Height of the feet", "position", ("left foot", "right foot")),
    *LIMBS,
)


@pytest.mark.parametrize(
    ("task", "aim"),
    [
        ("Walk backwards.", "-torso_velocity[:, 0]"),
        ("Walk forward, and never backward.", "torso_velocity[:, 0]"),
        ("Walk forward without leaning to the left.", "torso_velocity[:, 0]"),
        ("Run forward with the feet low.", "torso_velocity[:, 0]"),
        ("Trot sideways to the right at high speed.", "-torso_velocity[:, 1]"),
        ("Move in the negative x direction.", "-torso_velocity[:, 0]"),
        ("Turn right on the spot.", "-torso_rates[:, 2] / scale"),
        ("Roll to the left.", "-torso_rates[:, 0] / scale"),
        ("Do backflips.", "-torso_rates[:, 1] / scale"),
        (
            "Lift the right foot.",
            "(foot_heights[:, 1] - prev_foot_heights[:, 1]) / scale",
        ),
    ],
)
def test_the_column_in_the_direction_of_the_task_is_rewarded(task: str, aim: str) -> None:
    assert leading(describe(task, *ROBOT)).code("scale") == aim


def test_moving_away_from_a_vectors_end_is_a_growing_distance() -> None:
    goal = Signal("to_target", 2, "m", "Where the target is as seen from the mouth", "goal")
    code = leading(describe("Swim away from the target.", goal, *LIMBS)).code("step")
    before, now = "prev_to_target.square().sum(-1).sqrt()", "to_target.square().sum(-1).sqrt()"
    assert code == f"({now} - {before}) / step"


def test_the_packaged_tasks_keep_their_directions() -> None:
    aims = {
        name: leading(find_environment(name).describe()).code("scale")
        for name in ("half_cheetah", "half_cheetah_backward", "cartpole")
    }
    assert aims == {
        "half_cheetah": "torso_velocity[:, 0]",
        "half_cheetah_backward": "-torso_velocity[:, 0]",
        "cartpole": "(pole_up + 1.0) / 2.0",
    }


def test_sides_that_name_a_part_are_not_directions() -> None:
    assert read_clauses("Put the left hand on the back leg at high speed.")[0].directions == {}
    assert positive_directions("front left", "", "", turns=False)[:-1] == [{}]


def test_a_refused_direction_asks_for_the_opposite() -> None:
    forward, left = read_clauses("Run forward without drifting left.")
    assert (forward.directions, forward.refused) == ({"forward": 1}, False)
    assert (left.directions, left.refused) == ({"right": 1}, True)


def test_a_posture_weighs_little_beside_a_motion() -> None:
    lean = Signal("torso_lean", None, "rad", "Lean of the torso: 0 upright", "angle")
    for task, most in (("Run forward.", 0.4), ("Keep the torso upright.", 2.0)):
        described = describe(task, lean, *ROBOT)
        for proposal in OfflineDesigner(described, 0).propose(0, 4, []):
            spec = read(proposal.text, OfflineDesigner(described, 0).grammar)
            assert spec is not None
            postures = [
                term.weight
                for term in spec[1:]
                if term.factors[0].quantity and term.factors[0].target == "start"
            ]
            assert all(weight <= most * spec[0].weight for weight in postures)


def test_the_opposite_of_the_opposite_is_the_same(task: TaskDescription) -> None:
    for production in TermGrammar(visible_task(task, 0, blind=False)).productions:
        opposite = production.factor.opposite
        assert opposite is None or opposite.opposite == production.factor != opposite


def equally_good(designer: OfflineDesigner, generations: int, value: float) -> list[PastCandidate]:
    past: list[PastCandidate] = []
    for generation in range(generations):
        for proposal in designer.propose(generation, 4, past):
            past.append(
                PastCandidate(len(past), generation, proposal.text, proposal.parents, value, None)
            )
    return past


@pytest.mark.parametrize("value", [0.0, -3.7])
def test_after_a_tie_of_all_the_next_generation_tries_the_opposite(
    hopper: TaskDescription, value: float
) -> None:
    designer = OfflineDesigner(hopper, 0)
    past = equally_good(designer, 2, value)
    # A search that continues in another process decides the same.
    assert [p.text for p in OfflineDesigner(hopper, 0).propose(1, 4, past[:4])] == [
        p.text for p in past[4:]
    ]
    leaders = [spec[0].factors[0] for p in past if (spec := read(p.text, designer.grammar))]
    assert len(leaders) == 8
    for candidate, leader in zip(past[4:], leaders[4:], strict=True):
        (parent,) = candidate.parents
        assert leader == leaders[parent].opposite


def test_after_a_second_tie_other_quantities_lead(hopper: TaskDescription) -> None:
    designer = OfflineDesigner(hopper, 0)
    past = equally_good(designer, 3, 0.0)
    specs = [spec for p in past if (spec := read(p.text, designer.grammar))]
    assert len({canonical(spec) for spec in specs}) == len(past) == 12
    quantities = [spec[0].factors[0].quantity for spec in specs]
    assert not set(quantities[8:]) & set(quantities[:8])


def test_one_better_candidate_ends_the_search_for_directions(hopper: TaskDescription) -> None:
    past = equally_good(OfflineDesigner(hopper, 0), 1, 0.0)
    better = [*past[:3], PastCandidate(3, 0, past[3].text, (), 1.0, None)]
    proposals = OfflineDesigner(hopper, 0).propose(1, 4, better)
    assert not any("equally well" in proposal.note for proposal in proposals)
    assert 3 in proposals[0].parents

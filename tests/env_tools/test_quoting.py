"""What a model or a person wrote becomes text in a new environment, never code or markup."""

import html
import io
from pathlib import Path

import pytest
from rich.console import Console

from eureka_agent.cli.check_env import created
from eureka_agent.env_tools.scaffold import quoting
from eureka_agent.env_tools.scaffold.create import NewEnvironment, new_environment
from eureka_agent.env_tools.scaffold.quoting import (
    code_span,
    display_name,
    docstring,
    literal,
    markdown,
)
from eureka_agent.env_tools.scaffold.sensors import SignalSource
from eureka_agent.env_tools.scaffold.signals import identifier, with_unique_names
from eureka_agent.environment import Environment, MujocoWorlds, find_environment

CODE = 'x") if False else [open("ran", "w").close(), state.qpos[:, :3]][1]  #'
NAMES = (
    *('"""', "'''", "ends in \\", '\\"', "two\nopen('ran', 'w')\nlines", "a\rb", "{a}{{b}}{0}"),
    *("#", "%s", "class", "None", "model", "state", "1st", "x" * 10_000, "../../x", "[red]x[/red]"),
    *(
        "<script>",
        "`a` | [b](c)",
        "prev_x",
        "action",
        "___",
        "🤖",
        "\u202ex",
        "a\x1b[31mb",
        "\x9b1m",
    ),
)
NONLATIN = ("左髋", "右髋", "épaule", "левая", "joint_1")


def robot(names: tuple[str, ...]) -> str:
    """A model in which a body, a joint, a site, a tendon, an actuator and a sensor share a name."""
    bodies, tendons, motors, sensors = "", "", "", ""
    for i, name in enumerate(names):
        quoted = html.escape(name).replace("\n", "&#10;").replace("\r", "&#13;")
        bodies += (
            f'<body name="{quoted}" pos="0 {i} 1"><joint name="{quoted}" axis="0 1 0"/>'
            f'<geom name="{quoted}" size=".1" pos=".2 0 0"/><site name="{quoted}"/></body>'
        )
        tendons += f'<fixed name="{quoted}"><joint joint="{quoted}" coef="1"/></fixed>'
        motors += f'<motor name="{quoted}" joint="{quoted}" ctrlrange="-1 1"/>'
        sensors += f'<gyro name="{quoted}" site="{quoted}"/>'
    return (
        f"<mujoco><worldbody>{bodies}</worldbody><tendon>{tendons}</tendon>"
        f"<actuator>{motors}</actuator><sensor>{sensors}</sensor></mujoco>"
    )


def made(folder: Path, text: str) -> tuple[NewEnvironment, Environment]:
    """A new environment of a model, loaded."""
    (folder / "robot.xml").write_text(text, encoding="utf-8")
    new = new_environment("mine", folder / "envs", folder / "robot.xml", "A task.")
    return new, find_environment(str(new.folder))


@pytest.mark.parametrize("names", [(CODE,), NAMES[:9], NAMES[9:18], NAMES[18:]])
def test_a_name_never_runs_and_never_breaks_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    _, environment = made(tmp_path, robot(names))
    MujocoWorlds(environment, 2)  # reads every signal
    for number, name in enumerate(names):
        assert environment.model.actuator(number).name == name
    assert not (tmp_path / "ran").exists()
    described = [s.meaning + "".join(s.axes) for s in environment.signals_described]
    assert all(text.isprintable() for text in described)


def test_names_with_the_same_identifier_get_different_signals(tmp_path: Path) -> None:
    names = (*NONLATIN, "joint-1", "Joint_1")
    new, environment = made(tmp_path, robot(names))
    signals = {signal.name for signal in environment.signals_described}
    assert {"epaule_position", "joint_1_position", "joint_1_2_position"} <= signals
    assert len(signals) == len(environment.signals_described) == new.signals
    said = " ".join(new.notes)
    assert "the site '左髋' is site_1" in said
    assert "the site '右髋' is site_2" in said
    assert said.split(":")[0] in (new.folder / "README.md").read_text()
    axes = [axis for s in environment.signals_described for axis in s.axes]
    assert all(any(name in axis for axis in axes) for name in names)  # joints share one signal


def test_a_task_stays_text_whatever_it_contains(tmp_path: Path) -> None:
    task = 'Say "hi" \\ {x} """\nimport os\n# <b>[red]`y`'
    folder = new_environment("mine", tmp_path, task=task).folder
    assert find_environment(str(folder)).task == " ".join(task.split())
    assert "\\<b\\>\\[red\\]\\`y\\`" in (folder / "README.md").read_text()


def test_the_output_of_new_env_holds_no_terminal_sequence() -> None:
    new = NewEnvironment(Path("a\x1b[31m"), 1, "[red]x\x9b31m", ("\u202e",), ("\x07",))
    printed = io.StringIO()
    Console(file=printed, force_terminal=True, width=200).print(created(new))
    assert "[red]x" in printed.getvalue()
    for sequence in ("\x9b", "\u202e", "\x07", "\x1b[31m"):
        assert sequence not in printed.getvalue()


def test_a_template_writes_no_string_that_was_not_quoted() -> None:
    with pytest.raises(TypeError, match="without a filter"):
        quoting._TEMPLATES.from_string("x = {{ name }}").render(name="open('ran')")
    quoted = quoting._TEMPLATES.from_string("x = {{ name | literal }}, {{ 2 }}").render(
        name='"<b>"'
    )
    assert quoted == 'x = "\\"<b>\\"", 2'


def test_quoting_gives_back_what_it_was_given() -> None:
    for name in (*NAMES, *NONLATIN, CODE, "\ud800", "\u2028"):
        assert eval(literal(name)) == name
        assert "\n" not in literal(name)
        assert eval(docstring(name, 40)).split() == f"{' '.join(name.split())}.".split() or (
            not name.isprintable()
        )
        assert len(display_name(name)) <= 60
        assert "|" not in code_span(name).replace("\\|", "")
        assert "<" not in markdown(name).replace("\\<", "")


def test_a_signal_never_takes_a_name_that_means_something_else() -> None:
    def text(kind: str, part: str, quantity: str) -> SignalSource:
        return SignalSource(quantity, "1", "other", (), "", ("x",), (kind, part))

    found = [text("joint", "control", "step"), text("body", "a", "x"), text("site", "a", "x")]
    found += [text("joint", "a_2", "x"), text("joint", "A_2", "x"), text("joint", "a-2", "x")]
    names = [signal.name for signal in with_unique_names(found)[0]]
    assert names == ["control_joint_step", "a_x", "a_site_x", "a_2_x", "a_2_2_x", "a_2_3_x"]
    assert identifier("prev_x") == "the_prev_x"
    assert identifier("1st") == "the_1st"

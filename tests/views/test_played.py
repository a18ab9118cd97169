"""What was played is told in rows, also where numbers are missing or names are hostile."""

from typing import Any

from rich.console import Console

from eureka_agent.views.terminal.tables import played_view


def document(name: str, **episode: Any) -> dict[str, Any]:
    played = {"fitness": 2.0, "seconds": 4.0, "ended_early": True, "diverged": False}
    episodes = [played | {"components": {"up": 3.0, "[red]": None}} | episode]
    missing = None
    fields = {"environment": "hopper", "fitness": 2.0, "components_missing": missing}
    return {"policy": name, "episodes": episodes, **fields}


def told(played: dict[str, Any], width: int = 80) -> str:
    console = Console(width=width, no_color=True)
    with console.capture() as capture:
        console.print(played_view(played))
    return capture.get()


def test_fitness_length_and_pay_are_told_and_where_the_film_is() -> None:
    said = told({"policies": [document("run #1")], "video": "out.mp4"})
    for part in ("run #1", "2.000, mean of 1", "1 of 1 ended early", "3.000 per episode"):
        assert part in said
    assert "paid: [red]" in said and "not a finite number" in said
    assert "Film: out.mp4" in said


def test_two_policies_stand_side_by_side_and_each_says_what_it_lacks() -> None:
    silent = document("\x1b[2Jother", components={}, diverged=True)
    silent["components_missing"] = "nobody knows"
    said = told({"policies": [document("run #1"), silent], "video": None}, width=100)
    assert "\x1b" not in said and "unknown: nobody knows" in said
    assert "in 1 of 1" in said and "Film" not in said

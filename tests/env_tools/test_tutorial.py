"""The tutorial's own texts make an environment that passes the check."""

import re
from pathlib import Path

from eureka_agent.env_tools.checks.runner import check_environment
from eureka_agent.env_tools.scaffold.create import new_environment

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"


def test_the_environment_of_the_tutorial_passes(tmp_path: Path) -> None:
    text = TUTORIAL.read_text(encoding="utf-8")
    (model,) = re.findall(r"```xml\n(.*?)```", text, re.DOTALL)
    fitness, signal, reward = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "turner.xml").write_text(model)
    folder = new_environment("turner", tmp_path, tmp_path / "turner.xml").folder
    source = (folder / "env.py").read_text()
    before, decorator, after = source.partition(
        '    @signal(unit="rad", kind="angle")\n    def axle'
    )
    (folder / "env.py").write_text(f"{before}{signal}\n{decorator}{after}")
    (folder / "fitness.py").write_text(fitness)
    (folder / "human_reward.py").write_text(reward)
    assert [f for f in check_environment(folder, 50) if f.outcome == "failed"] == []

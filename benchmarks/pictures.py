"""What does each environment look like? Draws `picture.png` of its folder.

    python benchmarks/pictures.py              # all environments
    python benchmarks/pictures.py hopper ant   # these

What moves is drawn at several moments of one episode of the human reward's policy, as far as
`baselines.py` has left one in `runs/baselines`; otherwise as the episode begins. Floor, sky and
light are put into a copy of the model that is drawn and never simulated. Needs Pillow, which comes
with the dev extra, and a way to draw: `eureka-agent doctor` tells.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from baselines import KEEP
from pictures_scene import ASPECT, CAMERA, Moment, dressed, extents
from PIL import Image
from stable_baselines3 import PPO

from eureka_agent.environment import (
    Environment,
    MujocoWorlds,
    find_environment,
    list_environments,
    pools,
)
from eureka_agent.simulation.rendering import Renderer

WIDTH, HEIGHT, FINER = 640, round(640 / ASPECT), 2
"""Pixels of a picture, and how many times finer it is drawn: that smooths edges."""
LONGEST, GAP = 10.0, 1.1
"""Seconds in which strides are looked for, and how far apart they are, in lengths of the robot."""


@dataclass(frozen=True)
class Shot:
    """How an environment is shown.

    Attributes:
        moments: seconds into the episode that are drawn.
        azimuth: degrees: the way that the camera looks, 90 along y, with x to the right.
        elevation: degrees: how steeply it looks, negative downwards.
        strides: how many times more what moves is drawn, each time as soon as it is clear of where
            it was drawn last.
        near: whether the camera cares for what moves alone.
    """

    moments: tuple[float, ...] = (0.0,)
    azimuth: float = 105.0
    elevation: float = -12.0
    strides: int = 0
    near: bool = False


RUN = Shot((2.0,), strides=2)
SHOTS = {
    "allegro_hand": Shot((1.0,)),
    "ant": Shot((2.0,), strides=1, elevation=-25.0),
    "ant_isaac": Shot((2.0,), strides=1, elevation=-25.0),
    "anymal": Shot((2.0,), strides=1),
    "ball_balance": Shot((3.0,)),
    "cartpole": Shot((0.0, 0.6, 1.0, 1.3, 1.6, 5.0), azimuth=90.0, elevation=-6.0),
    "cartpole_balance": Shot((2.0,), azimuth=100.0, near=True),
    "franka_cabinet": Shot((4.0,), elevation=-18.0),
    "half_cheetah": Shot((2.0,), strides=1),
    "half_cheetah_backward": Shot((2.0,), strides=1),
    "half_cheetah_target_speed": Shot((2.0,), strides=1),
    "hopper": RUN,
    "hopper_hop_in_place": Shot((2.0,)),
    "humanoid": RUN,
    "humanoid_isaac": RUN,
    "inverted_double_pendulum": Shot((2.0,), azimuth=100.0, near=True),
    "pusher": Shot((4.0,), azimuth=160.0, elevation=-30.0),
    "quadcopter": Shot((0.0, 0.5, 1.0, 2.0), elevation=-20.0),
    "reacher": Shot((0.8,), azimuth=90.0, elevation=-55.0),
    "reacher_hold": Shot((0.8,), azimuth=90.0, elevation=-55.0),
    "shadow_hand": Shot((1.0,)),
    "swimmer": Shot((4.0,), azimuth=90.0, elevation=-35.0, strides=1),
    "walker2d": RUN,
}


def moments(environment: Environment, shot: Shot, policy: Path) -> list[Moment]:
    """The moments of a shot in one reporting episode; its beginning alone if there is no policy.

    Args:
        environment: the task.
        shot: says which moments.
        policy: a zip of stable-baselines3's.
    """
    found = _episode(environment, policy, shot.moments[-1] + (LONGEST if shot.strides else 0.0))
    steps = [round(seconds / environment.control_step) for seconds in shot.moments]
    # A policy that falls before the last moment is shown earlier, while it still does its task.
    pace = 1.0 if len(found) > steps[-1] else 0.5 * (len(found) - 1) / steps[-1]
    chosen = sorted({int(step * pace) for step in steps})
    for _ in range(shot.strides):
        last = extents(environment.model, [found[chosen[-1]]], near=True)
        clear = GAP * float(np.ptp(last, axis=0)[:2].max())
        for step in range(chosen[-1] + 1, len(found)):
            here = extents(environment.model, [found[step]], near=True)
            if np.linalg.norm((here.mean(0) - last.mean(0))[:2]) > clear:
                chosen.append(step)
                break
    return [found[step] for step in chosen]


@torch.no_grad()
def _episode(environment: Environment, policy: Path, seconds: float) -> list[Moment]:
    """The states of an episode, the first one included, for at most so long."""
    worlds = MujocoWorlds(environment, 1, threads=1)
    worlds.start(slice(0, 1), pools.streams(pools.REPORTING, 0, 1), torch.zeros(1).long())
    found = [_moment(worlds)]
    if not policy.is_file():
        return found
    model = PPO.load(policy, device="cpu")
    for step in range(1, round(seconds / environment.control_step) + 1):
        action = model.policy.get_distribution(worlds.observation).mode().clamp(-1.0, 1.0)
        if (worlds.step(action).terminated | (step >= environment.episode_steps)).any():
            break
        found.append(_moment(worlds))
    return found


def _moment(worlds: MujocoWorlds) -> Moment:
    fields = ("qpos", "mocap_pos", "mocap_quat")
    return Moment(*(worlds.simulator.view(field)[0].numpy().copy() for field in fields))


def picture(environment: Environment) -> Image.Image:
    """The picture of an environment."""
    shot = SHOTS.get(environment.name, Shot())
    seen = moments(environment, shot, KEEP / environment.name / "human.zip")
    points = extents(environment.model, seen, shot.near)
    model = dressed(environment, points, shot.azimuth, shot.elevation)
    last = seen[-1]
    with Renderer(model, FINER * WIDTH, FINER * HEIGHT, CAMERA) as renderer:
        pixels = renderer.frame(
            last.qpos,
            mocap_pos=last.mocap_pos,
            mocap_quat=last.mocap_quat,
            earlier=[moment.qpos for moment in seen[:-1]],
        )
    return Image.fromarray(pixels).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def main() -> None:
    """Draw the pictures that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("environments", nargs="*", metavar="ENV", help="all when none is named")
    parser.add_argument("--out", type=Path, help="folder to write NAME.png to instead")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.environments or list_environments():
        environment = find_environment(name)
        path = environment.folder / "picture.png"
        if args.out:
            path = args.out / f"{environment.name}.png"
        picture(environment).quantize(256).save(path, optimize=True)
        print(f"{path}: {path.stat().st_size / 1024:.0f} kB", flush=True)


if __name__ == "__main__":
    main()

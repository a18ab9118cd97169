"""The robot of `hopper`, which hops on the spot."""

import mujoco
import torch
from torch import Tensor

from eureka_agent.environment import State, signal, variant_of

Hopper = variant_of("hopper")

# What may touch the ground, in the order of the model: body, point in its frame and radius, m.
LOW_POINTS = {
    "knee": ("leg", (0.0, 0.0, 0.25), 0.05),
    "toe": ("foot", (0.13, 0.0, 0.1), 0.06),
    "heel": ("foot", (-0.26, 0.0, 0.1), 0.06),
}


class HopperHopInPlace(Hopper):
    """As `hopper`, but the policy also sees the forward position, without which it would drift."""

    task = "Hop on the spot, as high as possible, without falling."

    def build(self) -> mujoco.MjSpec:
        """The model of `hopper` with sites where it may touch the ground."""
        spec = super().build()
        assert isinstance(spec, mujoco.MjSpec)
        for name, (body, position, radius) in LOW_POINTS.items():
            spec.body(body).add_site(name=name, pos=position, size=[radius, 0.0, 0.0])
        return spec

    @signal(unit="m", kind="position")
    def ground_clearance(self, state: State) -> Tensor:
        """Height of the robot's lowest point (toe, heel or knee) above the ground.

        0 or a little less while it touches the ground.
        """
        heights = state.site_xpos[:, :, 2].unbind(1)
        radii = [radius for _, _, radius in LOW_POINTS.values()]
        return torch.stack([h - r for h, r in zip(heights, radii, strict=True)], dim=1).amin(1)

    def observation(self, state: State) -> Tensor:
        """Positions, the forward one too, and velocities cut at 10, `[N, 12]`."""
        return torch.cat([state.qpos, state.qvel.clamp(-10.0, 10.0)], dim=1)

"""What is written on a film's pictures: who plays, time, fitness, and what the reward pays."""

from typing import TYPE_CHECKING, Any

import numpy as np

from eureka_agent.common.errors import MissingError
from eureka_agent.common.text import number, one_line

if TYPE_CHECKING:
    from eureka_agent.video.play import Performance

INSTALL = "pip install 'eureka-agent[video]'"
MOST_ROWS = 8
"""Components that are shown, those that pay or take the most."""
INK, DIM, SHADE = (255, 255, 255, 255), (205, 212, 220, 255), (16, 22, 30, 165)
GROUND = (16, 22, 30, 255)
PAID, TAKEN = (108, 190, 130, 255), (226, 120, 100, 255)
"""Bars of components above and below zero; which side they point to says the same."""
_NAME_LENGTH = 18


class Overlay:
    """Writes on the pictures of one performance: who plays above them, what is paid on them.

    Attributes:
        heading: pixels that a picture becomes higher by.

    Args:
        performance: whose numbers.
        height: of the pictures, in pixels: what is written grows with it.

    Raises:
        MissingError: Pillow is not installed.
    """

    def __init__(self, performance: "Performance", height: int) -> None:
        try:
            from PIL import ImageFont
        except ImportError as error:
            raise MissingError(
                "Films are written on with Pillow, which is missing.", INSTALL
            ) from error
        self._line = max(12, round(height / 22))
        self.heading = 2 * round(1.2 * self._line)
        self._font: Any = ImageFont.load_default(round(0.72 * self._line))
        self._performance = performance
        self._control_step = performance.policy.environment.control_step
        largest = {
            name: float(np.abs(self._paid(name)).max(initial=0.0))
            for name in performance.components
        }
        names = sorted(largest, key=lambda name: -largest[name])[:MOST_ROWS]
        self._names = [name for name in performance.components if name in names]
        self._scale = max((largest[name] for name in names), default=0.0) or 1.0

    def write(self, pixels: np.ndarray, step: int) -> np.ndarray:
        """The picture of what is ahead of a step, with its numbers.

        Args:
            pixels: `[height, width, 3]` uint8.
            step: of the episode, from 0.

        Returns:
            `[height + heading, width, 3]` uint8.
        """
        from PIL import Image, ImageDraw

        picture = Image.fromarray(np.pad(pixels, ((self.heading, 0), (0, 0), (0, 0))))
        picture = picture.convert("RGBA")
        sheet = Image.new("RGBA", picture.size)
        draw = ImageDraw.Draw(sheet)
        self._heading(draw, picture.width, step)
        if self._names:
            self._bars(draw, picture.height, step)
        return np.asarray(Image.alpha_composite(picture, sheet).convert("RGB"))

    def _heading(self, draw: Any, width: int, step: int) -> None:
        line, performance = self._line, self._performance
        draw.rectangle((0, 0, width, self.heading - 1), fill=GROUND)
        title = one_line(performance.policy.title)
        seconds = step * self._control_step
        said = f"{seconds:5.2f} s"
        if performance.so_far is not None and performance.fitness is not None:
            so_far = number(float(performance.so_far[step, 0]))
            whole = number(float(performance.fitness[0]))
            said += f"    fitness so far {so_far}    whole episode {whole}"
        for row, (text, ink) in enumerate(((title, DIM), (said, INK))):
            draw.text((0.5 * line, (0.15 + 1.1 * row) * line), text, fill=ink, font=self._font)

    def _bars(self, draw: Any, height: int, step: int) -> None:
        """A row for each component: its name, its value, and a bar from zero."""
        line = self._line
        top = height - (len(self._names) + 1.6) * line
        middle, reach = 14.5 * line, 3.5 * line
        draw.rectangle((0, top, middle + 1.3 * reach, height), fill=SHADE)
        draw.text((0.5 * line, top + 0.15 * line), "paid per step", fill=DIM, font=self._font)
        for row, name in enumerate(self._names, 1):
            y = top + (row + 0.2) * line
            value = float(self._paid(name)[step])
            shown = name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1]}…"
            draw.text((0.5 * line, y), shown, fill=INK, font=self._font)
            draw.text((7.2 * line, y), f"{value:+.3g}", fill=INK, font=self._font)
            end = middle + reach * float(np.clip(np.nan_to_num(value / self._scale), -1, 1))
            low, high = sorted((middle, end))
            colour = PAID if value >= 0 else TAKEN
            draw.rectangle((low, y + 0.15 * line, high + 1, y + 0.75 * line), fill=colour)
            draw.line((middle, y, middle, y + 0.9 * line), fill=DIM)

    def _paid(self, name: str) -> np.ndarray:
        """A component of the filmed episode, as long as that lived."""
        length = int(self._performance.episodes.lengths[0])
        return self._performance.components[name][:length, 0]

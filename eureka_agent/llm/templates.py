"""The templates in `prompts/`, filled in."""

import functools
import re
from typing import Any

import jinja2

from eureka_agent.common.paths import data_folder
from eureka_agent.common.text import prompt_text

ECHO_LIMIT = 4000
"""Characters of an unusable reply that its author sees again."""


def render(template: str, **values: Any) -> str:
    """A template of `prompts/`, filled in.

    Raises:
        MissingError: the installation has no prompts.
        jinja2.UndefinedError: the template names a variable that it does not get.
    """
    return _templates().get_template(f"{template}.md.j2").render(**values).strip() + "\n"


def fenced(text: str) -> str:
    """Python as a fenced block that nothing in the text can close."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}python\n{text.strip()}\n{fence}"


@functools.cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(data_folder("prompts")),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # prompts are plain text
        # Values are never templates, and no character in them is invisible.
        finalize=lambda value: prompt_text(value) if isinstance(value, str) else value,
        keep_trailing_newline=True,
    )
    environment.filters["line"] = _line
    environment.filters["cell"] = lambda text: " ".join(text.split()).replace("|", "/")
    return environment


def _line(text: str) -> str:
    """Foreign text as one line that is not a heading, table, quotation or fence."""
    return " ".join(text.split()).lstrip("#>`~| ")

"""Foreign text on its way into files: what a model or a person wrote never becomes code there.

The files of a new environment are templates, and `render` writes nothing into them but numbers
and what has passed through a filter of this module.
"""

import re
import shlex
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from eureka_agent.common.text import shortened, terminal_line

LONGEST_NAME = 60
"""Characters of a name that sentences show."""
LISTED = 8
"""Names that a sentence lists."""

_ESCAPES = {'"': '\\"', "\\": "\\\\"}
_MARKUP = re.compile(r"([\\`*\[\]<>|])")


def literal(text: str) -> str:
    """A Python string literal in double quotes, on one line."""
    return f'"{_escaped(text)}"'


def docstring(text: str, width: int) -> str:
    """A Python docstring, wrapped: nothing in it ends it, and no escape is cut in two."""
    body = f'"""{_escaped(terminal_line(text))}."""'
    return textwrap.fill(body, width, break_long_words=False, break_on_hyphens=False)


def display_name(name: str) -> str:
    """A name for a sentence: on one line, without control characters, not too long."""
    return shortened(terminal_line(name), LONGEST_NAME, "...")


def join_names(names: Sequence[str]) -> str:
    """Names for a sentence; of many the first ones, and how many more there are."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(display_name(name) for name in names[:LISTED]) + more


def markdown(text: str) -> str:
    """Text for a paragraph of Markdown, where none of it is markup."""
    escaped = _MARKUP.sub(r"\\\1", terminal_line(text))
    return f"\\{escaped}" if escaped.startswith("#") else escaped


def code_span(text: str) -> str:
    """Text for a cell of a table in Markdown, in code type."""
    line = terminal_line(text).replace("|", "\\|")
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    return f"{fence}{line}{fence}" if len(fence) == 1 else f"{fence} {line} {fence}"


def render(template: str, **values: Any) -> str:
    """Fill a template of `templates/`.

    A value that is a string needs a filter: `literal`, `docstring(width)`, `markdown`, `code_span`,
    `shell`, or `code` for what this package itself made (an identifier, an expression). A number
    takes `number(spec)`.

    Raises:
        TypeError: the template writes a string without a filter.
    """
    return _TEMPLATES.get_template(template).render(values)


def _escaped(text: str) -> str:
    return "".join(
        _ESCAPES.get(c) or (c if c.isprintable() else c.encode("unicode_escape").decode())
        for c in text
    )


def _require_quoted(value: object) -> object:
    if isinstance(value, str) and not isinstance(value, Markup):
        raise TypeError(f"A template writes {value!r} without a filter.")
    return value


def _marked(quote: Callable[..., str]) -> Callable[..., Markup]:
    """The function as a filter with quoted results."""
    return lambda *arguments: Markup(quote(*arguments))


_TEMPLATES = Environment(
    loader=PackageLoader("eureka_agent.env_tools.scaffold"),
    autoescape=True,  # what blocks and macros hold then is Markup, too
    undefined=StrictUndefined,
    finalize=_require_quoted,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.filters |= {
    "literal": _marked(literal),
    "docstring": _marked(docstring),
    "markdown": _marked(markdown),
    "code_span": _marked(code_span),
    "shell": _marked(shlex.quote),
    "code": _marked(str),
    "number": _marked(format),
}

"""Reward programs with colours for HTML."""

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from eureka_agent.ui.format import program_text

_LEXER = PythonLexer(stripnl=False)
_FORMATTER = HtmlFormatter(nowrap=True)


def highlighted(text: str) -> Markup:
    """A program, each line a `<span class="line">`; the page's style numbers and colours them."""
    lines = highlight(program_text(text), _LEXER, _FORMATTER).rstrip("\n").split("\n")
    return Markup("\n").join(Markup(f'<span class="line">{line}</span>') for line in lines)

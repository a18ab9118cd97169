"""Long texts and data inside a page: compressed and in letters that no HTML parser can stumble on.

`report.js` unpacks them again in the browser.
"""

import base64
import gzip
import json

from markupsafe import Markup


def pack(text: str) -> Markup:
    """Text as base64 of gzip; the same text always gives the same letters."""
    packed = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode("ascii")
    return Markup(packed)  # the page's own: it is neither cleaned nor cut as foreign text is


def pack_data(data: object) -> Markup:
    """Plain data as packed JSON.

    Raises:
        ValueError: it holds a number that is not finite.
    """
    return pack(json.dumps(data, separators=(",", ":"), allow_nan=False))

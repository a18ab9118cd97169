"""Long texts and data inside a page: compressed and in letters that no HTML parser can stumble on.

`report.js` unpacks them again in the browser.
"""

import base64
import gzip
import json

from markupsafe import Markup


def pack(text: str) -> Markup:
    """Text as base64 of gzip; the same text always gives the same letters.

    It is markup, as it needs no escaping, and must not be cut like long foreign text.
    """
    return Markup(base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode("ascii"))


def pack_data(data: object) -> Markup:
    """Plain data as packed JSON.

    Raises:
        ValueError: it holds a number that is not finite.
    """
    return pack(json.dumps(data, separators=(",", ":"), allow_nan=False))

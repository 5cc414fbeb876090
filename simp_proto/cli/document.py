"""A page of HTML that needs nothing else and does nothing, in the style that all of ours have."""

from html import escape
from importlib.resources import files
from typing import Final

from simp_proto.printable import printable

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def document(title: str, body: str, style: str = "") -> str:
    """The whole page; `title` and `body` are HTML, `style` is what it has besides `page.css`. Encode it in UTF-8."""
    page = files("simp_proto.cli").joinpath("page.css").read_text("utf-8")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{page}{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def safe(text: str) -> str:
    """What a peer wrote, as text of a page."""
    return escape(printable(text))

"""Pages of HTML."""

from simp_proto.cli.document import document, safe


def test_a_page_needs_nothing_and_does_nothing() -> None:
    page = document("a title", "<p>b</p>", "p { color: red; }")
    assert "<title>a title</title>" in page
    assert "<body>\n<p>b</p>\n</body>" in page
    assert "p { color: red; }</style>" in page
    assert "content=\"default-src 'none'; style-src 'unsafe-inline'\"" in page
    assert "prefers-color-scheme: dark" in page
    assert "http:" not in page
    assert "https:" not in page


def test_what_a_peer_wrote_is_text() -> None:
    assert safe("<b>\"x\" & 'y'\u202e\x00") == "&lt;b&gt;&quot;x&quot; &amp; &#x27;y&#x27;\\u202e\\x00"

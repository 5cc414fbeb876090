"""The page of a conformance run."""

import re
from dataclasses import replace

import pytest

from simp_proto.conformance.page import as_html
from simp_proto.conformance.run import Verdict
from tests.test_report import HEAD, NAMES, Page, bare, failure, page_of, received, sent, suite

TAGS = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "section", "h1", "h2", "h3", "p", "b", "br",
    "code", "pre", "a", "ul", "li", "span", "dl", "dt", "dd", "table", "caption", "thead", "tbody", "tr", "th", "td",
    "details", "summary",
}  # fmt: skip


ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "class", "id", "open", "href", "scope", "aria-hidden"}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_page_needs_nothing_and_does_nothing(name: str | None) -> None:
    results, page = suite(name), page_of(name)
    assert {tag for tag, _ in page.tags} <= TAGS
    assert {attribute for _, attributes in page.tags for attribute in attributes} <= ATTRIBUTES
    policy = {"http-equiv": "Content-Security-Policy", "content": "default-src 'none'; style-src 'unsafe-inline'"}
    assert page.of("meta")[:2] == [{"charset": "utf-8"}, policy]
    assert not re.search(r"url\(|@import|https?:", as_html(HEAD, results))
    targets = [f"#{attributes['id']}" for attributes in page.of("details") if "id" in attributes]
    assert sorted(str(attributes["href"]) for attributes in page.of("a")) == sorted(targets)
    assert len(set(targets)) == len(targets)
    assert all("scope" in attributes for attributes in page.of("th"))
    for attributes in page.of("details"):
        assert ("open" in attributes) == (attributes.get("class") == "failed")
    assert len(page.of("details")) == sum(bool(result.trace) for result in results) + (name is not None)


def test_verdicts_are_told_in_words() -> None:
    reasons = {Verdict.NOT_RUN: "nobody acted", Verdict.NOT_APPLICABLE: "it is foreign"}
    result = failure(sent(0, bare(8, 0)))
    results = [replace(result, verdict=verdict, why=reasons.get(verdict, "")) for verdict in Verdict]
    told = Page(as_html(HEAD, results)).text
    for verdict in Verdict:
        assert f"1{verdict.value}" in told
        assert len(re.findall(rf"^[✓✗—○] {verdict.value}$", told, re.MULTILINE)) == 1
    for why in reasons.values():
        assert told.count(why) == 2


@pytest.mark.slow
def test_the_page_is_light() -> None:
    cases = len(suite(None))
    assert len(as_html(HEAD, suite(None)).encode()) < 3_500 * cases
    everything = [replace(each, verdict=Verdict.FAILED, expected="more", seen=each.trace) for each in suite(None)]
    assert len(as_html(HEAD, everything).encode()) < 8_000 * cases


def test_bytes_are_there_where_it_failed() -> None:
    data, wrong = bare(8, 0), bytes(range(100))
    result = failure(sent(0, data), sent(0.5, None, note="leave"), received(1, wrong))
    page = Page(as_html(HEAD, [result])).text
    assert f"0.000 tester → daemon: {data.hex()}\n1.000 daemon → tester: {wrong.hex()}\n" in page
    assert wrong.hex() not in as_html(HEAD, [replace(result, verdict=Verdict.PASSED)])

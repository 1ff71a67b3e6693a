"""XML is read by a parser, and only as far as a description goes."""

import time
from pathlib import Path

import pytest

from nucloop.slides import open_slide
from nucloop.slides.headers.markup import MarkupError, attribute, elements, parse_markup

CASES = Path(__file__).parents[3] / "shared" / "cases" / "hostile"


def test_quotes_namespaces_comments_and_marks_of_byte_order_do_not_matter() -> None:
    texts = [
        '<a:x xmlns:a="u"><a:y Name="1"/></a:x>',
        "\ufeff<x>  <!-- <y Name='2'/> --><y Name='1'/></x>\0\0",
        b"<?xml version='1.0' encoding='UTF-8'?>\n<X><Y name='1'></Y></X>",
    ]
    for text in texts:
        [found] = elements(parse_markup(text), "y")
        assert attribute(found, "NAME") == "1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no markup",
        "<a><b></a>",
        "<a/><a/>",
        "<a>" * 200 + "</a>" * 200,
        "<a>" + "<b/>" * 400_000 + "</a>",
        '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        "<a>&b;</a>",
    ],
    ids=["empty", "text", "unclosed", "two roots", "deep", "many", "entities", "unknown entity"],
)
def test_what_is_no_description_is_refused(text: str) -> None:
    with pytest.raises(MarkupError):
        parse_markup(text)


@pytest.mark.skipif(not CASES.is_dir(), reason="the collected cases are not beside this checkout")
def test_a_comment_of_half_a_million_letters_takes_no_longer_than_it_is() -> None:
    begun = time.process_time()

    with open_slide(CASES / "channel-comment.ome.tif") as slide:
        assert slide.shape == (64, 64)

    assert time.process_time() - begun < 2


@pytest.mark.parametrize("text", ["<Channel " * 100_000, "<!-- " * 100_000, "<a " * 50_000 + "/>" * 50_000])
def test_a_description_without_end_is_refused_at_once(text: str) -> None:
    begun = time.process_time()

    with pytest.raises(MarkupError):
        parse_markup(f"<OME>{text}")

    assert time.process_time() - begun < 2

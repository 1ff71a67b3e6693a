"""XML is read by a parser, and only as far as a description goes."""

import pytest

from nucloop.slides.headers.markup import MarkupError, attribute, elements, parse_markup


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

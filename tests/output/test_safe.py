"""What a run displays is shown without scripts, and otherwise as it was."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairing.output.safe import bundle, markup
from fairing.output.vocabulary import ATTRIBUTES, ELEMENTS
from tests.output.xss import VECTORS


class Seen(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes = set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs


@pytest.mark.parametrize("vector", VECTORS)
def test_a_hidden_script_is_not_in_what_is_shown(vector):
    seen = Seen()
    seen.feed(markup(vector))
    assert seen.tags <= set(ELEMENTS)
    for name, value in seen.attributes:
        assert name in ATTRIBUTES and not name.startswith("on")
        assert not re.match(r"\s*(java|vb)script|\s*data:text", value or "", re.IGNORECASE)


pieces = st.sampled_from(
    [
        "<",
        ">",
        "</",
        "/>",
        '"',
        "'",
        "=",
        " ",
        "script",
        "style",
        "svg",
        "img",
        "title",
        "onerror",
        "href",
        "<!--",
        "-->",
        "javascript:",
        "<![CDATA[",
        "&lt;",
        "&#x6a;",
        "\x00",
        "\n",
        "a",
        "p",
        "math",
    ]
)


@given(st.lists(pieces, max_size=25).map("".join))
def test_whatever_is_shown_is_made_of_known_elements_and_attributes(source):
    seen = Seen()
    seen.feed(markup(source))
    assert seen.tags <= set(ELEMENTS)
    assert {name for name, _ in seen.attributes} <= set(ATTRIBUTES)


@given(st.lists(pieces, max_size=25).map("".join))
def test_what_is_safe_stays_as_it_is(source):
    once = markup(source)
    assert markup(once) == once


def test_a_table_of_pandas_stays_as_it_is():
    table = (
        "<div>\n<style scoped>\n    .dataframe tbody tr th {\n        vertical-align: top;\n    }\n</style>\n"
        '<table border="1" class="dataframe">\n  <thead>\n    <tr style="text-align: right;">\n      <th></th>\n'
        "      <th>a &amp; b</th>\n    </tr>\n  </thead>\n</table>\n</div>"
    )
    assert markup(table) == table.replace(" scoped", "")


def test_a_drawing_keeps_its_names_in_their_own_case():
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><defs><linearGradient id="g" '
        'gradientUnits="userSpaceOnUse"><stop offset="0" stop-color="red"/></linearGradient></defs>'
        '<path d="M0 0L10 10" fill="url(#g)"/><use xlink:href="#g"/></svg>'
    )
    assert markup(drawing) == drawing


@pytest.mark.parametrize(
    ("kind", "content", "kept"),
    [
        ("text/plain", "<script>", True),
        ("image/png", "aGk=", True),
        ("application/javascript", "x()", False),
        ("text/javascript", "x()", False),
        ("application/vnd.jupyter.widget-view+json", {"model_id": "1"}, False),
        ("application/vnd.bokehjs_exec.v0+json", "", False),
        ("application/vnd.holoviews_exec.v0+json", "", False),
        ("application/vnd.plotly.v1+json", {"data": []}, True),
        ("application/vnd.vegalite.v5+json", {"mark": "bar"}, True),
        ("text/markdown", "# Title\n\nTranscript: *one* < two", True),
        ("text/markdown", "see <https://example.org>", True),
        ("text/markdown", "<script>x()</script>", False),
        ("text/markdown", "[a](javascript:x())", False),
        ("text/markdown", "[a](java&#115;cript:x())", False),
        ("text/markdown", "<b onclick=x()>b</b>", False),
        ("text/markdown", "<b data-commandlinker-command=x>b</b>", False),
        ("text/latex", r"$\frac{a}{b} < c$", True),
        ("text/latex", r"\href{javascript:x()}{a}", False),
    ],
)
def test_kinds_that_run_are_dropped_and_the_others_kept(kind, content, kept):
    data, metadata = bundle({kind: content, "text/plain": "text"}, {kind: {"isolated": True}, "text/plain": {}})
    assert (kind in data) is kept
    assert data["text/plain"] == "text" or kind == "text/plain"
    assert (kind in metadata) is kept
    trusted, _ = bundle({kind: content}, {}, trusted=True)
    assert trusted == {kind: content}


def test_where_nothing_is_left_it_says_what_was_dropped_and_how_to_see_it():
    data, _ = bundle({"application/javascript": "x()"}, {})
    assert data == {"text/plain": "(application/javascript: not shown without trust_html=True)"}


def test_html_of_which_nothing_is_left_to_see_says_why():
    chart = "<style>a {}</style><div id='chart'></div><script>draw()</script>"
    assert "trust_html=True" in bundle({"text/html": chart}, {})[0]["text/html"]
    assert bundle({"text/html": chart}, {}, trusted=True)[0]["text/html"] == chart
    for seen in ("<b>7</b>", "<img>", "7"):
        assert bundle({"text/html": seen + "<script>x()</script>"}, {})[0] == {"text/html": seen}
    assert bundle({"text/html": "<div></div>"}, {})[0] == {"text/html": "<div></div>"}

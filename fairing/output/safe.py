"""What a run displays, made safe to show: no scripts, however they are dressed.

HTML is taken apart and written anew: known elements with known attributes, quoted, and text, escaped. What a browser
would read otherwise than ``html.parser`` does (the way past most filters) therefore never reaches it.
"""

from __future__ import annotations

import re
from html import escape, unescape
from html.parser import HTMLParser
from typing import Any

from fairing.output.vocabulary import ATTRIBUTES, DROPPED, ELEMENTS, VOID

PLAIN = frozenset({"text/plain", "image/png", "image/jpeg", "image/gif", "image/webp", "application/json"})
"""Types that no front end runs."""

DATA = re.compile(r"application/(geo\+json|vnd\.(plotly|vega|vegalite|dataresource)[\w.-]*\+json)")
"""Descriptions that a front end's own code draws."""

_MARKED = frozenset({"text/html", "image/svg+xml"})
_WORDED = frozenset({"text/markdown", "text/latex"})
_SCRIPTED = re.compile(r"^(?:[a-z][a-z0-9+.-]*):", re.IGNORECASE)
_LINKS = frozenset({"http", "https", "mailto"})
_MEDIA = re.compile(r"data:(?:image/(?:png|jpe?g|gif|webp|svg\+xml)|audio/[\w.+-]+|video/[\w.+-]+)[;,]", re.IGNORECASE)
_STYLE = re.compile(r"expression|javascript|vbscript|behavior|-moz-binding|@import|\\", re.IGNORECASE)
_UNSAFE = re.compile(r"(?:java|vb)script:|data:text", re.IGNORECASE)
_ACTING = re.compile(r"<[^>]*[\s/\"'](?:on[a-z]+\s*=|data-)", re.IGNORECASE)
_SEEN = re.compile(r"<(?:img|image|svg|path|progress|meter|input|hr|video|audio)\b|>[^<]*[^<\s]")
_UNSEEN = re.compile(r"<(style|title)\b.*?</\1>", re.DOTALL)
_DRAWN = "<i>A script draws this; it is not shown without trust_html=True.</i>"
_INVISIBLE = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028\u2029\ufeff]")


def bundle(
    data: dict[str, Any], metadata: dict[str, Any], *, trusted: bool = False
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a MIME bundle and its metadata as they may be shown.

    Args:
        data: Type to content.
        metadata: Of the bundle, or of each type.
        trusted: Whether to show it as it is, scripts included.

    Example:
        >>> bundle({"text/html": "<b onclick='x()'>7</b>", "application/javascript": "x()"}, {})[0]
        {'text/html': '<b>7</b>'}
    """
    if trusted:
        return data, metadata
    shown = {}
    for kind, content in data.items():
        if kind in PLAIN or DATA.fullmatch(kind):
            shown[kind] = content
        elif kind in _MARKED:
            shown[kind] = markup(_joined(content))
            if "<script" in _joined(content).lower() and not _SEEN.search(_UNSEEN.sub("", f">{shown[kind]}")):
                shown[kind] = _DRAWN  # a chart: nothing of it is left, and nobody would know why
        elif kind in _WORDED and not _scripted(_joined(content)):
            shown[kind] = content
    if not shown:
        shown["text/plain"] = f"({', '.join(sorted(data))}: not shown without trust_html=True)"
    return shown, {kind: each for kind, each in metadata.items() if kind not in data or kind in shown}


def markup(source: str) -> str:
    """Return HTML or SVG without anything that runs.

    Example:
        >>> markup('<a href="javascript:x()">go</a><script>x()</script>')
        '<a>go</a>'
    """
    writer = _Writer()
    writer.feed(source)
    writer.close()
    return writer.written()


class _Writer(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._open: list[str] = []
        self._dropping: list[str] = []
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._start(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in DROPPED and tag != "style":
            self._start(tag, attrs, closed=True)

    def handle_endtag(self, tag: str) -> None:
        if self._dropping:
            if tag in self._dropping:
                del self._dropping[self._dropping.index(tag) :]
            return
        if tag == "style":
            self._style = False
        name = ELEMENTS.get(tag)
        if name and name in self._open:
            while self._open:
                closed = self._open.pop()
                self._parts.append(f"</{closed}>")
                if closed == name:
                    break

    def handle_data(self, data: str) -> None:
        if self._dropping:
            return
        if self._style:
            # In SVG a style is parsed as markup, in HTML it is not: without "<" it is the same in both.
            self._parts.append("" if _STYLE.search(data) else data.replace("<", " ").replace("&", " "))
        else:
            self._parts.append(escape(data, quote=False))

    def written(self) -> str:
        return "".join(self._parts) + "".join(f"</{name}>" for name in reversed(self._open))

    def _start(self, tag: str, attrs: list[tuple[str, str | None]], *, closed: bool = False) -> None:
        if tag in DROPPED:
            self._dropping.append(tag)
        name = ELEMENTS.get(tag)
        if self._dropping or name is None:
            return
        kept = [_attribute(tag, key, value or "") for key, value in attrs]
        if tag == "input" and ("type", "checkbox") not in attrs and ("type", "radio") not in attrs:
            return
        self._parts.append(f"<{name}{''.join(kept)}{'/' if closed and tag not in VOID else ''}>")
        if tag not in VOID and not closed:
            self._open.append(name)
            self._style = tag == "style"


def _attribute(tag: str, key: str, value: str) -> str:
    name = ATTRIBUTES.get(key)
    if name is None and not re.fullmatch(r"aria-[a-z]+", key):
        return ""  # data-… too: JupyterLab runs the command that data-commandlinker-command names
    if name in {"href", "xlink:href", "src"} and not _address(tag, value):
        return ""
    if name not in {"href", "xlink:href", "src", "title", "alt"} and name is not None and _STYLE.search(value):
        return ""
    return f' {name or key}="{escape(value)}"'


def _address(tag: str, value: str) -> bool:
    value = _INVISIBLE.sub("", value)
    if tag in {"img", "image", "audio", "video", "source"} and _MEDIA.match(value):
        return True
    if tag == "use":
        return value.startswith("#")
    scheme = _SCRIPTED.match(value)
    return scheme is None or scheme[0][:-1].lower() in _LINKS


def _scripted(words: str) -> bool:
    """Say whether Markdown or LaTeX holds what HTML may not: these are not written anew, so they are refused."""
    if _UNSAFE.search(_INVISIBLE.sub("", unescape(words))) or _ACTING.search(words):
        return True
    tags = re.findall(r"<[/!]?([a-zA-Z][^\s/>]*)", words.lower())
    return any(tag not in ELEMENTS and not tag.startswith(("http", "mailto")) for tag in tags)


def _joined(content: Any) -> str:
    return "".join(content) if isinstance(content, list) else str(content)

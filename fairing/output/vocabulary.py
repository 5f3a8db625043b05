"""The elements and attributes of HTML and SVG that may be shown, spelled as SVG needs them: there case counts."""

from __future__ import annotations

_HTML = """
a abbr address article aside audio b bdi bdo blockquote br caption center cite code col colgroup dd del details dfn div
dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img input ins kbd label li main mark meter nav ol p
picture pre progress q rp rt ruby s samp section small source span strike strong style sub summary sup table tbody td
tfoot th thead time tr tt u ul var video wbr
"""

_SVG = """
svg g path circle ellipse rect line polyline polygon text tspan textPath defs symbol use image linearGradient
radialGradient stop clipPath mask pattern marker title desc filter feGaussianBlur feOffset feBlend feFlood feComposite
feMerge feMergeNode feColorMatrix
"""

_ATTRIBUTES = """
abbr align alt border cellpadding cellspacing checked class color cols colspan controls datetime dir disabled face
headers height hidden high href id label lang loop low max min muted open optimum reversed role rows rowspan rules scope
size span src start style summary tabindex title translate type valign value width for
clip-path clip-rule cx cy d dx dy fill fill-opacity fill-rule font-family font-size font-style font-weight fx fy
gradientTransform gradientUnits in in2 k1 k2 k3 k4 letter-spacing marker-end marker-mid marker-start markerHeight
markerUnits markerWidth maskUnits mode offset opacity operator orient pathLength patternTransform patternUnits points
preserveAspectRatio r refX refY result rotate rx ry spreadMethod startOffset stdDeviation stop-color stop-opacity stroke
stroke-dasharray stroke-dashoffset stroke-linecap stroke-linejoin stroke-miterlimit stroke-opacity stroke-width
text-anchor dominant-baseline textLength transform values vector-effect version viewBox visibility x x1 x2 xlink:href
xml:space xmlns xmlns:xlink y y1 y2 clipPathUnits
"""

ELEMENTS = {name.lower(): name for name in (_HTML + _SVG).split()}
"""Names as they are read, to names as they are written."""

ATTRIBUTES = {name.lower(): name for name in _ATTRIBUTES.split()}
"""The same of attributes."""

VOID = frozenset({"br", "col", "hr", "img", "input", "source", "wbr"})
"""Elements that have no end."""

_DROPPED = """
script iframe object applet frameset noscript noembed noframes template xmp plaintext textarea select math metadata
foreignobject listing
"""

DROPPED = frozenset(_DROPPED.split())
"""Elements whose content is not shown either; of all others that are not known here, the content is."""

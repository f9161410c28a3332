"""A chart as an SVG picture, made in the service for browsers that run no scripts."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from fastapi import Response
from starlette.exceptions import HTTPException

WIDTHS: Final = {"wide": 960, "narrow": 328}  # CSS pixels
KEPT: Final = 64  # pictures; about a megabyte
_kept: OrderedDict[str, bytes] = OrderedDict()
_lock = threading.Lock()


def picture(spec: Mapping[str, Any], *, width: str) -> Response:
    """Draw the chart as SVG; one that was asked for lately is not drawn again."""
    if width not in WIDTHS:
        raise HTTPException(404, f"A picture is {' or '.join(WIDTHS)}.")
    asked = json.dumps(_sized(spec, width), sort_keys=True)
    digest = hashlib.sha256(asked.encode()).hexdigest()
    # One at a time: the drawing engine is one a process, and a page asks for several pictures at once.
    with _lock:
        found = _kept.pop(digest, None) or _drawn(asked)
        _kept[digest] = found
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    headers = {"Cache-Control": "private, max-age=300", "Content-Security-Policy": "default-src 'none'"}
    return Response(found, media_type="image/svg+xml", headers=headers)


def _sized(spec: Mapping[str, Any], width: str) -> dict[str, Any]:
    legend = spec["config"]["legend"] | ({"columns": 2} if width == "narrow" else {})
    return {**spec, "width": WIDTHS[width], "config": {**spec["config"], "legend": legend}}


def _drawn(spec: str) -> bytes:
    import vl_convert  # noqa: PLC0415  # an engine of seventy megabytes that few readers need

    return str(vl_convert.vegalite_to_svg(spec)).encode()

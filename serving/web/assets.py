"""Static files: the style sheet, our scripts, and Vega as a file out of the wheel that draws charts."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException

from serving.api.dependencies import Doors

router = APIRouter(include_in_schema=False)
FOLDER: Final = Path(__file__).parent / "static"
TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOREVER: Final = "public, max-age=31536000, immutable"
SHORTLY: Final = "public, max-age=300"
VEGA: Final = f"vega-{version('vl-convert-python')}.js"
# Vega's expressions are interpreted (`ast`), so that no page has to allow code made from text.
SNIPPET: Final = "window.vegaEmbed = vegaEmbed;"
ROOT: Final = Path(__file__).parents[2]
_making = threading.Lock()
_makers: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is served."""

    body: bytes
    media_type: str
    digest: str


@cache
def assets() -> dict[str, Asset]:
    """Every static file of the package by name."""
    found = {path.name: path for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES}
    bodies = {name: path.read_bytes() for name, path in found.items()}
    return {
        name: Asset(body, TYPES[found[name].suffix], hashlib.sha256(body).hexdigest()[:16])
        for name, body in bodies.items()
    }


def static_url(name: str) -> str:
    """The address of a static file, which changes with its content."""
    return f"/static/{VEGA}" if name == "vega.js" else f"/static/{name}?v={assets()[name].digest}"


@router.get(f"/static/{VEGA}")
def vega(doors: Doors) -> Response:
    """Vega and Vega-Lite in one script; 503 where it is still being made."""
    for folder in _folders(doors.settings.home):
        if (path := folder / VEGA).exists():
            return FileResponse(path, media_type="text/javascript", headers={"Cache-Control": FOREVER})
    _begin(doors.settings.home)
    return Response("being made", 503, {"Retry-After": "60"}, media_type="text/plain")


@router.get("/static/{name}")
def static(request: Request, name: str, v: str = "") -> Response:
    """One static file; for ever where its address names its content."""
    asset = assets().get(name)
    if asset is None:
        raise HTTPException(404, "There is no such static file.")
    etag = f'"{asset.digest}"'
    headers = {"ETag": etag, "Cache-Control": FOREVER if v == asset.digest else SHORTLY}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(asset.body, media_type=asset.media_type, headers=headers)


def _begin(home: Path) -> None:
    """Make it in a process of its own, which keeps nobody waiting, unless one is at it."""
    with _making:
        if not _makers or _makers[-1].poll() is not None:
            command = [sys.executable, "-m", "serving.web.assets", str(home.resolve())]
            _makers[:] = [subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)]  # noqa: S603  # our own


def make_vega(home: Path | None = None) -> Path:
    """Take Vega's script out of the wheel, once for an environment: it takes half a minute.

    It is kept beside the environment's packages, or under `home` where that may not be written.
    """
    for folder in _folders(home):
        if (folder / VEGA).exists():
            return folder / VEGA
        with contextlib.suppress(OSError):
            return _kept(folder)
    raise OSError(f"{VEGA}: no folder for it can be written")


def _kept(folder: Path) -> Path:
    import vl_convert  # noqa: PLC0415  # heavy, and for this alone

    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{VEGA}.{os.getpid()}.part"
    partial.touch()
    try:
        partial.write_text(vl_convert.javascript_bundle(SNIPPET), encoding="utf-8")
        return partial.replace(folder / VEGA)
    finally:
        partial.unlink(missing_ok=True)


def _folders(home: Path | None) -> tuple[Path, ...]:
    environment = Path(sys.prefix) / "share" / "recoup"
    return (environment, home / "static") if home else (environment,)


if __name__ == "__main__":
    make_vega(Path(sys.argv[1]) if sys.argv[1:] else None)

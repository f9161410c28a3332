"""Paths that the router of BentoML cannot match, made such that ours refuses them."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

# No route matches a newline and no database takes NUL: a character that no id has stands for both.
_UNROUTABLE: Final = str.maketrans("\n\x00", "\x7f\x7f")


class PlainPaths:
    """Keep requests for impossible paths on their way to the application, which answers with a problem."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and not scope["path"].isprintable():
            scope = {**scope, "path": scope["path"].translate(_UNROUTABLE)}
        await self.app(scope, receive, send)

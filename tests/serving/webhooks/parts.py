"""A relay and a receiver as processes of their own, to be killed: `python parts.py relay|receiver …`.

The relay's clock runs a hundred times as fast as the wall's, so that backoff and lapsed claims take no time.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FASTER = 100


def relay(url: str, started: str) -> None:
    from ledger.store import Ledger  # noqa: PLC0415  # a receiver does without
    from serving.webhooks.relay import client_of, relay_once  # noqa: PLC0415

    since = float(started)

    def now() -> datetime:
        return datetime.fromtimestamp(since, UTC) + timedelta(seconds=(time.time() - since) * FASTER)

    ledger = Ledger(url, lock_seconds=20)
    with client_of(to_private=True) as client:
        print("relaying", flush=True)  # noqa: T201  # to whoever started it
        while True:
            if not relay_once(ledger, client, now=now, limit=8):
                time.sleep(0.02)


def receiver(port: str, file: str) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with Path(file).open("a") as kept:
                kept.write(event["id"] + "\n")
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    print("receiving", flush=True)  # noqa: T201
    server.serve_forever()


if __name__ == "__main__":
    {"relay": relay, "receiver": receiver}[sys.argv[1]](*sys.argv[2:])

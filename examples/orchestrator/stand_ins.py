"""ERP and WMS for the reference orchestrator, as unreliable as real ones.

Calls are answered late or not at all, after or before they took effect; the WMS tells what happened twice,
late and in the wrong order. The ERP takes each reference once, as ERPs do that check for duplicates, and
writes every credit memo that it really made into a file.
"""

from __future__ import annotations

import argparse
import json
import random
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

FAULTS = ("none", "none", "busy", "lost after", "lost before", "slow")
GRADE, DELAY = "B", 0.3  # seconds between arrival and inspection, at most


class World:
    """What the systems know; one lock, for they are small."""

    def __init__(self, orchestrator: str, book: Path, seed: int) -> None:
        self.orchestrator = orchestrator
        self.book = book
        self.chance = random.Random(seed)
        self.lock = threading.Lock()
        self.done: dict[tuple[str, str], dict[str, Any]] = {}

    def fault(self) -> str:
        """What goes wrong with this call."""
        with self.lock:
            return self.chance.choice(FAULTS)

    def do(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        """Do something once for each reference; a repeat is told what was done."""
        key = (what, body["reference"])
        with self.lock:
            first = key not in self.done
            if first:
                self.done[key] = {"number": f"{what}-{len(self.done) + 1}"}
                if what == "credits":
                    with self.book.open("a") as book:
                        book.write(json.dumps({**body, **self.done[key]}) + "\n")
        if first and what == "authorizations":
            threading.Thread(target=self.arrive, args=(body["line"],), daemon=True).start()
        return self.done[key]

    def arrive(self, line: str) -> None:
        """The goods arrive and are inspected; each is told at least twice, in any order."""
        now = datetime.now(UTC)
        told = [
            ("receipt.confirmed", now, {"actor": "emp:6"}),
            ("inspection.completed", now + timedelta(seconds=1), {"actor": "emp:4", "grade": GRADE}),
        ]
        messages = [
            {"id": f"{line}:{kind}", "line": line, "kind": kind, "at": at.isoformat(), **data}
            for kind, at, data in told
        ] * 2
        with self.lock:
            self.chance.shuffle(messages)
            waits = [self.chance.uniform(0, DELAY) for _ in messages]
        for message, wait in zip(messages, waits, strict=True):
            time.sleep(wait)
            self.tell(message)

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message until it was taken."""
        while True:
            try:
                if httpx.post(f"{self.orchestrator}/wms", json=message, timeout=5).is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)


class Doors(BaseHTTPRequestHandler):
    """POST /authorizations, /credits, /receipts, /moves."""

    world: World

    def do_POST(self) -> None:
        """Do what is asked for, or something worse."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fault = self.world.fault()
        if fault == "lost before":
            self.connection.close()
            return
        if fault == "busy":
            self.send_response(503)
            self.end_headers()
            return
        said = self.world.do(self.path.strip("/"), body)
        if fault == "lost after":
            self.connection.close()
            return
        if fault == "slow":
            time.sleep(DELAY)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A server whose faults are meant."""

    def handle_error(self, *_: object) -> None:
        """Say nothing: connections break here on purpose."""


def main() -> None:
    """Serve until the process ends."""
    arguments = argparse.ArgumentParser(description="Stand-ins for ERP and WMS, with faults.")
    arguments.add_argument("--port", type=int, default=3101)
    arguments.add_argument("--orchestrator", default="http://127.0.0.1:3102")
    arguments.add_argument("--book", type=Path, default=Path("credit-memos.jsonl"))
    arguments.add_argument("--seed", type=int, default=7)
    asked = arguments.parse_args()
    Doors.world = World(asked.orchestrator, asked.book, asked.seed)
    print("open", flush=True)
    Server(("127.0.0.1", asked.port), Doors).serve_forever()


if __name__ == "__main__":
    main()

"""Where messages come in: signed webhooks of Recoup, and what the WMS tells; each is passed on once."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dbos import DBOS, SetWorkflowID
from standardwebhooks import Webhook, WebhookVerificationError

from examples.orchestrator.workflow import DECIDED, handle_return

LARGEST = 1_000_000  # bytes of a message


class Inbox(BaseHTTPRequestHandler):
    """POST /returns (a new case), /recoup (webhooks), /wms (its messages); GET /returns/{id}."""

    secret = ""

    def do_POST(self) -> None:
        """Take one message; whoever sent it sends it again unless it was kept."""
        body = self.rfile.read(min(int(self.headers["Content-Length"]), LARGEST))
        try:
            status = {"/returns": self.begin, "/recoup": self.hear, "/wms": self.note}[self.path](body)
        except (KeyError, ValueError):
            status = 400
        except WebhookVerificationError:
            status = 401
        self.answer(status, {})

    def do_GET(self) -> None:
        """How a case ended, or that it has not."""
        handle = DBOS.retrieve_workflow(self.path.removeprefix("/returns/"))
        status = handle.get_status()
        done = status.status not in {"PENDING", "ENQUEUED"}
        self.answer(
            200 if done else 202, {"status": status.status, "result": status.output if done else None}
        )

    def begin(self, body: bytes) -> int:
        """A return is asked for: the line is the workflow's id, so that a second request is the first."""
        line = json.loads(body)
        with SetWorkflowID(line["return_line_id"]):
            DBOS.start_workflow(handle_return, line)
        return 202

    def hear(self, body: bytes) -> int:
        """A webhook of Recoup, if it is one."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        event = Webhook(self.secret).verify(body.decode(), headers)
        if event["type"] == f"returns.{DECIDED}.v1":
            if DBOS.get_workflow_status(event["subject"]) is None:
                return 204  # a return of somebody else
            topic = f"{DECIDED}:{event['data']['recommendation_id']}"
            DBOS.send(event["subject"], event["data"], topic, idempotency_key=event["id"])
        return 204

    def note(self, body: bytes) -> int:
        """A message of the WMS."""
        message = json.loads(body)
        if DBOS.get_workflow_status(message["line"]) is None:
            return 404  # the WMS is faster than the request: it will come again
        DBOS.send(message["line"], message, message["kind"], idempotency_key=message["id"])
        return 204

    def answer(self, status: int, body: Any) -> None:
        """Answer in JSON."""
        self.send_response(status)
        self.end_headers()
        if status != 204:  # noqa: PLR2004  # no content
            self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing: bodies and paths hold the names of returns."""


def serve(port: int, secret: str) -> None:
    """Take messages until the process ends."""
    Inbox.secret = secret
    ThreadingHTTPServer(("127.0.0.1", port), Inbox).serve_forever()

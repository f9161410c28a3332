"""`python -m benchmarks.ledger_writer URL NAME`: write cases until killed; say what was tried and done."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from itertools import count

from ledger.approvals import Vote
from ledger.store import Ledger
from tests.ledger.records import NOON, a_recommendation, an_approval

THREADS = 4
SAYING = threading.Lock()


def say(word: str, what: str) -> None:
    """Print one line, whole."""
    with SAYING:
        sys.stdout.write(f"{word} {what}\n")
        sys.stdout.flush()


def case(ledger: Ledger, name: str) -> None:
    """Write a recommendation with its approval, then the vote on it, and say so once each is committed."""
    one = replace(a_recommendation(name), id=f"rec:{name}")
    approval = replace(an_approval(one), id=f"apr:{name}")
    say("try", name)
    with ledger.write() as tx:
        tx.add_recommendation(one)
        tx.add_approval(approval)
    say("recommended", name)
    with ledger.write() as tx:
        vote = Vote(f"vote:{name}", approval.id, "emp:9", "manager", "approve", "as agreed", NOON)
        tx.add_vote(vote, expected_version=1)
    say("voted", name)


def main() -> None:
    """Write from several threads at once."""
    url, name = sys.argv[1:]
    ledger = Ledger(url, lock_seconds=60)

    def work(thread: int) -> None:
        for number in count():
            case(ledger, f"{name}-{thread}-{number}/1")

    for thread in range(THREADS):
        threading.Thread(target=work, args=(thread,)).start()


if __name__ == "__main__":
    main()

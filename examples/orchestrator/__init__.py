"""A reference orchestrator on DBOS: a return from authorisation to settlement, each step done exactly once.

    python -m examples.orchestrator.stand_ins --port 3101 --orchestrator http://127.0.0.1:3102 --seed 7
    python -m examples.orchestrator --port 3102 --recoup http://127.0.0.1:3000 --systems http://127.0.0.1:3101

Recoup recommends; this program acts. What it relies on: a key for every intent that is the same in every
retry, references that the ERP takes only once, and messages that may come late, twice or out of order.
"""

"""The schema's history, run by `Ledger.migrate`."""

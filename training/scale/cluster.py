"""The Dask cluster that a command works on: one that is there, or processes of this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import typer
from distributed import Client, KilledWorker, LocalCluster, as_completed

from features.returns import BadInputError, RecoupError


class WorkersLostError(RecoupError):
    """The same work ended several processes."""

    code = "workers_lost"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where work is done.

    Parameters
    ----------
    scheduler : str or None
        The address of a scheduler, whose workers must see the same files under the same paths; None starts
        single-threaded processes here.
    workers : int or None
        How many of them; as many as there are processors by default.
    """

    scheduler: str | None = None
    workers: int | None = None

    @contextmanager
    def client(self) -> Iterator[Client]:
        """Connect for the length of a block.

        Raises
        ------
        BadInputError
            If nobody answers at the address.
        """
        if self.scheduler is not None:
            with _connected(self.scheduler) as client:
                yield client
            return
        with (
            LocalCluster(n_workers=self.workers, threads_per_worker=1, dashboard_address=None) as local,
            Client(local) as client,
        ):
            yield client


def _connected(scheduler: str) -> Client:
    try:
        return Client(scheduler, timeout="10s")
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"--scheduler {scheduler}: no Dask scheduler answers there; start one by `dask scheduler`."
        ) from error


def each(client: Client, work: Callable[..., Any], items: Iterable[Any], *, label: str) -> list[Any]:
    """Do some work for every item on the cluster's processes; the results in the order of the items.

    Work whose process was killed is given to another; the first refusal ends all of it.
    """
    futures = client.map(work, list(items), pure=False)
    with typer.progressbar(length=len(futures), label=label, file=sys.stderr) as bar:
        try:
            for future in as_completed(futures):
                future.result()
                bar.update(1)
        except KilledWorker as error:
            raise WorkersLostError(
                f"{label}: the same part ended several processes, most likely for want of memory; finished "
                "parts are kept, and the same command continues with the others."
            ) from error
        finally:
            client.cancel([future for future in futures if not future.done()])
    return [future.result() for future in futures]

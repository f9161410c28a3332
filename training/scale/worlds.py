"""A simulated world larger than memory: drawn in blocks, each of its own customers on common ground."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from training.scale.cluster import Cluster, each
from training.scale.parts import begin, holds, rows_of, whole, write_whole
from training.simulator.world import TABLES, draw_ground, draw_people, tables_of

WORLD: Final = "world.json"
RECORD: Final = "begun.json"
ANOTHER: Final = "another world"


@dataclass(frozen=True, slots=True)
class Blocks:
    """What is drawn, and where to: the same seed gives the same blocks, whoever draws them.

    Parameters
    ----------
    size : int
        The most returns of a block, which one process draws at once.
    out : Path
        A folder that every process sees.
    """

    returns: int
    seed: int
    start: datetime
    size: int
    out: Path

    @property
    def sizes(self) -> list[int]:
        """The returns of each block, as equal as can be: all of them last equally long."""
        count = -(-self.returns // self.size)
        return [self.returns // count + (place < self.returns % count) for place in range(count)]

    @property
    def facts(self) -> dict[str, Any]:
        """What makes this world the one that it is."""
        return {
            "seed": self.seed,
            "returns": self.returns,
            "start": self.start.isoformat(),
            "blocks": len(self.sizes),
        }

    def part(self, table: str, block: int) -> Path:
        """The file of a block of a table."""
        return self.out / f"{table}.parquet" / f"part-{block:05d}.parquet"

    def is_drawn(self, block: int) -> bool:
        """Whether nothing is left to do for a block: its returns are written last."""
        return self.part("returns", block).exists()

    def rows(self, table: str) -> int:
        """How many rows all blocks of a table hold."""
        return rows_of(self.out / f"{table}.parquet")

    def draw(self, block: int) -> None:
        """Draw one block and write its part of every table; the first also says what the world is."""
        ground, *people = np.random.SeedSequence(self.seed).spawn(len(self.sizes) + 1)
        common = draw_ground(min(self.sizes), rng=np.random.default_rng(ground), start=self.start)
        rng = np.random.default_rng(people[block])
        tables = tables_of(draw_people(self.sizes[block], rng=rng, ground=common), rng, block=block)
        if block == 0:
            text = json.dumps({**tables.parameters, **self.facts}, indent=1) + "\n"
            write_whole(self.out / f".{WORLD}", text)
        for name in reversed(TABLES):
            if name == "market" and block > 0:
                continue  # the same for all: it is told until the first block ends
            with whole(self.part(name, block)) as written:
                written.add(pa.Table.from_pandas(getattr(tables, name), preserve_index=False))


def draw(blocks: Blocks, at: Cluster) -> None:
    """Draw the blocks that are missing, on the processes of a cluster.

    Raises
    ------
    BadInputError
        If the folder holds another world, or anything else.
    """
    if _is_finished(blocks):
        return
    with at.client() as client:
        begin(blocks.out / RECORD, blocks.facts, another=ANOTHER)
        missing = [block for block in range(len(blocks.sizes)) if not blocks.is_drawn(block)]
        each(client, partial(Blocks.draw, blocks), missing, label="blocks")
    (blocks.out / f".{WORLD}").replace(blocks.out / WORLD)
    (blocks.out / RECORD).unlink()


def _is_finished(blocks: Blocks) -> bool:
    """Whether the folder holds this very world, whole."""
    world = blocks.out / WORLD
    if not world.exists():
        return False
    there = json.loads(world.read_text(encoding="utf-8"))
    if {name: there.get(name) for name in blocks.facts} != blocks.facts:
        raise holds(blocks.out, ANOTHER)
    return True

"""A small closed-loop load generator: N keep-alive connections, latency of every request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import numpy as np


@dataclass(frozen=True, slots=True)
class Load:
    """What one run measured; latencies in seconds."""

    latencies: np.ndarray
    seconds: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds

    def quantile(self, level: float) -> float:
        """Latency at `level`, seconds."""
        return float(np.quantile(self.latencies, level))


def request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """One HTTP/1.1 POST as bytes."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes) -> int:
    """Send one request and read its answer; the status."""
    writer.write(message)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    await reader.readexactly(length)
    return int(head[9:12])


async def _drive(
    port: int, make: Callable[[int], bytes], connections: int, seconds: float, expected: int
) -> Load:
    latencies: list[float] = []
    numbers = count()

    async def one(until: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (started := time.perf_counter()) < until:
            status = await exchange(reader, writer, make(next(numbers)))
            if status != expected:
                raise RuntimeError(f"the service answered {status} under load, not {expected}")
            latencies.append(time.perf_counter() - started)
        writer.close()

    begin = time.perf_counter()
    await asyncio.gather(*(one(begin + seconds) for _ in range(connections)))
    return Load(np.array(latencies), time.perf_counter() - begin)


def drive(
    port: int, make: Callable[[int], bytes], *, connections: int, seconds: float, expected: int
) -> Load:
    """Send what `make` returns for 0, 1, 2 … over `connections`; every status must be `expected`."""
    return asyncio.run(_drive(port, make, connections, seconds, expected))

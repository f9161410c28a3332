"""What the process of one document may do: little, not for long, and nothing over the network."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import tempfile
from typing import Final

from features.documents.intake import Limits

OPEN_FILES: Final = 64
PR_SET_PDEATHSIG: Final = 1
PR_SET_SECCOMP: Final = 22
PR_SET_NO_NEW_PRIVS: Final = 38
FILTER_MODE: Final = 2
# Architecture, as the kernel's audit headers number it, and its number of socket(2).
SOCKET_CALLS: Final = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # of classic BPF: load a word, jump if equal, return
ARCHITECTURE_AT, CALL_AT = 4, 0  # offsets in the kernel's seccomp_data
ALLOW, REFUSE = 0x7FFF0000, 0x00050001  # refuse: the call fails with EPERM


def confine(limits: Limits, *, folder: str) -> None:
    """Bind this process and its children to the limits and to a folder of its own; there is no way back."""
    seconds = int(limits.seconds) + 1
    os.setsid()
    os.chdir(folder)
    tempfile.tempdir = folder
    os.environ["TMPDIR"] = folder
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    kernel = ctypes.CDLL(None, use_errno=True)
    kernel.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    without_network(kernel)


def without_network(kernel: ctypes.CDLL) -> bool:
    """Refuse every new socket from here on, where the kernel can; tells whether it does."""
    known = SOCKET_CALLS.get(platform.machine())
    if known is None:
        return False
    architecture, call = known
    steps = (
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (EQUAL, 0, 3, architecture),  # calls of another architecture are not used by anything we start
        (LOAD, 0, 0, CALL_AT),
        (EQUAL, 0, 1, call),
        (RETURN, 0, 0, REFUSE),
        (RETURN, 0, 0, ALLOW),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = struct.pack("@HP", len(steps), ctypes.addressof(code))
    kernel.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return bool(kernel.prctl(PR_SET_SECCOMP, FILTER_MODE, program, 0, 0) == 0)

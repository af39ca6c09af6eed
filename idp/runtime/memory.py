"""Returns the memory of large blocks to the system when they are freed."""

import ctypes
import platform

_M_MMAP_THRESHOLD = -3  # mallopt(3)
_BYTES = 128 * 1024  # glibc's initial value


def return_large_blocks() -> bool:
    """Fix the size from which glibc's malloc takes a block directly from the system.

    Returns whether this is glibc and it accepted the size.

    By default, glibc raises that size to 32 MiB once the first 19 MiB of an Argon2 hash are freed. The next
    ones are then in the arena of the thread that allocated them, and a web process with sixteen threads keeps
    hundreds of MiB for ever.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    return bool(ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _BYTES))

"""A process that hashes passwords in many threads gives their memory back."""

import os
import subprocess
import sys

import pytest
from django.conf import settings

_HASHING = """
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

{begin}

from idp.accounts.credentials import hash_password

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 2**20

turns = Barrier(16)
def work(number):
    for _ in range(3):
        turns.wait()  # so that every thread hashes, and not a quick one for all
        hash_password("a quiet orchard in March")

hash_password("the first one, which loads what is needed")
before = resident()
with ThreadPoolExecutor(16) as pool:
    list(pool.map(work, range(16)))
    print(resident() - before)
"""
_BEGINNINGS = {
    "web": "import django; django.setup()",
    "worker": "import idp.celery; idp.celery.app.loader.import_default_modules()",
}


@pytest.mark.parametrize("process", _BEGINNINGS)
def test_hashing_leaves_no_memory_behind(process: str) -> None:
    """After 48 hashes of 19 MiB in 16 threads the process is hardly larger.

    That holds for a web process and for a worker.
    """
    program = _HASHING.replace("{begin}", _BEGINNINGS[process])
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) < 40, f"{ran.stdout.strip()} MiB more"

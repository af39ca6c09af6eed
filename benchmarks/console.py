"""Every page of the console, end to end, in a tenant of 100,000 people.

The tenant also has 1 million events and 1,000 applications.

``--data FOLDER`` saves the seeded data there for the next time, ``--people`` and the others make it smaller.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from urllib.parse import urljoin

import django
import httpx

from benchmarks.product import HIDDEN, PASSWORD, ROOT, Product

ROUNDS = 10
HOST = "seeded.localhost"
LINK = re.compile(r'(?:href|src)="(/console/[^"#]*)"')
# In addition to linked pages: deep pages, searches with many, few and no results, every kind of filter,
# orders.
EXTRA_PAGES = [
    "people/?page=200",
    "people/?q=a",
    "people/?q=alice-0500",
    "people/?q=nobody-of-this-name",
    "people/?group=team-001",
    "people/?active=no",
    "people/?order=-created",
    "groups/?order=-people",
    "sessions/?page=200",
    "sessions/?q=nobody-of-this-name",
    "sessions/?person=alice-050000",
    "sessions/?alive=no",
    "credentials/?q=recovery",
    "consents/?q=alice-0500",
    "consents/?application=app-0500",
    "consents/?alive=no",
    "devices/?state=pending",
    "devices/?q=lobby",
    "events/?page=200",
    "events/?actor=alice-050000",
    "events/?target=alice-050000",
    "events/?area=device",
    "events/?area=secret",
    "events/?kind=device.revoked",
    "events/?until=2020-01-01T00:00:00Z",
    "runs/?flow=sign-in",
    "applications/?q=kiosk&order=-title",
]


class Seeded(Product):
    """The product on a folder that is kept, if one is given; its tenant has an administrator."""

    def __init__(self, folder: str, sizes: list[str]) -> None:
        super().__init__()
        self.kept, self.sizes = bool(folder), sizes
        if folder:
            self.folder.rmdir()
            self.folder = Path(folder)
            self.folder.mkdir(parents=True, exist_ok=True)
            self.environment["FOYER_DATA"] = folder

    def __enter__(self) -> "Seeded":
        self.start()
        self.stop()
        self.manage("seed", "--domain", HOST, *self.sizes, missing_ok=self.kept)
        clerk = self.folder / "clerk.yaml"
        clerk.write_text(
            f"tenant: seeded\ntitle: Seeded\n---\nperson: clerk\nrole: admin\npassword: {PASSWORD}\n"
        )
        self.manage("blueprint", "apply", str(clerk))
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.kept:
            self.stop()
        else:
            super().__exit__(None, None, None)

    def manage(self, *arguments: str, missing_ok: bool = False) -> None:
        """Run one command; ``missing_ok``: it may refuse, because it was done before."""
        command = [sys.executable, "manage.py", *arguments]
        subprocess.run(command, cwd=ROOT, env=self.environment, check=not missing_ok, stdout=sys.stderr)


def sign_in(http: httpx.Client) -> None:
    """Sign in as a person does, and end at the console."""
    page = http.get("/console/")
    for fields in ({"name": "clerk"}, {"password": PASSWORD}):
        page = http.post(str(page.url), data={**dict(HIDDEN.findall(page.text)), **fields})
    if page.url.path != "/console/":
        raise SystemExit(f"not signed in: {page.url}")


def linked_pages(http: httpx.Client, folder: Path) -> list[str]:
    """Return one address of each page that can be reached by links, the console's first page first."""
    os.environ |= {"DJANGO_SETTINGS_MODULE": "idp.settings", "FOYER_DATA": str(folder)}
    django.setup()
    from django.urls import Resolver404, resolve  # noqa: PLC0415  after the set-up

    names: dict[str, str] = {}
    waiting = ["/console/"]
    while waiting:
        address = waiting.pop(0)
        try:
            name = str(resolve(address.partition("?")[0]).url_name)
        except Resolver404:
            continue
        if name in names:
            continue
        with http.stream("GET", address) as page:
            if page.status_code != 200:
                raise SystemExit(f"{address}: {page.status_code}")
            if "content-disposition" in page.headers:  # a download as large as the tenant
                continue
            page.read()
        names[name] = address
        if page.headers["content-type"].startswith("text/html"):
            waiting += [urljoin(address, link.replace("&amp;", "&")) for link in LINK.findall(page.text)]
    return list(names.values())


def main() -> None:
    """Print the table, the slowest page first."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="")
    for name, size in {"people": "100000", "events": "1000000", "applications": "1000"}.items():
        parser.add_argument(f"--{name}", default=size)
    arguments = parser.parse_args()
    sizes = [
        word
        for name in ("people", "events", "applications")
        for word in (f"--{name}", getattr(arguments, name))
    ]
    with (
        Seeded(arguments.data, sizes) as product,
        httpx.Client(base_url=product.url, headers={"Host": HOST}, timeout=60) as http,
    ):
        http.follow_redirects = True
        sign_in(http)
        addresses = [*linked_pages(http, product.folder), *(f"/console/{each}" for each in EXTRA_PAGES)]
        taken: dict[str, list[float]] = {address: [] for address in addresses}
        for _ in range(ROUNDS):  # in turns, so that other work of the machine affects all of them
            for address in addresses:
                start = time.perf_counter()
                status = http.get(address).status_code
                taken[address].append(1000 * (time.perf_counter() - start))
                if status != 200:
                    raise SystemExit(f"{address}: {status}")
    print("| page | median ms | p95 ms |\n| --- | --- | --- |")
    for address, times in sorted(taken.items(), key=lambda each: -median(each[1])):
        print(f"| `{address}` | {median(times):.0f} | {sorted(times)[int(0.95 * len(times)) - 1]:.0f} |")


if __name__ == "__main__":
    main()

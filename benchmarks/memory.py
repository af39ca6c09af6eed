"""Memory of the embedded process after bursts of sign-ins: Argon2's memory must return to the system."""

import asyncio

from benchmarks.journey import people, run_journeys
from benchmarks.product import Product

BURSTS, JOURNEYS, AT_ONCE = 3, 120, 80


def main() -> None:
    """Print one table."""
    with Product(FOYER_TRUSTED_PROXIES="127.0.0.1", FOYER_DEMO="on") as product:
        file = product.folder / "people.yaml"
        file.write_text(people(JOURNEYS))
        product.manage("blueprint", "apply", str(file))
        product.start()
        host = f"127.0.0.1:{product.port}"
        print("| after | PSS, MiB |\n| --- | --- |")
        print(f"| the start | {product.memory()[0]:.0f} |")
        for burst in range(BURSTS):
            ended = asyncio.run(run_journeys([product.url], range(JOURNEYS), host=host, at_once=AT_ONCE))
            assert all(journey.results in (["tokens"], ["access_denied"]) for journey in ended), [
                each.results for each in ended
            ]
            print(f"| {(burst + 1) * JOURNEYS} journeys, {AT_ONCE} at once | {product.memory()[0]:.0f} |")


if __name__ == "__main__":
    main()

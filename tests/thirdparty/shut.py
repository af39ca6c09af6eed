"""A page with nothing to enter and no way on."""

from flows.run import Run
from flows.stage import Outcome, Show, Stage


class Shut(Stage):
    """Its form has no fields and it says nothing about answers: what CVE-2026-49448 let pass."""

    title = "Shut"
    gives = {"second_factor"}

    def enter(self, run: Run) -> Outcome:
        return Show()

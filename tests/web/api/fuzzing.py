"""Hooks of schemathesis: responses have no secret of the seeded tenants, and the token stays valid."""

import json
import os
from pathlib import Path
from typing import Any

import schemathesis

SECRETS = tuple(json.loads(Path(os.environ["FOYER_SEEDED_SECRETS"]).read_text()))
OWN = frozenset(json.loads(os.environ["FOYER_OWN_KEYS"]))


@schemathesis.check
def no_secret_is_returned(ctx: Any, response: Any, case: Any) -> None:
    """No stored password, key or token is in the response."""
    text = response.content.decode(errors="replace")
    for secret in SECRETS:
        assert secret not in text, f"a secret that begins with {secret[:4]} is in the response"


@schemathesis.hook
def before_call(ctx: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Redirect a change of the tool's own person, application or consent to an object that does not exist.

    Its token would be refused from then on. The tool follows links: it reads the keys of a list and then
    deletes, revokes or signs out what it found.
    """
    if case.method == "GET":
        return
    if case.path_parameters.get("key") in OWN:
        case.path_parameters = {**case.path_parameters, "key": "not-there"}
    keys = case.body.get("keys") if isinstance(case.body, dict) else None
    if isinstance(keys, list):
        case.body = {
            **case.body,
            "keys": ["not-there" if isinstance(key, str) and key in OWN else key for key in keys],
        }

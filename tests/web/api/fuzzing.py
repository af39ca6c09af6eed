"""A check for schemathesis, loaded by it as its hooks: no answer holds a secret of the seeded tenants."""

import json
import os
from pathlib import Path
from typing import Any

import schemathesis

SECRETS = tuple(json.loads(Path(os.environ["FOYER_SEEDED_SECRETS"]).read_text()))


@schemathesis.check
def no_secret_is_told(ctx: Any, response: Any, case: Any) -> None:
    """Whatever is stored of a password, a key or a token stands nowhere in the answer."""
    text = response.content.decode(errors="replace")
    for secret in SECRETS:
        assert secret not in text, f"a secret that begins with {secret[:4]} was told"

"""``manage.py blueprint`` names the existing names when one that is given does not exist."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from blueprints.management.commands.blueprint import BlueprintProblems
from idp.devices.management.commands.device import Command as Device
from idp.tenancy.models import Tenant
from tests.support.client import Write

MANY = (
    "vars: [{tenant: acme}, {tenant: other}]\n---\ntenant: !vars tenant\n---\nscope: a\ntitle: !vars title\n"
)
GROUP = "tenant: acme\n---\ngroup: visitors\n"
AUTHENTIK = Path(__file__).parents[2] / "convert" / "authentik" / "tv.yaml"


def ran(*words: object) -> tuple[int, str]:
    """Return the exit code and the output; raises CommandError."""
    out = io.StringIO()
    try:
        call_command(*map(str, words), stdout=out, stderr=io.StringIO(), no_color=True)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def refused(*words: object) -> str:
    """Return why the command exits with 1."""
    with pytest.raises(CommandError) as error:
        ran(*words)
    assert error.value.returncode == 1
    return str(error.value)


def test_a_variable_that_nothing_asks_for(
    tenants: dict[str, Tenant], write_blueprint: Write, tmp_path: Path
) -> None:
    """Plan and apply refuse it; one that any of the files has or reads may be given."""
    path, other = (
        write_blueprint(MANY),
        write_blueprint("tenant: acme\n---\nscope: b\ntitle: !vars '{word} b'\n", "other.yaml"),
    )
    assert refused("blueprint", "plan", path, "--var", "titel=T", "--var", "title=T").endswith(
        "--var titel: No !vars uses it. Did you mean title?"
    )
    assert refused("blueprint", "apply", path, "--var", "nope=", "--var", "title=T").endswith(
        "--var nope: No !vars uses it. There are: tenant, title.\nNothing was applied."
    )
    assert ran("blueprint", "plan", path, other, "--var", "title=T", "--var", "word=w")[0] == 2
    assert refused("blueprint", "plan", write_blueprint(GROUP), "--var", "a=b").endswith(
        "--var a: No !vars uses it."
    )


def test_only_apply_says_that_nothing_was_applied(tenants: dict[str, Tenant], write_blueprint: Write) -> None:
    """A command that only reads applies nothing anyway."""
    path = write_blueprint("tenant: acme\n---\ngroup: a\ntitel: b\n")
    assert "Nothing was applied." in refused("blueprint", "apply", path)
    for words in (["plan", path], ["convert", "authentik", path]):
        assert "applied" not in refused("blueprint", *words)


@pytest.mark.parametrize(
    "words",
    [
        ["blueprint", "export"],
        ["blueprint", "drift"],
        ["secret", "list"],
        ["secret", "remove", "x"],
        ["person", "recovery-link", "alice"],
        ["person", "forget-factors", "alice"],
        ["events", "export"],
        ["flow", "list"],
        ["flow", "inspect", "x"],
    ],
    ids=" ".join,
)
def test_a_mistyped_tenant(tenants: dict[str, Tenant], words: list[str]) -> None:
    """The message is the same in every command."""
    assert refused(*words, "--tenant", "acne") == "There is no tenant acne. There are: acme, other."


def test_without_any_tenant(db: None) -> None:
    """The setup was forgotten."""
    assert refused("flow", "list") == "There is no tenant default. There is none: run manage.py setup."


def test_many_tenants_are_not_all_listed(tenants: dict[str, Tenant]) -> None:
    """The first twenty are listed, and how many more there are."""
    Tenant.objects.bulk_create([Tenant(name=f"t{number}", title="T") for number in range(100)])
    message = refused("flow", "list", "--tenant", "x")
    assert message.endswith("and 82 more.")
    assert len(message) < 200


def test_results_of_one_blueprint(tenants: dict[str, Tenant], write_blueprint: Write) -> None:
    """Only its attempts are listed; an unknown one, and no number of them, are errors."""
    for name in ("one", "two"):
        ran("blueprint", "apply", write_blueprint(GROUP), "--name", name)
    code, text = ran("blueprint", "results", "--blueprint", "two")
    assert (code, text.count(" two by "), text.count(" one by ")) == (0, 1, 0)
    assert refused("blueprint", "results", "--blueprint", "tow").endswith("Did you mean two?")
    assert ran("blueprint", "results", "--most", "1")[1].count(" by ") == 1
    for number in ("0", "-1", "x", "9" * 50):
        assert "a whole number from 1 to 1,000,000" in refused("blueprint", "results", "--most", number)


def test_a_flow_that_is_not_live(acme: Tenant) -> None:
    """The nearest one that is live is suggested."""
    assert refused("blueprint", "export", "--tenant", "acme", "--flow", "conect-a-device").endswith(
        "Did you mean connect-a-device?"
    )


def test_apply_reports_to_programs_what_it_did(tenants: dict[str, Tenant], write_blueprint: Write) -> None:
    """Standard output is the plan as it was applied and the generated secrets, once, and nothing else."""
    text = "tenant: acme\n---\nperson: clerk\npassword: !secret clerk-password\n"
    code, out = ran("blueprint", "apply", write_blueprint(text), "--json", "--generate-secrets")
    report = json.loads(out)
    assert (code, report["counts"]["create"], [each["name"] for each in report["generated"]]) == (
        0,
        1,
        ["clerk-password"],
    )
    assert len(report["generated"][0]["value"]) > 20


def test_problems_have_places_for_programs(tenants: dict[str, Tenant], write_blueprint: Write) -> None:
    """The error carries them, and the entry point of manage.py writes them as JSON."""
    path = write_blueprint("tenant: acme\n---\ngroup: a\ntitel: b\n")
    with pytest.raises(BlueprintProblems) as wrong:
        ran("blueprint", "plan", path, "--json")
    assert wrong.value.problems == [
        {"file": str(path), "line": 4, "column": 1, "key": "titel", "message": "Unknown key."}
    ]


@pytest.mark.parametrize("out", ["nowhere/x.yaml", ".", "file/x.yaml"])
def test_converting_to_where_nothing_can_be_written(tmp_path: Path, out: str) -> None:
    """It is a missing folder, a folder, or a file in place of a folder."""
    (tmp_path / "file").touch()
    message = refused("blueprint", "convert", "authentik", AUTHENTIK, "--out", tmp_path / out)
    assert message.startswith(f"{tmp_path / out} can't be written: ")


def test_converting_onto_itself(tmp_path: Path) -> None:
    """The only copy of the input is not overwritten, and a full disk is a plain error."""
    copy = tmp_path / "tv.yaml"
    copy.write_bytes(AUTHENTIK.read_bytes())
    assert "is the file to convert" in refused("blueprint", "convert", "authentik", copy, "--out", copy)
    assert copy.read_bytes() == AUTHENTIK.read_bytes()
    assert "can't be written: No space left" in refused(
        "blueprint", "convert", "authentik", copy, "--out", "/dev/full"
    )


@pytest.mark.parametrize("version", ["²", "9" * 5000, "1e3", "+1"])
def test_what_is_no_version(acme: Tenant, version: str) -> None:
    """Non-decimal digits, and too many digits, are refused."""
    assert "must be a version number or draft" in refused(
        "flow", "diff", "connect-a-device", version, "1", "--tenant", "acme"
    )


@pytest.mark.parametrize(
    "url", ["nonsense", "ftp://acme.test", "http://", "https://acme.test/path", "javascript://x"]
)
def test_a_link_goes_to_a_site(acme: Tenant, url: str) -> None:
    """A site is scheme and host, with nothing after them."""
    assert "isn't a scheme and host" in refused(
        "person", "recovery-link", "alice", "--tenant", "acme", "--url", url
    )


@pytest.mark.parametrize(
    ("seconds", "length"), [(1, "1 second"), (59, "59 seconds"), (60, "1 minute"), (600, "10 minutes")]
)
def test_one_minute_is_no_minutes(seconds: int, length: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The singular is used in the text that a device shows about its code."""
    out = io.StringIO()
    device = Device(stdout=out)
    device._show(
        {"verification_uri": "https://acme.test/device", "user_code": "ABCD-EFGH", "expires_in": seconds}
    )
    assert f"Waiting up to {length}…" in out.getvalue()


@pytest.mark.parametrize("url", ["http://[", "http://a..b", "http://x:port", "ftp://x", "http://127.0.0.1:1"])
def test_an_address_of_no_provider(url: str) -> None:
    """The error contains the address."""
    assert "http" in refused("device", "--url", url) or url.startswith("ftp")

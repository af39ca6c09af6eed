"""Tests mirror the tree: a test module below a layer is named for the module or room that it tests."""

from tests.house.source import PACKAGES, ROOT, tracked

# Behavior that no single module owns: it crosses rooms, or it is proved through the whole product.
ACROSS = {
    "blueprints": """
        all_problems_at_once atomic_apply docs examples folders fuzz mails round_trips
    """,
    "blueprints/convert": """
        corpus input model strict
    """,
    "flows": """
        branching machine races third_party
    """,
    "flows/conditions": """
        condition_variables
    """,
    "idp": """
        demo key_change sweeps upgrade
    """,
    "idp/devices": """
        races
    """,
    "idp/events": """
        after_commit
    """,
    "idp/oauth": """
        client_credentials
    """,
    "idp/outbox": """
        addresses limits_of_mail recovery_by_mail
    """,
    "idp/ratelimit": """
        races
    """,
    "idp/tenancy": """
        owned_hosts
    """,
    "web": """
        above_oneself bad_input device device_names ended_sessions enrolment host_spellings
        lost_answers own_password password_forms posts protocol_addresses runs_api runs_per_network
        throttling typed_addresses typed_codes user_agents
    """,
    "web/api": """
        api_guide attacks guide openapi_document parity password_rules referenced_objects
        reserved_scopes run_privacy schemathesis sent_secrets shipped_flows unicode_names
    """,
    "web/console": """
        attacks events forbidden matrix posts queries templates window_titles
    """,
}


def test_tests_mirror_the_tree() -> None:
    """A test module names a module or a room; the exceptions are listed, and each of them exists."""
    unknown, across = [], {room: set(names.split()) for room, names in ACROSS.items()}
    modules = tracked(*(f"tests/{package}/*.py" for package in PACKAGES))
    for path in [module for module in modules if module.name.startswith("test_")]:
        folder = path.parent.relative_to(ROOT / "tests")
        name = path.stem.removeprefix("test_")
        listed = across.get(str(folder), set())
        if (ROOT / folder / f"{name}.py").is_file() or (ROOT / folder / name).is_dir():
            assert name not in listed, f"{path} names a module: remove it from the exceptions."
        elif name in listed:
            listed.remove(name)
        else:
            unknown.append(str(path.relative_to(ROOT)))
    assert unknown == []
    assert {room: names for room, names in across.items() if names} == {}

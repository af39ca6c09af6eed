"""User agents in words."""

import pytest

from web.templatetags.agents import software

X = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (X, "Chrome on Linux"),
        (f"{X} Edg/149.0.0.0", "Edge on Linux"),
        (X.replace("X11; Linux x86_64", "Windows NT 10.0; Win64; x64"), "Chrome on Windows"),
        (X.replace("X11; Linux x86_64", "Linux; Android 16; K"), "Chrome on Android"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:150.0) Gecko/20100101 Firefox/150.0",
            "Firefox on macOS",
        ),
        (
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 20_0 like Mac OS X) AppleWebKit/605.1.15 Version/20.0 "
                "Mobile/15E148 Safari/604.1"
            ),
            "Safari on iPhone",
        ),
        (
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 20_0 like Mac OS X) AppleWebKit/605.1.15 CriOS/149.0 "
                "Mobile/15E148 Safari/604.1"
            ),
            "Chrome on iPhone",
        ),
        ("Mozilla/5.0 (Web0S; SmartTV)", "webOS"),
        ("Mozilla/5.0 " + "x" * 180, "Mozilla/5.0 " + "x" * 27 + "…"),
        ("Acme TV/2.1 (webOS 24; 4K)", "Acme TV"),
        ("python-requests/2.32.3", "python-requests"),
        ("curl", "curl"),
        ("/", "/"),
        ("y" * 90, "y" * 39 + "…"),
        ("", ""),
        (None, ""),
    ],
)
def test_user_agents_in_words(agent: str | None, words: str) -> None:
    """Browsers have their name and system, programs their name, and nothing exceeds 40 characters."""
    assert software(agent) == words

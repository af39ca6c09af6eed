"""QR codes can be read on any page and in any terminal."""

from urllib.parse import unquote

from idp.foundation.qr import as_text, data_uri


def test_a_picture_is_dark_on_white_on_every_page() -> None:
    """A code has a quiet zone of four modules (ISO/IEC 18004) and is dark on white.

    A scanner needs both, also on a dark page. Nothing of it is script.
    """
    drawn = unquote(data_uri("otpauth://totp/Acme:alice?secret=JBSWY3DPEHPK3PXP"))
    assert drawn.startswith("data:image/svg+xml")
    assert "#fff" in drawn
    assert "#000" in drawn
    assert "script" not in drawn
    assert data_uri("a") != data_uri("b")


def test_a_terminal_shows_two_rows_to_a_line() -> None:
    """Blocks and escapes only."""
    lines = as_text("http://acme.test/device?user_code=BCDF-GHJK").splitlines()
    assert 10 < len(lines) < 40

"""QR codes of verification_uri_complete, for devices that can show one (RFC 8628 section 3.3.1)."""

import io

import segno


def terminal_qr(address: str) -> str:
    """The QR code as text, two rows of modules to a line."""
    out = io.StringIO()
    segno.make(address, error="m", micro=False).terminal(out=out, compact=True)
    return out.getvalue()

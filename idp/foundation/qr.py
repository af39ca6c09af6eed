"""QR codes: as text for a terminal and as an image for a page."""

import io

import segno


def as_text(text: str) -> str:
    """Return a QR code as text with two rows of modules to a line (RFC 8628 section 3.3.1)."""
    out = io.StringIO()
    segno.make(text, error="m", micro=False).terminal(out=out, compact=True)
    return out.getvalue()


def svg(text: str) -> bytes:
    """Return a QR code as a complete SVG document."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        out, kind="svg", dark="#000", light="#fff", border=4, xmldecl=False
    )
    return out.getvalue()


def data_uri(text: str) -> str:
    """Return a QR code as the ``data:`` URI of an SVG.

    It is dark on white with a quiet zone, regardless of the page's colors, because scanners expect that.
    """
    return str(segno.make(text, error="m", micro=False).svg_data_uri(dark="#000", light="#fff", border=4))

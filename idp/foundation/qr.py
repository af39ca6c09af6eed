"""QR codes: as text for a terminal, as a picture for a page."""

import io

import segno


def terminal(text: str) -> str:
    """Two rows of modules to a line, for devices that can show one (RFC 8628 section 3.3.1)."""
    out = io.StringIO()
    segno.make(text, error="m", micro=False).terminal(out=out, compact=True)
    return out.getvalue()


def svg(text: str) -> bytes:
    """A whole SVG document, drawn alike."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        out, kind="svg", dark="#000", light="#fff", border=4, xmldecl=False
    )
    return out.getvalue()


def picture(text: str) -> str:
    """An SVG as a ``data:`` address, dark on white with its quiet zone whatever the page's colours: scanners
    want it so.
    """
    return str(segno.make(text, error="m", micro=False).svg_data_uri(dark="#000", light="#fff", border=4))

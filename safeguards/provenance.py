"""What a saved picture says about its origin, in the words of the IPTC and C2PA vocabularies.

A real C2PA manifest is signed with a certificate from a recognised authority, and a program that everybody runs on
their own machine has none; one signed by ourselves would be shown as untrusted everywhere. So the same statement is
made unsigned and says so: an XMP packet with the IPTC "digital source type", which picture banks, search engines and
photo programs read, and the C2PA action "created" as plain JSON. Anyone can remove or change them; they inform, they
do not prove.
"""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

SOFTWARE = "CLIP Atelier"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
ASSERTION_KEYWORD = "ai_generated"
XMP_KEYWORD = "XML:com.adobe.xmp"  # the name that the XMP specification gives to the text in a PNG


def assertion(created: str, model: str) -> str:
    """The C2PA action as ASCII JSON: made at `created` (ISO 8601) by a trained model of the name `model`."""
    agent = {"name": SOFTWARE, "model": model}
    action = {"action": "c2pa.created", "when": created, "softwareAgent": agent, "digitalSourceType": SOURCE_TYPE}
    return json.dumps({"label": "c2pa.actions.v2", "data": {"actions": [action]}, "signed": False})


def xmp(created: str) -> str:
    """The XMP packet, which viewers of pictures read: source type, program and moment of making (ISO 8601)."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/">'
        f"<Iptc4xmpExt:DigitalSourceType>{SOURCE_TYPE}</Iptc4xmpExt:DigitalSourceType>"
        f"<xmp:CreatorTool>{SOFTWARE}</xmp:CreatorTool><xmp:CreateDate>{escape(created)}</xmp:CreateDate>"
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    )

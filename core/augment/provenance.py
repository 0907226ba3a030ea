"""What every picture of a set says of itself: that it is synthetic, made of what, by what, and how.

The digital source type is the one of the IPTC Photo Metadata Standard for photographs that were edited with a trained
model: https://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from ..frame import Frame

FIELD = "lineament"
"""Header field of EXR and text keyword of PNG that holds the record, as JSON in ASCII."""
SOURCE_TYPE_FIELD = "digitalSourceType"
XMP_FIELD = "XML:com.adobe.xmp"
"""The keyword under which the XMP specification, part 3, keeps a packet in a PNG."""
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"

_XMP = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
<xmp:CreatorTool>{tool}</xmp:CreatorTool>{source_type}
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt></dc:description>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


def stamped(frame: Frame, record: Mapping[str, Any]) -> Frame:
    """The frame with ``record`` in its header, and for readers that know nothing of us the standard's source type.

    ``record`` is plain data with ``tool``, ``is_synthetic`` and whatever else there is to say. EXR gets header strings,
    PNG texts and an XMP packet; pixels and all other fields stay.
    """
    text = json.dumps(record, sort_keys=True, ensure_ascii=True)
    done = frame.with_text(FIELD, text)
    if frame.is_display_referred:
        return done.with_text(XMP_FIELD, xmp_packet(record, text))
    return done.with_text(SOURCE_TYPE_FIELD, SOURCE_TYPE) if record["is_synthetic"] else done


def xmp_packet(record: Mapping[str, Any], text: str) -> str:
    """An XMP packet in ASCII around the record's ``text``."""
    kind = f"\n<Iptc4xmpExt:DigitalSourceType>{SOURCE_TYPE}</Iptc4xmpExt:DigitalSourceType>"
    filled = _XMP.format(
        tool=_ascii(str(record["tool"])),
        source_type=kind if record["is_synthetic"] else "",
        text=_ascii(text),
    )
    return filled


def _ascii(text: str) -> str:
    return escape(text).encode("ascii", "xmlcharrefreplace").decode("ascii")

"""Checks that a report is one well-formed page with whole pictures and no link to elsewhere.
In: report.html.  Out: exit status 0 where every claim holds."""
import base64
import html.parser
import struct
import sys
import zlib

VOID = {"meta", "img", "br"}


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.pictures, self.tags = [], [], set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        values = dict(attributes)
        assert not {"href", "srcset"} & set(values) and tag not in ("script", "link"), "the page needs another file"
        if tag == "img":
            self.pictures.append(values["src"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}>"


with open(sys.argv[1], encoding="utf-8") as f:
    text = f.read()
page = Page()
page.feed(text)
assert not page.open and {"svg", "path", "table", "pre", "h2", "img"} <= page.tags, (page.open, page.tags)
for url in page.pictures:
    head, data = url.split(",")
    assert head == "data:image/png;base64"
    png = base64.b64decode(data, validate=True)
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(png):
        (size,) = struct.unpack_from(">I", png, at)
        body = png[at + 4:at + 8 + size]
        assert zlib.crc32(body) == struct.unpack_from(">I", png, at + 8 + size)[0]
        chunks[body[:4]] = body[4:]
        at += size + 12
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert len(zlib.decompress(chunks[b"IDAT"])) == height * (1 + width * {0: 1, 2: 3}[colour])

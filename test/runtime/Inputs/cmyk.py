"""Pictures in CMYK and YCCK, and what Pillow makes of them: cmyk.jpg, ycck.jpg, plain.jpg beside this file, and NAME.rgb, the bytes of convert("RGB").
Needs Pillow (12 or later).  plain.jpg has no Adobe segment, as some scanners write it.  The files are kept; the suite compares the decoder with them."""
import pathlib

from PIL import Image

here = pathlib.Path(__file__).parent
picture = Image.new("CMYK", (20, 13))
picture.putdata([(255 * x // 19, 255 * y // 12, (x * y * 7) % 256, (x * 5 + y * 11) % 200) for y in range(13) for x in range(20)])
picture.save(here / "cmyk.jpg", quality=92)
data = (here / "cmyk.jpg").read_bytes()
adobe = data.index(b"\xff\xee\x00\x0eAdobe")
assert data[adobe + 15] == 0
# The transform of the segment says how the components are meant: 2 is YCCK.
(here / "ycck.jpg").write_bytes(data[:adobe + 15] + b"\x02" + data[adobe + 16:])
(here / "plain.jpg").write_bytes(data[:adobe] + data[adobe + 16:])
for name in ("cmyk", "ycck", "plain"):
    with Image.open(here / f"{name}.jpg") as opened:
        assert opened.mode == "CMYK"
        (here / f"{name}.rgb").write_bytes(opened.convert("RGB").tobytes())

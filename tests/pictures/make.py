"""Makes the pictures of this folder: drawn patterns, no people. Needs Pillow and NumPy.

    python3 make.py

Everything is seeded, so a second run gives the same files with the same Pillow.
"""

import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

OUT = pathlib.Path(__file__).parent
WIDTH, HEIGHT = 131, 97  # odd, so that the last block of every sampling is partial


def pattern(width=WIDTH, height=HEIGHT):
    """Colour gradients, a disc, a fine grating and a little noise; no symmetry."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    red = 255 * x / width
    green = 255 * y / height
    blue = 127 + 90 * np.sin(x / 9) * np.cos(y / 13)
    rgb = np.stack([red, green, blue], axis=-1)
    disc = (x - width * 0.3) ** 2 + (y - height * 0.35) ** 2 < (height * 0.2) ** 2
    rgb[disc] = (230, 190, 40)
    rgb[int(height * 0.7) :, int(width * 0.6) :] += 40 * ((x + y) % 3 == 0)[int(height * 0.7) :, int(width * 0.6) :, None]
    rgb += np.random.default_rng(7).normal(0, 3, rgb.shape)
    return np.clip(rgb, 0, 255).astype(np.uint8)


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data.tobytes()


def without_segment(jpeg, marker):
    """Drops every segment with this marker byte before the scan."""
    out, at = jpeg[:2], 2
    while jpeg[at + 1] != 0xDA:
        length = struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
        if jpeg[at + 1] != marker:
            out += jpeg[at : at + 2 + length]
        at += 2 + length
    return out + jpeg[at:]


def as_440(jpeg):
    """A 4:2:2 picture of 128 x 64 relabelled 4:4:0 and 64 x 128: as many units, another layout."""
    at = jpeg.index(b"\xff\xc0")
    frame = bytearray(jpeg[at : at + 19])
    frame[5:9] = struct.pack(">HH", 128, 64)
    frame[11] = 0x12
    return jpeg[:at] + bytes(frame) + jpeg[at + 19 :]


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width, height, depth, colour, rows, before_data=b""):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before_data + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def interlaced(pixels):
    """Adam7, 8-bit RGB; Pillow cannot write it."""
    height, width, _ = pixels.shape
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    data = b"".join(
        b"\0" + pixels[y, x0::dx].tobytes() for x0, y0, dx, dy in passes for y in range(y0, height, dy)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")


def main():
    pixels = pattern()
    image = Image.fromarray(pixels)
    alpha = np.linspace(0, 255, WIDTH).astype(np.uint8)[None, :].repeat(HEIGHT, axis=0)
    rgba = Image.fromarray(np.dstack([pixels, alpha]))

    for name, sampling in (("444", 0), ("422", 1), ("420", 2)):
        image.save(OUT / f"baseline_{name}.jpg", quality=85, subsampling=sampling)
    image.save(OUT / "baseline_420_restart.jpg", quality=80, subsampling=2, restart_marker_blocks=3)
    image.save(OUT / "progressive_420.jpg", quality=80, subsampling=2, progressive=True)
    image.convert("L").save(OUT / "grey.jpg", quality=85)
    image.convert("CMYK").save(OUT / "cmyk_adobe.jpg", quality=85)
    plain = Image.fromarray(255 - np.asarray(image.convert("CMYK")), "CMYK")  # Pillow writes inverted
    plain.save(OUT / "cmyk_plain.jpg", quality=85)
    (OUT / "cmyk_plain.jpg").write_bytes(without_segment((OUT / "cmyk_plain.jpg").read_bytes(), 0xEE))
    # Adobe stores ink inverted and the luma of the inverse: Y Cb Cr of the negative, and 255 - black.
    negative = Image.fromarray(255 - pixels).convert("YCbCr")
    ycck = Image.merge("CMYK", [*negative.split(), Image.new("L", image.size, 215)])
    ycck = Image.fromarray(255 - np.asarray(ycck), "CMYK")
    ycck.save(OUT / "ycck_adobe.jpg", quality=85)
    data = (OUT / "ycck_adobe.jpg").read_bytes()
    at = data.index(b"Adobe")
    (OUT / "ycck_adobe.jpg").write_bytes(data[: at + 11] + b"\x02" + data[at + 12 :])
    wide = Image.fromarray(pattern(128, 64))
    wide.save(OUT / "baseline_440.jpg", quality=85, subsampling=1)
    (OUT / "baseline_440.jpg").write_bytes(as_440((OUT / "baseline_440.jpg").read_bytes()))

    # Stored so that each stands upright as `pattern` after its turn.
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    for value, method in undo.items():
        stored = image if method is None else image.transpose(Image.Transpose(method))
        stored.save(OUT / f"orientation_{value}.jpg", quality=85, subsampling=2, exif=exif(value))
    image.transpose(Image.Transpose.ROTATE_90).save(OUT / "orientation_6.webp", quality=90, exif=exif(6))

    image.save(OUT / "rgb8.png", optimize=True)
    rgba.save(OUT / "rgba8.png", optimize=True)
    image.convert("L").save(OUT / "grey8.png", optimize=True)
    image.quantize(64).save(OUT / "palette.png", optimize=True)
    quantized = image.quantize(16)
    quantized.save(OUT / "palette_transparent.png", transparency=bytes([0, 128]), optimize=True)
    rows16 = [pixels[y].astype(">u2").__mul__(257).astype(">u2").tobytes() for y in range(HEIGHT)]
    (OUT / "rgb16.png").write_bytes(png(WIDTH, HEIGHT, 16, 2, rows16))
    (OUT / "interlaced.png").write_bytes(interlaced(pixels))
    (OUT / "declared_50000.png").write_bytes(png(50_000, 50_000, 8, 2, []))
    image.save(OUT / "animated.png", save_all=True, append_images=[Image.new("RGB", image.size)], duration=100)

    image.save(OUT / "lossy.webp", quality=85)
    image.save(OUT / "lossless.webp", lossless=True)
    rgba.save(OUT / "lossy_alpha.webp", quality=85)
    rgba.save(OUT / "lossless_alpha.webp", lossless=True, exact=True)
    image.save(OUT / "animated.webp", save_all=True, append_images=[Image.new("RGB", image.size)], duration=100)


if __name__ == "__main__":
    main()

//! Pictures for tests, made from NASA's portrait: none shows anybody else, none is committed.

use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// Width, height, RGB.
pub struct Rgb {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Three bytes a pixel.
    pub pixels: Vec<u8>,
}

/// Reads an 8-bit RGB PNG.
pub fn read_png(path: &Path) -> Rgb {
    let mut reader = png::Decoder::new(BufReader::new(fs::File::open(path).unwrap())).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    Rgb { width: info.width as usize, height: info.height as usize, pixels }
}

/// Writes an 8-bit RGB PNG.
pub fn write_png(path: &Path, picture: &Rgb) {
    fs::write(path, encode_png(picture)).unwrap();
}

/// An 8-bit RGB PNG.
pub fn encode_png(picture: &Rgb) -> Vec<u8> {
    let mut bytes = Vec::new();
    let width = u32::try_from(picture.width).unwrap();
    let height = u32::try_from(picture.height).unwrap();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    encoder.write_header().unwrap().write_image_data(&picture.pixels).unwrap();
    bytes
}

/// A part of it.
pub fn cropped(picture: &Rgb, left: usize, top: usize, width: usize, height: usize) -> Rgb {
    map(width, height, |x, y| at(picture, x + left, y + top))
}

fn map(width: usize, height: usize, pixel: impl Fn(usize, usize) -> [u8; 3]) -> Rgb {
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    Rgb { width, height, pixels: places.flat_map(|(x, y)| pixel(x, y)).collect() }
}

/// The pixel at a place.
pub fn at(picture: &Rgb, x: usize, y: usize) -> [u8; 3] {
    let start = 3 * (y * picture.width + x);
    [picture.pixels[start], picture.pixels[start + 1], picture.pixels[start + 2]]
}

/// Left and right swapped.
pub fn mirrored(picture: &Rgb) -> Rgb {
    map(picture.width, picture.height, |x, y| at(picture, picture.width - 1 - x, y))
}

/// Three quarters as bright, cut by a margin: other bytes, the same face.
pub fn darker(picture: &Rgb) -> Rgb {
    let margin = picture.width / 16;
    map(picture.width - 2 * margin, picture.height - margin, |x, y| {
        at(picture, x + margin, y).map(|v| u8::try_from(u32::from(v) * 3 / 4).unwrap())
    })
}

/// A picture of nobody: soft waves.
pub fn nobody(side: usize) -> Rgb {
    map(side, side, |x, y| {
        let wave = |v: usize| u8::try_from((v * 7 / 5) % 200).unwrap();
        [wave(x), wave(y), wave(x / 2 + y / 3)]
    })
}

/// In the middle of noise, which no format makes small.
pub fn on_noise(picture: &Rgb, width: usize, height: usize) -> Rgb {
    let (left, top) = ((width - picture.width) / 2, (height - picture.height) / 2);
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let pixel = |(x, y): (usize, usize)| {
        let noise = [noise(), noise(), noise()];
        let inside = (left..left + picture.width).contains(&x) && (top..top + picture.height).contains(&y);
        if inside { at(picture, x - left, y - top) } else { noise }
    };
    Rgb { width, height, pixels: places.flat_map(pixel).collect() }
}

/// An uncompressed BMP; its width must be a multiple of four.
pub fn encode_bmp(picture: &Rgb) -> Vec<u8> {
    let word = |value: usize| u32::try_from(value).unwrap().to_le_bytes();
    let (header, body) = (54, picture.pixels.len());
    let mut bytes = [&b"BM"[..], &word(header + body), &word(0), &word(header)].concat();
    bytes.extend([word(40), word(picture.width), word(picture.height), [1, 0, 24, 0]].concat());
    bytes.extend([0; 24]);
    for row in picture.pixels.chunks_exact(3 * picture.width).rev() {
        bytes.extend(row.chunks_exact(3).flat_map(|rgb| [rgb[2], rgb[1], rgb[0]]));
    }
    bytes
}

/// Writes portrait, mirrored, darker, nobody and a text file named `.jpg` into `directory`.
pub fn write_all(portrait_png: &Path, directory: &Path) -> PathBuf {
    fs::create_dir_all(directory).unwrap();
    let portrait = read_png(portrait_png);
    write_png(&directory.join("portrait.png"), &portrait);
    write_png(&directory.join("mirrored.png"), &mirrored(&portrait));
    write_png(&directory.join("darker.png"), &darker(&portrait));
    write_png(&directory.join("nobody.png"), &nobody(256));
    fs::write(directory.join("text.jpg"), "this is not a picture\n").unwrap();
    directory.to_owned()
}

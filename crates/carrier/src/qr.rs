//! The QR code of an address, as a picture that holds the address as text too, and for a terminal.

use fast_qr::{ECL, QRBuilder, QRCode};

use crate::CarrierError;

/// Keyword of the text in the picture.
const KEYWORD: &str = "URL";
/// Pixels of a module.
const SCALE: usize = 8;
/// Modules of white around the code (ISO/IEC 18004 asks for 4).
const QUIET: usize = 4;

pub(crate) fn code(url: &str) -> Result<QRCode, CarrierError> {
    QRBuilder::new(url)
        .ecl(ECL::M)
        .build()
        .map_err(|_| CarrierError::Qr)
}

/// A PNG, one bit a pixel, with the address in a tEXt chunk.
pub(crate) fn picture(code: &QRCode, url: &str) -> Result<Vec<u8>, CarrierError> {
    let side = (code.size + 2 * QUIET) * SCALE;
    let row = side.div_ceil(8);
    let mut pixels = vec![0xFF_u8; row * side];
    for y in 0..side {
        for x in 0..side {
            let module = |at: usize| (at / SCALE).checked_sub(QUIET).filter(|at| *at < code.size);
            let dark = module(y)
                .zip(module(x))
                .is_some_and(|(y, x)| code[y][x].value());
            if dark && let Some(octet) = pixels.get_mut(y * row + x / 8) {
                *octet &= !(0x80 >> (x % 8));
            }
        }
    }
    let mut octets = Vec::new();
    let side = u32::try_from(side).map_err(|_| CarrierError::Qr)?;
    let mut encoder = png::Encoder::new(&mut octets, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let write = |encoder: png::Encoder<'_, &mut Vec<u8>>| -> Result<(), png::EncodingError> {
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&pixels)?;
        writer.finish()
    };
    encoder
        .add_text_chunk(KEYWORD.to_owned(), url.to_owned())
        .and_then(|()| write(encoder))
        .map_err(CarrierError::Picture)?;
    Ok(octets)
}

/// The address in a picture of [`picture`]; none where it is another one.
pub(crate) fn address(octets: &[u8]) -> Option<String> {
    let reader = png::Decoder::new(std::io::Cursor::new(octets))
        .read_info()
        .ok()?;
    let texts = &reader.info().uncompressed_latin1_text;
    let text = texts.iter().find(|text| text.keyword == KEYWORD)?;
    Some(text.text.clone())
}

/// The QR code of an address in half blocks, for a terminal with light letters on a dark ground.
///
/// # Errors
/// [`CarrierError::Qr`] where the address is too long.
pub fn terminal_qr(url: &str) -> Result<String, CarrierError> {
    let code = code(url)?;
    let mut shown = String::new();
    let dark = |y: usize, x: usize| {
        let inside = |at: usize| at.checked_sub(2).filter(|at| *at < code.size);
        inside(y)
            .zip(inside(x))
            .is_some_and(|(y, x)| code[y][x].value())
    };
    for y in (0..code.size + 4).step_by(2) {
        for x in 0..code.size + 4 {
            shown.push(match (dark(y, x), dark(y + 1, x)) {
                (true, true) => ' ',
                (true, false) => '▄',
                (false, true) => '▀',
                (false, false) => '█',
            });
        }
        shown.push('\n');
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::{address, code, picture, terminal_qr};

    const URL: &str = "https://dm.example.com:8443/bootstrap?a=1";

    #[test]
    fn the_picture_tells_its_address_and_is_the_same_each_time() {
        let one = picture(&code(URL).unwrap(), URL).unwrap();
        assert_eq!(one, picture(&code(URL).unwrap(), URL).unwrap());
        assert_eq!(address(&one).as_deref(), Some(URL));
        assert_eq!(address(b"no picture"), None);
    }

    #[test]
    fn a_terminal_gets_two_rows_of_modules_a_line() {
        let side = code(URL).unwrap().size + 4;
        let shown = terminal_qr(URL).unwrap();
        assert_eq!(shown.lines().count(), side.div_ceil(2));
        assert!(shown.lines().all(|line| line.chars().count() == side));
        assert!(terminal_qr(&"a".repeat(5000)).is_err());
    }
}

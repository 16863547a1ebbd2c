use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Secrets that were used, in every form in which they could show; looks for them in what processes wrote.
#[derive(Clone, Default)]
pub struct Wanted(BTreeMap<String, Vec<String>>);

/// Octets before the private scalar in a PKCS#8 key on P-256.
const BEFORE: usize = 36;

/// Octets of the scalar.
const SCALAR: usize = 32;

/// Shortest form that is looked for: anything shorter may stand somewhere by chance.
const SHORTEST: usize = 12;

impl Wanted {
    /// Adds octets: their base64 and base64url forms, those by which a longer text that holds them would be base64 as well, hexadecimal digits, `Debug` of
    /// the octets, and themselves where they are text.
    ///
    /// # Panics
    /// Where they are too few to be told from chance.
    pub fn add(&mut self, name: &str, octets: &[u8]) {
        assert!(octets.len() >= SHORTEST, "{name} has {}", octets.len());
        let mut forms = Vec::new();
        for begins_at in 0..3 {
            // Base64 of a longer text shows these octets in one of three alignments; what stands beside them changes the outermost digits.
            let mut shifted = vec![0; begins_at];
            shifted.extend_from_slice(octets);
            let whole = shifted.len() / 3 * 3;
            let encoded = STANDARD.encode(&shifted[..whole]);
            let begins = if begins_at == 0 { 0 } else { 4 };
            forms.push(encoded[begins..].to_owned());
        }
        let standard = STANDARD_NO_PAD.encode(octets);
        forms.extend([URL_SAFE_NO_PAD.encode(octets), standard]);
        let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        let colons: Vec<_> = octets.iter().map(|octet| format!("{octet:02X}")).collect();
        forms.extend([hex.to_uppercase(), hex, colons.join(":")]);
        let debug = format!("{octets:?}");
        forms.push(debug.trim_matches(['[', ']']).to_owned());
        if let Ok(text) = std::str::from_utf8(octets) {
            forms.push(text.to_owned());
        }
        forms.retain(|form| form.len() >= SHORTEST);
        forms.sort();
        forms.dedup();
        self.0.entry(name.to_owned()).or_default().extend(forms);
    }

    /// Adds a private key (PKCS#8): all of it, and its private scalar alone.
    ///
    /// # Panics
    /// Where it is no key on P-256 in the form that this project writes.
    pub fn add_key(&mut self, name: &str, pkcs8: &[u8]) {
        self.add(name, pkcs8);
        let scalar = pkcs8.get(BEFORE..BEFORE + SCALAR).unwrap_or_default();
        assert!(
            pkcs8[..BEFORE].ends_with(&[0x04, 0x20]),
            "{name}: an octet string of 32 octets has to stand at {BEFORE}"
        );
        self.add(&format!("{name}: private scalar"), scalar);
    }

    /// Names of the secrets that a text holds in any form. Line ends and their escapes are passed over, since PEM is written over several lines.
    #[must_use]
    pub fn found_in(&self, text: &str) -> Vec<&str> {
        let joined = text.replace("\\n", "").replace(['\n', '\r'], "");
        self.0
            .iter()
            .filter(|(_, forms)| {
                forms
                    .iter()
                    .any(|form| text.contains(form.as_str()) || joined.contains(form.as_str()))
            })
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// Names of all of them.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::Wanted;

    const SECRET: &[u8] = b"\xfb\xff\x00sixteen octets \xfe\xfa";

    fn wanted() -> Wanted {
        let mut wanted = Wanted::default();
        wanted.add("it", SECRET);
        wanted
    }

    #[test]
    fn a_secret_is_found_in_each_of_its_forms() {
        let hex: String = SECRET.iter().map(|octet| format!("{octet:02x}")).collect();
        for form in [
            STANDARD.encode(SECRET),
            URL_SAFE.encode(SECRET),
            hex.to_uppercase(),
            hex,
            format!("{SECRET:?}"),
        ] {
            assert_eq!(
                wanted().found_in(&format!("before {form} after")),
                ["it"],
                "{form}"
            );
        }
        let mut text = Wanted::default();
        text.add("a token", b"sixteen letters!");
        assert_eq!(text.found_in("token=sixteen letters!"), ["a token"]);
    }

    #[test]
    fn a_secret_is_found_inside_a_longer_base64_text() {
        for before in 0..6 {
            for after in 0..3 {
                let mut longer = vec![b'x'; before];
                longer.extend_from_slice(SECRET);
                longer.extend(vec![b'y'; after]);
                assert_eq!(
                    wanted().found_in(&STANDARD.encode(&longer)),
                    ["it"],
                    "{before} {after}"
                );
            }
        }
    }

    #[test]
    fn a_secret_is_found_over_line_ends() {
        let text = STANDARD.encode(SECRET);
        for end in ["\n", "\r\n", "\\n"] {
            let parted = format!("{}{end}{}", &text[..9], &text[9..]);
            assert_eq!(wanted().found_in(&parted), ["it"]);
        }
    }

    #[test]
    fn what_is_no_secret_is_not_found() {
        assert_eq!(wanted().found_in("sixteen octets"), Vec::<&str>::new());
        assert_eq!(wanted().found_in(""), Vec::<&str>::new());
    }
}

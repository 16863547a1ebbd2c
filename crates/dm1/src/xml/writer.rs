use crate::markup::{MarkupFault, MarkupWriter, Tag, namespace_of};

/// Writes an XML document without white space between elements; text is always escaped, never CDATA (§1.2). A namespace stands where it changes.
pub struct XmlWriter {
    octets: Vec<u8>,
    open: Vec<Tag>,
    /// Whether the start tag of the innermost element still lacks its end.
    in_start: bool,
    fault: Option<MarkupFault>,
}

impl XmlWriter {
    /// An empty document, without an XML declaration: UTF-8 is what its absence says.
    #[must_use]
    pub fn new() -> Self {
        Self {
            octets: Vec::with_capacity(512),
            open: Vec::with_capacity(16),
            in_start: false,
            fault: None,
        }
    }

    /// The document.
    ///
    /// # Errors
    ///
    /// The first thing that XML cannot hold: a control character, octets that are no text, a token without a name.
    pub fn finish(self) -> Result<Vec<u8>, MarkupFault> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self.octets),
        }
    }

    fn end_start(&mut self) {
        if self.in_start {
            self.octets.push(b'>');
            self.in_start = false;
        }
    }

    fn name(&mut self, tag: Tag) {
        match tag.name() {
            Some(name) => self.octets.extend(name.as_bytes()),
            None => {
                let token = format!("token {:#04x} of page {}", tag.token(), tag.page());
                self.fault
                    .get_or_insert_with(|| MarkupFault::NotInVocabulary(token.into()));
            }
        }
    }

    /// Runs without a special character are copied as a whole.
    fn escaped(&mut self, text: &str, special: &[Escape; 256]) {
        let octets = text.as_bytes();
        let mut copied = 0;
        for (at, octet) in octets.iter().enumerate() {
            let replacement: &[u8] = match special[usize::from(*octet)] {
                Escape::None => continue,
                Escape::Amp => b"&amp;",
                Escape::Lt => b"&lt;",
                Escape::Gt => b"&gt;",
                Escape::Quote => b"&quot;",
                Escape::Tab => b"&#9;",
                Escape::LineFeed => b"&#10;",
                Escape::Return => b"&#13;",
                Escape::Forbidden => {
                    self.fault
                        .get_or_insert_with(|| MarkupFault::Character(u32::from(*octet)));
                    continue;
                }
            };
            self.octets.extend(&octets[copied..at]);
            self.octets.extend(replacement);
            copied = at + 1;
        }
        self.octets.extend(&octets[copied..]);
        // U+FFFE and U+FFFF, which XML excludes, as UTF-8.
        if memchr::memchr(0xef, octets).is_some() && text.contains(['\u{fffe}', '\u{ffff}']) {
            self.fault.get_or_insert(MarkupFault::Character(0xfffe));
        }
    }
}

impl Default for XmlWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl MarkupWriter for XmlWriter {
    fn start(&mut self, tag: Tag) {
        self.end_start();
        self.octets.push(b'<');
        self.name(tag);
        let namespace = namespace_of(tag);
        if let Some(namespace) = namespace
            && self
                .open
                .last()
                .is_none_or(|parent| parent.page() != tag.page())
        {
            self.octets.extend(b" xmlns=\"");
            self.octets.extend(namespace.as_bytes());
            self.octets.push(b'"');
        }
        self.open.push(tag);
        self.in_start = true;
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.octets.push(b' ');
        self.octets.extend(name.as_bytes());
        self.octets.extend(b"=\"");
        self.escaped(value, &IN_ATTRIBUTES);
        self.octets.push(b'"');
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.end_start();
        self.escaped(text, &IN_TEXT);
    }

    fn opaque(&mut self, octets: &[u8]) {
        match std::str::from_utf8(octets) {
            Ok(text) if !octets.contains(&0) => self.text(text),
            _ => {
                self.fault.get_or_insert(MarkupFault::OpaqueInXml);
            }
        }
    }

    fn end(&mut self) {
        let Some(tag) = self.open.pop() else {
            return;
        };
        if self.in_start {
            self.octets.extend(b"/>");
            self.in_start = false;
        } else {
            self.octets.extend(b"</");
            self.name(tag);
            self.octets.push(b'>');
        }
    }
}

/// Text for people: what XML forbids becomes U+FFFD.
pub(crate) fn escaped_text(text: &str) -> String {
    for_people(text, &IN_TEXT)
}

/// An attribute's value for people.
pub(crate) fn escaped_attribute(value: &str) -> String {
    for_people(value, &IN_ATTRIBUTES)
}

fn for_people(text: &str, special: &[Escape; 256]) -> String {
    let mut writer = XmlWriter::new();
    let allowed = text.replace(
        |character: char| character < ' ' && !character.is_ascii_whitespace(),
        "\u{fffd}",
    );
    writer.escaped(&allowed, special);
    String::from_utf8(writer.octets).unwrap_or_default()
}

#[derive(Clone, Copy)]
enum Escape {
    None,
    Amp,
    Lt,
    Gt,
    Quote,
    Tab,
    LineFeed,
    Return,
    Forbidden,
}

const IN_TEXT: [Escape; 256] = table(false);
const IN_ATTRIBUTES: [Escape; 256] = table(true);

/// A carriage return is written by number, since readers make a line feed of it; in attributes all white space but the blank.
const fn table(attribute: bool) -> [Escape; 256] {
    let mut table = [Escape::None; 256];
    let mut control = 0;
    while control < 0x20 {
        table[control] = Escape::Forbidden;
        control += 1;
    }
    table[b'&' as usize] = Escape::Amp;
    table[b'<' as usize] = Escape::Lt;
    table[b'>' as usize] = Escape::Gt;
    table[b'\r' as usize] = Escape::Return;
    if attribute {
        table[b'"' as usize] = Escape::Quote;
        table[b'\t' as usize] = Escape::Tab;
        table[b'\n' as usize] = Escape::LineFeed;
    } else {
        table[b'\t' as usize] = Escape::None;
        table[b'\n' as usize] = Escape::None;
    }
    table
}

use std::fmt;

use zeroize::Zeroize as _;

use crate::markup::{
    Event, MarkupError, MarkupFault, MarkupLimits, MarkupReader, MarkupWriter, Name, Vocabulary,
    XmlVocabulary, provisioning_tags as tags,
};
use crate::syncml::Encoding;
use crate::wbxml::{WbxmlReader, WbxmlWriter};
use crate::xml::{XmlReader, XmlWriter};

/// A `wap-provisioningdoc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvisioningDocument {
    /// `version`; some clients take `1.0` alone, so that is written unless something of 1.1 is used (§2.7).
    pub version: String,
    /// What it provides, in order.
    pub characteristics: Vec<Characteristic>,
}

/// A `characteristic`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Characteristic {
    /// `type`
    pub r#type: String,
    /// Its parameters, in order.
    pub parms: Vec<Parm>,
    /// The characteristics within it, in order.
    pub characteristics: Vec<Self>,
}

/// A `parm`. Its value may be a secret: `Debug` does not tell it, and it is wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Parm {
    /// `name`
    pub name: String,
    /// `value`; `INIT` has none.
    pub value: Option<String>,
}

/// What is no provisioning document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProvisioningFault {
    /// The document itself.
    #[error(transparent)]
    Markup(#[from] MarkupError),
    /// Another root element.
    #[error("the root element is not wap-provisioningdoc")]
    NotProvisioning,
    /// More parameters and characteristics than a document may hold. Local limit.
    #[error("more than {} characteristics and parameters", MAX_ELEMENTS)]
    TooMany,
}

/// Most characteristics and parameters of a document. Local limit.
const MAX_ELEMENTS: usize = 2048;

impl ProvisioningDocument {
    /// Reads a document in either serialization.
    ///
    /// # Errors
    ///
    /// [`ProvisioningFault`].
    pub fn decode(
        octets: &[u8],
        encoding: Encoding,
        limits: MarkupLimits,
    ) -> Result<Self, ProvisioningFault> {
        match encoding {
            Encoding::Xml => read(&mut XmlReader::new(
                octets,
                XmlVocabulary::Provisioning,
                limits,
            )?),
            Encoding::Wbxml => read(&mut WbxmlReader::new(octets, limits)?),
        }
    }

    /// The document's octets.
    ///
    /// # Errors
    ///
    /// A name or value that the serialization cannot hold.
    pub fn encode(&self, encoding: Encoding) -> Result<Vec<u8>, MarkupFault> {
        match encoding {
            Encoding::Xml => {
                let mut writer = XmlWriter::new();
                self.write(&mut writer);
                writer.finish()
            }
            Encoding::Wbxml => {
                let mut writer = WbxmlWriter::new(Vocabulary::Provisioning);
                self.write(&mut writer);
                writer.finish()
            }
        }
    }

    /// The characteristics of a type, at the top.
    pub fn of_type<'a>(&'a self, r#type: &'a str) -> impl Iterator<Item = &'a Characteristic> {
        self.characteristics
            .iter()
            .filter(move |characteristic| characteristic.r#type == r#type)
    }

    fn write(&self, writer: &mut impl MarkupWriter) {
        writer.start(tags::WAP_PROVISIONINGDOC);
        writer.attribute("version", &self.version);
        for characteristic in &self.characteristics {
            characteristic.write(writer);
        }
        writer.end();
    }
}

impl Characteristic {
    /// Of a type, with parameters.
    #[must_use]
    pub fn new(r#type: &str, parms: Vec<Parm>) -> Self {
        Self {
            r#type: r#type.into(),
            parms,
            characteristics: Vec::new(),
        }
    }

    /// The value of the first parameter with this name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.parms
            .iter()
            .find(|parm| parm.name == name)
            .and_then(|parm| parm.value.as_deref())
    }

    /// The values of all parameters with this name.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.parms
            .iter()
            .filter(move |parm| parm.name == name)
            .filter_map(|parm| parm.value.as_deref())
    }

    /// Whether there is a parameter with this name, with or without a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.parms.iter().any(|parm| parm.name == name)
    }

    /// The characteristics of a type within it.
    pub fn of_type<'a>(&'a self, r#type: &'a str) -> impl Iterator<Item = &'a Self> {
        self.characteristics
            .iter()
            .filter(move |characteristic| characteristic.r#type == r#type)
    }

    fn write(&self, writer: &mut impl MarkupWriter) {
        writer.start(tags::CHARACTERISTIC);
        writer.attribute("type", &self.r#type);
        for parm in &self.parms {
            writer.start(tags::PARM);
            writer.attribute("name", &parm.name);
            if let Some(value) = &parm.value {
                writer.attribute("value", value);
            }
            writer.end();
        }
        for characteristic in &self.characteristics {
            characteristic.write(writer);
        }
        writer.end();
    }
}

impl Parm {
    /// With a value.
    #[must_use]
    pub fn new(name: &str, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: Some(value.into()),
        }
    }

    /// Without a value.
    #[must_use]
    pub fn bare(name: &str) -> Self {
        Self {
            name: name.into(),
            value: None,
        }
    }
}

impl fmt::Debug for Parm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.value.as_ref().map(String::len);
        write!(f, "Parm({}, {length:?} octets)", self.name)
    }
}

impl Drop for Parm {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

/// What is being read: an element that is ours, or one that is passed over.
enum Open {
    Document,
    Characteristic(Characteristic),
    Parm(Parm),
    Other,
}

fn read<'a>(reader: &mut impl MarkupReader<'a>) -> Result<ProvisioningDocument, ProvisioningFault> {
    match reader.next_event()? {
        Some(Event::Start(name)) if is(&name, "wap-provisioningdoc") => {}
        _ => return Err(ProvisioningFault::NotProvisioning),
    }
    let mut document = ProvisioningDocument {
        version: "1.0".into(),
        characteristics: Vec::new(),
    };
    let mut open = vec![Open::Document];
    let mut elements = 0usize;
    while let Some(event) = reader.next_event()? {
        match event {
            Event::Start(name) => {
                elements += 1;
                if elements > MAX_ELEMENTS {
                    return Err(ProvisioningFault::TooMany);
                }
                open.push(begin(&name));
            }
            Event::Attribute { name, value } => match open.last_mut() {
                Some(Open::Document) if name == "version" => document.version = value.into(),
                Some(Open::Characteristic(characteristic)) if name == "type" => {
                    characteristic.r#type = value.into();
                }
                Some(Open::Parm(parm)) if name == "name" => parm.name = value.into(),
                Some(Open::Parm(parm)) if name == "value" => parm.value = Some(value.into()),
                _ => {}
            },
            Event::Text(_) | Event::Opaque(_) => {}
            Event::End => {
                let ended = open.pop();
                match (ended, open.last_mut()) {
                    (Some(Open::Characteristic(inner)), Some(Open::Document)) => {
                        document.characteristics.push(inner);
                    }
                    (Some(Open::Characteristic(inner)), Some(Open::Characteristic(outer))) => {
                        outer.characteristics.push(inner);
                    }
                    (Some(Open::Parm(parm)), Some(Open::Characteristic(outer))) => {
                        outer.parms.push(parm);
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(document)
}

fn begin(name: &Name<'_>) -> Open {
    if is(name, "characteristic") {
        Open::Characteristic(Characteristic::default())
    } else if is(name, "parm") {
        Open::Parm(Parm::bare(""))
    } else {
        Open::Other
    }
}

/// By name: both tag pages hold the elements.
fn is(name: &Name<'_>, known: &str) -> bool {
    matches!(name, Name::Known(tag) if tag.name() == Some(known))
}

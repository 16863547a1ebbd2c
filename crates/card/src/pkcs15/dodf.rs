use std::fmt;

use omadm_mo::Secret;

use super::{MOST_ELEMENTS, Pkcs15Path, TlvError};
use crate::CardOid;
use crate::tlv::{Tlv, TlvWriter, elements, find};

const SEQUENCE: u32 = 0x30;
const OID: u32 = 0x06;
const UTF8: u32 = 0x0C;
const BITS: u32 = 0x03;
const OCTETS: u32 = 0x04;
const OPAQUE_DO: u32 = SEQUENCE;
const OID_DO: u32 = 0xA1;
const SUB_CLASS: u32 = 0xA0;
const TYPE_ATTRIBUTES: u32 = 0xA1;
const DIRECT: u32 = 0xA0;

/// In which form an entry is written (§3.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ObjectForm {
    /// `oidDO`: the OID stands among the type attributes. What writers produce.
    OidDo,
    /// `opaqueDO`: the OID is the application OID of the class attributes. What OpenSC knows.
    OpaqueDo,
}

/// An entry of a DODF.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DataObject {
    /// In which form it is written.
    pub form: ObjectForm,
    /// Its name for people; never matched.
    pub label: Option<String>,
    /// What it is.
    pub oid: Option<CardOid>,
    /// Flag `private`: a PIN is needed to read it (§5).
    pub private: bool,
    /// Flag `modifiable`.
    pub modifiable: bool,
    /// Where its content is.
    pub value: DataValue,
}

/// Where the content of an entry is. `Debug` tells the length of a direct value only.
#[derive(Clone, PartialEq, Eq)]
pub enum DataValue {
    /// In a file.
    Path(Pkcs15Path),
    /// In the entry itself.
    Direct(Secret),
    /// At a URL, or in a form that PKCS#15 has and cards do not use: not read (§3.2, rule 6).
    Elsewhere,
}

/// An element of a DODF that can be an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DodfItem {
    /// An entry.
    Object(DataObject),
    /// An element that is no entry as PKCS#15 has them, or octets that are no element at all: then it is the last.
    Unparsable(TlvError),
}

/// Reads a DODF in file order. `externalIDO` and unknown elements are left out; a broken entry does not stop the next one.
#[must_use]
pub fn read_dodf(octets: &[u8]) -> Vec<DodfItem> {
    let mut items = Vec::new();
    for (number, element) in elements(octets).enumerate() {
        if number == MOST_ELEMENTS {
            items.push(DodfItem::Unparsable(TlvError::TooMany));
            break;
        }
        let read = match element {
            Ok(Tlv {
                tag: OPAQUE_DO,
                value,
            }) => object(ObjectForm::OpaqueDo, value),
            Ok(Tlv { tag: OID_DO, value }) => object(ObjectForm::OidDo, value),
            Ok(_) => continue,
            Err(error) => Err(error),
        };
        items.push(read.map_or_else(DodfItem::Unparsable, DodfItem::Object));
    }
    items
}

fn object(form: ObjectForm, entry: &[u8]) -> Result<DataObject, TlvError> {
    let mut parts = elements(entry);
    let common = parts.expect(SEQUENCE)?;
    let class = parts.expect(SEQUENCE)?;
    let mut next = parts.next().ok_or(TlvError::Unexpected)??;
    if next.tag == SUB_CLASS {
        next = parts.next().ok_or(TlvError::Unexpected)??;
    }
    if next.tag != TYPE_ATTRIBUTES {
        return Err(TlvError::Unexpected);
    }
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let flags = find(common, BITS)
        .and_then(|bits| bits.get(1))
        .copied()
        .unwrap_or(0);
    let (oid, value) = match form {
        ObjectForm::OpaqueDo => (find(class, OID), next.value),
        ObjectForm::OidDo => {
            let mut inner = elements(elements(next.value).expect(SEQUENCE)?);
            let oid = inner.expect(OID)?;
            let value = inner.next().ok_or(TlvError::Unexpected)??;
            return Ok(DataObject {
                form,
                label: find(common, UTF8).or_else(|| find(class, UTF8)).map(text),
                oid: CardOid::from_content(oid),
                private: flags & 0x80 != 0,
                modifiable: flags & 0x40 != 0,
                value: object_value(value)?,
            });
        }
    };
    Ok(DataObject {
        form,
        label: find(common, UTF8).or_else(|| find(class, UTF8)).map(text),
        oid: oid.and_then(CardOid::from_content),
        private: flags & 0x80 != 0,
        modifiable: flags & 0x40 != 0,
        value: object_value(elements(value).next().ok_or(TlvError::Unexpected)??)?,
    })
}

/// `ObjectValue`. A direct value is an OCTET STRING on the cards seen, and the octets themselves where it is not.
fn object_value(value: Tlv<'_>) -> Result<DataValue, TlvError> {
    Ok(match value.tag {
        SEQUENCE => DataValue::Path(Pkcs15Path::read(value.value)?),
        DIRECT => {
            let mut inner = elements(value.value);
            let octets = match (inner.next(), inner.next()) {
                (Some(Ok(Tlv { tag: OCTETS, value })), None) => value,
                _ => value.value,
            };
            DataValue::Direct(Secret::new(octets.to_vec()))
        }
        _ => DataValue::Elsewhere,
    })
}

impl DataObject {
    /// An entry of this form that points to a file.
    #[must_use]
    pub const fn in_file(form: ObjectForm, label: String, oid: CardOid, path: Pkcs15Path) -> Self {
        Self {
            form,
            label: Some(label),
            oid: Some(oid),
            private: false,
            modifiable: false,
            value: DataValue::Path(path),
        }
    }

    /// The entry as a DODF holds it. The label is written where the standard's examples have it: the common attributes of an `opaqueDO`, the application
    /// name of an `oidDO`.
    pub(crate) fn write(&self, to: TlvWriter) -> TlvWriter {
        let empty = TlvWriter::default;
        let name = match &self.label {
            Some(label) => empty().element(UTF8, label.as_bytes()),
            None => empty(),
        };
        let oid = match &self.oid {
            Some(oid) => empty().element(OID, oid.content()),
            None => empty(),
        };
        let with_value = |writer: TlvWriter| match &self.value {
            DataValue::Path(path) => path.write(writer),
            DataValue::Direct(octets) => {
                writer.nest(DIRECT, &empty().element(OCTETS, octets.expose()))
            }
            DataValue::Elsewhere => writer,
        };
        let flags = match (self.private, self.modifiable) {
            (false, false) => None,
            (true, false) => Some([0x07, 0x80]),
            (false, true) => Some([0x06, 0x40]),
            (true, true) => Some([0x06, 0xC0]),
        };
        let flagged = |writer: TlvWriter| match flags {
            Some(flags) => writer.element(BITS, &flags),
            None => writer,
        };
        let entry = match self.form {
            ObjectForm::OidDo => {
                let inner = empty().nest(SEQUENCE, &with_value(oid));
                empty()
                    .nest(SEQUENCE, &flagged(empty()))
                    .nest(SEQUENCE, &name)
                    .nest(TYPE_ATTRIBUTES, &inner)
            }
            ObjectForm::OpaqueDo => empty()
                .nest(SEQUENCE, &flagged(name))
                .nest(SEQUENCE, &oid)
                .nest(TYPE_ATTRIBUTES, &with_value(empty())),
        };
        let tag = match self.form {
            ObjectForm::OidDo => OID_DO,
            ObjectForm::OpaqueDo => OPAQUE_DO,
        };
        to.nest(tag, &entry)
    }

    /// A DODF of these entries, the first having the highest priority.
    #[must_use]
    pub fn write_all(objects: &[Self]) -> Vec<u8> {
        let writer = objects
            .iter()
            .fold(TlvWriter::default(), |writer, object| object.write(writer));
        writer.octets().to_vec()
    }
}

impl fmt::Debug for DataValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.fmt(f),
            Self::Direct(octets) => write!(f, "Direct({} octets)", octets.len()),
            Self::Elsewhere => f.write_str("Elsewhere"),
        }
    }
}

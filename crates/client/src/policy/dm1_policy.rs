use omadm_dm1::syncml::Encoding;
use omadm_mo::SrvId;
use serde::Deserialize;
use toml::Spanned;

use super::policy_file::Reader;
use super::{PolicyError, PolicyFault};

/// `[dm1]`: what holds for servers of DM 1.x.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dm1Policy {
    /// `encoding`: in what sessions begin; one that the server refuses (415) is the other from then on (`dm1x.md` M09).
    pub encoding: Encoding,
    /// `nonce_resync`: servers whose Package 0 counts with the default nonce too (`dm1x.md` §3.5). Whoever recorded one can have the device open a session
    /// again, not oftener than once a minute.
    pub nonce_resync: Vec<SrvId>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Dm1Table {
    encoding: EncodingName,
    nonce_resync: Vec<Spanned<String>>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum EncodingName {
    #[default]
    Wbxml,
    Xml,
}

impl Dm1Table {
    pub(super) fn read(self, reader: &Reader<'_>) -> Result<Dm1Policy, PolicyError> {
        let server = |text: &Spanned<String>| {
            let read = SrvId::parse(text.get_ref());
            read.map_err(|why| reader.wrong(text, PolicyFault::Server(why)))
        };
        Ok(Dm1Policy {
            encoding: match self.encoding {
                EncodingName::Wbxml => Encoding::Wbxml,
                EncodingName::Xml => Encoding::Xml,
            },
            nonce_resync: self
                .nonce_resync
                .iter()
                .map(server)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Default for Dm1Policy {
    /// WBXML, no server with the default nonce.
    fn default() -> Self {
        Self {
            encoding: Encoding::Wbxml,
            nonce_resync: Vec::new(),
        }
    }
}

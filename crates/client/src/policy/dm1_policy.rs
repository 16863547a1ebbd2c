use omadm_dm1::bootstrap_mac::{BootstrapProfileKind, Esn, Imsi, NetworkId};
use omadm_dm1::syncml::Encoding;
use omadm_mo::SrvId;
use omadm_mo::standard::Dm1Version;
use serde::Deserialize;
use toml::Spanned;

use super::asked_program::AskedTable;
use super::policy_file::Reader;
use super::{AskedProgram, PolicyError, PolicyFault};

/// `[dm1]`: what holds for servers of DM 1.x.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dm1Policy {
    /// `encoding`: in what sessions begin; one that the server refuses (415) is the other from then on (`dm1x.md` M09).
    pub encoding: Encoding,
    /// `version`: of which DM 1.x servers are told that the device is; MOIDs of its objects, `DmV` and `VerProto` (`dm1x.md` §1.1, §4.7).
    pub version: Dm1Version,
    /// `nonce_resync`: servers whose Package 0 counts with the default nonce too (`dm1x.md` §3.5). Whoever recorded one can have the device open a session
    /// again, not oftener than once a minute.
    pub nonce_resync: Vec<SrvId>,
    /// `pushed_bootstraps`: the profiles that are taken by WAP push; none by default (`dm1x.md` §5.4).
    pub pushed_bootstraps: Vec<BootstrapProfileKind>,
    /// `imsi` and `esn`: the subscribers, and in CDMA the device itself, by whose numbers a push may be signed.
    pub subscribers: Vec<NetworkId>,
    /// `user_pin_mac`: whether a code that the user types may be all the proof that a push has.
    pub user_pin_mac: bool,
    /// `pin`: the program that asks the user for the PIN of a push; without it the push waits until somebody looks at it.
    pub pin: Option<AskedProgram>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Dm1Table {
    encoding: EncodingName,
    version: VersionName,
    nonce_resync: Vec<Spanned<String>>,
    pushed_bootstraps: Vec<ProfileName>,
    imsi: Vec<Spanned<String>>,
    esn: Option<Spanned<String>>,
    user_pin_mac: bool,
    pin: AskedTable,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum ProfileName {
    Cp,
    Dm,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum EncodingName {
    #[default]
    Wbxml,
    Xml,
}

#[derive(Deserialize, Default, Clone, Copy)]
enum VersionName {
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    #[serde(rename = "1.3")]
    V1_3,
}

impl Dm1Table {
    pub(super) fn read(self, reader: &Reader<'_>) -> Result<Dm1Policy, PolicyError> {
        let server = |text: &Spanned<String>| {
            let read = SrvId::parse(text.get_ref());
            read.map_err(|why| reader.wrong(text, PolicyFault::Server(why)))
        };
        let imsi = |text: &Spanned<String>| {
            let read = Imsi::parse(text.get_ref()).map(NetworkId::from);
            read.map_err(|why| reader.wrong(text, PolicyFault::Imsi(why)))
        };
        let esn = |text: &Spanned<String>| {
            let read = Esn::parse(text.get_ref()).map(NetworkId::from);
            read.map_err(|why| reader.wrong(text, PolicyFault::Esn(why)))
        };
        let subscribers = self.imsi.iter().map(imsi);
        let profiles = self.pushed_bootstraps.iter().map(|name| match name {
            ProfileName::Cp => BootstrapProfileKind::Cp,
            ProfileName::Dm => BootstrapProfileKind::Dm,
        });
        Ok(Dm1Policy {
            encoding: match self.encoding {
                EncodingName::Wbxml => Encoding::Wbxml,
                EncodingName::Xml => Encoding::Xml,
            },
            version: match self.version {
                VersionName::V1_2 => Dm1Version::V1_2,
                VersionName::V1_3 => Dm1Version::V1_3,
            },
            nonce_resync: self
                .nonce_resync
                .iter()
                .map(server)
                .collect::<Result<_, _>>()?,
            pushed_bootstraps: profiles.collect(),
            subscribers: subscribers
                .chain(self.esn.iter().map(esn))
                .collect::<Result<_, _>>()?,
            user_pin_mac: self.user_pin_mac,
            pin: self.pin.read(reader)?,
        })
    }
}

impl Default for Dm1Policy {
    /// WBXML, DM 1.2, no server with the default nonce, no bootstrap by WAP push.
    fn default() -> Self {
        Self {
            encoding: Encoding::Wbxml,
            version: Dm1Version::V1_2,
            nonce_resync: Vec::new(),
            pushed_bootstraps: Vec::new(),
            subscribers: Vec::new(),
            user_pin_mac: false,
            pin: None,
        }
    }
}

use omadm_dm1::credential::{CredentialType, MacHeader, Nonce, UserHash, basic_matches};
use omadm_dm1::markup::Vocabulary;
use omadm_dm1::pretty::Pretty;
use omadm_dm1::syncml::Message;
use omadm_mo::Secret;

use super::{Decode, read_octets};
use crate::failure::{Explain as _, Failure};

impl Decode {
    /// Whether the credential of a DM message was made with the secret of --key-file; none where no check was asked for.
    pub(super) fn credential(
        &self,
        octets: &[u8],
        pretty: &Pretty,
    ) -> Result<Option<bool>, Failure> {
        let Some(file) = &self.key_file else {
            return Ok(None);
        };
        let what = format!("{} has no digest to verify", self.name());
        if pretty.vocabulary != Vocabulary::SyncMl {
            let todo = "leave --key-file out";
            return Err(Failure::new(what, "it is no DM message", todo));
        }
        let secret = Secret::new(read_octets(file)?);
        let document = octets.get(..pretty.octets).unwrap_or(octets);
        let nonce = || -> Result<Nonce, Failure> {
            let octets = match &self.auth_data_file {
                Some(file) => read_octets(file)?,
                None => Nonce::RESYNC.to_vec(),
            };
            Nonce::new(octets).explain(
                "the nonce is none",
                "give a file with its octets, not base64",
            )
        };
        if let Some(header) = &self.mac_header {
            let todo = "give the header as it came: algorithm=MD5, username=\"…\", mac=…";
            let header = MacHeader::read(header).explain("--mac-header is none", todo)?;
            let key = UserHash::new(&header.username, &secret);
            return Ok(Some(key.mac_matches(&nonce()?, document, &header.mac)));
        }
        let message = Message::decode(document, pretty.encoding, self.limits());
        let message = message.map_err(|unreadable| unreadable.fault);
        let header = message.explain(&what, "mend the message")?.header;
        let named = header.source.name.unwrap_or_default();
        let todo = "leave --key-file out, or give the header x-syncml-hmac as --mac-header";
        let Some(cred) = header.cred else {
            return Err(Failure::new(what, "its header has no Cred", todo));
        };
        let kind = cred.meta.r#type.as_deref().and_then(CredentialType::of);
        let data = cred.data.text().unwrap_or_default();
        match kind {
            Some(CredentialType::Basic) => Ok(Some(basic_matches(&named, &secret, data))),
            Some(CredentialType::Md5) => {
                let key = UserHash::new(&named, &secret);
                Ok(Some(key.md5_matches(&nonce()?, data)))
            }
            Some(CredentialType::Mac) | None => {
                let why = "its Cred is neither syncml:auth-basic nor syncml:auth-md5";
                Err(Failure::new(what, why, todo))
            }
        }
    }

    /// The command fails where a credential that was to be verified is wrong.
    pub(super) fn judged(&self, right: Option<bool>) -> Result<(), Failure> {
        if right != Some(false) {
            return Ok(());
        }
        Err(Failure::new(
            format!("the credential of {} is wrong", self.name()),
            "it is that of another user, secret or nonce, or an octet was changed on the way",
            "compare the files with AAuthSecret and AAuthData (decoded), octet by octet",
        ))
    }
}

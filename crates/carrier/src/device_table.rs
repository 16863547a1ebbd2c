//! A table of devices (CSV): what differs from one to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use omadm_bootstrap::PayloadHash;
use omadm_bootstrap::profile::{
    CredentialSlot, Dm1Credentials, HttpLogin, IssuedCredential, NotificationSecret, ProfileInputs,
};
use omadm_dm1::bootstrap_mac::{Esn, EsnError, Imsi, ImsiError, NetworkId};
use omadm_dm1::credential::{Nonce, NonceError};
use omadm_mo::{DevId, DevIdError, Secret};
use omadm_tls::{SealingError, SealingKey};
use sha2::{Digest as _, Sha256};

use crate::credential_files::{certificate, hex, pem_text, psk};
use crate::{CredentialFileError, Iccid, IccidError};

/// A device with its values. Holds secrets: no `Debug`.
#[derive(Clone)]
pub struct DeviceRow {
    /// The device.
    pub dev_id: DevId,
    /// `{server}` for this device, where it is another one than for the others.
    pub server: Option<String>,
    /// Credentials that it is to get.
    pub credentials: BTreeMap<CredentialSlot, IssuedCredential>,
    /// HTTP user and password that it is to get.
    pub http: Option<HttpLogin>,
    /// The notification secret that it is to get.
    pub notification: Option<NotificationSecret>,
    /// Secrets and first nonces of the account of DM 1.x that it is to get.
    pub dm1: Option<Dm1Credentials>,
    /// The subscriber or CDMA device whose number signs a pushed document of DM 1.x.
    pub network: Option<NetworkId>,
    /// The PIN that signs one.
    pub pin: Option<Secret>,
    /// The key to which its image is sealed.
    pub seal_to: Option<SealingKey>,
    /// EF(ICCID) of its described card.
    pub iccid: Option<Iccid>,
    /// Serial number of its card.
    pub card_serial: Option<Vec<u8>>,
    /// SHA-256 over the row and the files it names.
    pub digest: PayloadHash,
}

/// All devices of a table, each once.
#[derive(Clone)]
pub struct DeviceTable {
    /// In the table's order.
    pub rows: Vec<DeviceRow>,
}

/// What is wrong with a table, and where. No value of it is repeated but DevIDs.
#[derive(Debug, thiserror::Error)]
pub enum DeviceTableError {
    /// It cannot be read, or is no CSV.
    #[error("{0}")]
    Csv(#[from] csv::Error),
    /// A column that means nothing here.
    #[error("there is no column {found:?}; known are {}", COLUMNS.join(", "))]
    Column {
        /// Its head.
        found: String,
    },
    /// The column with the devices.
    #[error("the column dev_id is missing")]
    NoDevId,
    /// A row.
    #[error("line {line}: {problem}")]
    Row {
        /// The line on which it begins, from 1.
        line: u64,
        /// What is wrong with it.
        problem: RowProblem,
    },
}

/// What is wrong with a row.
#[derive(Debug, thiserror::Error)]
pub enum RowProblem {
    /// Its DevID.
    #[error("dev_id: {0}")]
    DevId(#[from] DevIdError),
    /// The device stands above already.
    #[error("{0} stands above already")]
    Twice(DevId),
    /// One of two columns that belong together is empty.
    #[error("{0} and {1} go together")]
    Half(&'static str, &'static str),
    /// Certificate and pre-shared key for one place.
    #[error("{0} and {1}: a device has one of the two")]
    Both(&'static str, &'static str),
    /// A credential.
    #[error("{column}: {cause}")]
    Credential {
        /// The column.
        column: &'static str,
        /// Why not.
        cause: CredentialFileError,
    },
    /// Some of the columns that belong together are empty.
    #[error("{} go together", .0.join(", "))]
    Some(&'static [&'static str]),
    /// A nonce.
    #[error("{column}: {cause}")]
    Nonce {
        /// The column.
        column: &'static str,
        /// Why not.
        cause: NonceError,
    },
    /// The subscriber's number.
    #[error("imsi: {0}")]
    Imsi(#[from] ImsiError),
    /// The number of a CDMA device.
    #[error("esn: {0}")]
    Esn(#[from] EsnError),
    /// Two numbers, of which one signs.
    #[error("imsi and esn are there, and one of them signs a push; leave one empty")]
    TwoNetworkIds,
    /// The key to seal to.
    #[error("seal_to: {0}")]
    SealTo(#[from] SealingError),
    /// The number of its card.
    #[error("iccid: {0}")]
    Iccid(#[from] IccidError),
}

/// Every column; `dev_id` alone has to be there.
const COLUMNS: [&str; 24] = [
    "dev_id",
    "server",
    "http_user",
    "http_password",
    "noti_data",
    "noti_secret",
    "trsp_cert",
    "trsp_key",
    "trsp_psk_identity",
    "trsp_psk_key",
    "bootstrap_cert",
    "bootstrap_key",
    "bootstrap_psk_identity",
    "bootstrap_psk_key",
    "dm1_client_secret",
    "dm1_client_nonce",
    "dm1_server_secret",
    "dm1_server_nonce",
    "imsi",
    "esn",
    "pin",
    "seal_to",
    "iccid",
    "card_serial",
];
/// Those of an account of DM 1.x: the secrets as they are, the nonces in base64 (`AAUTHDATA`).
const DM1: [&str; 4] = [
    "dm1_client_secret",
    "dm1_client_nonce",
    "dm1_server_secret",
    "dm1_server_nonce",
];

impl DeviceTable {
    /// Reads a table with a head. Files it names count from its own folder.
    ///
    /// # Errors
    /// [`DeviceTableError`] with the line.
    pub fn read(file: &Path) -> Result<Self, DeviceTableError> {
        let folder = file.parent().unwrap_or_else(|| Path::new("."));
        let reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_path(file)?;
        Self::of(reader, folder)
    }

    fn of<R: std::io::Read>(
        mut reader: csv::Reader<R>,
        folder: &Path,
    ) -> Result<Self, DeviceTableError> {
        let head = reader.headers()?.clone();
        if let Some(found) = head.iter().find(|name| !COLUMNS.contains(name)) {
            let found = found.to_owned();
            return Err(DeviceTableError::Column { found });
        }
        let column = |name| head.iter().position(|known| known == name);
        if column("dev_id").is_none() {
            return Err(DeviceTableError::NoDevId);
        }
        let columns: BTreeMap<&str, usize> = COLUMNS
            .into_iter()
            .filter_map(|name| Some((name, column(name)?)))
            .collect();
        let (mut rows, mut known) = (Vec::new(), BTreeSet::new());
        for record in reader.records() {
            let record = record?;
            let line = record.position().map_or(0, csv::Position::line);
            let row = Row {
                columns: &columns,
                record: &record,
                folder,
            };
            let row = row.read().and_then(|row| {
                if known.insert(row.dev_id.clone()) {
                    Ok(row)
                } else {
                    Err(RowProblem::Twice(row.dev_id))
                }
            });
            rows.push(row.map_err(|problem| DeviceTableError::Row { line, problem })?);
        }
        Ok(Self { rows })
    }
}

impl DeviceRow {
    /// A device without values of its own.
    #[must_use]
    pub fn bare(dev_id: DevId) -> Self {
        Self {
            digest: PayloadHash::of(dev_id.as_str().as_bytes()),
            dev_id,
            server: None,
            credentials: BTreeMap::new(),
            http: None,
            notification: None,
            dm1: None,
            network: None,
            pin: None,
            seal_to: None,
            iccid: None,
            card_serial: None,
        }
    }

    /// What a profile is built of for this device, with nothing made and nothing of the row's credentials. `server` is `{server}` where the row has none.
    #[must_use]
    pub fn inputs(&self, server: &str) -> ProfileInputs {
        let server = self.server.as_deref().unwrap_or(server);
        ProfileInputs::new(self.dev_id.clone(), server.to_owned())
    }
}

struct Row<'a> {
    columns: &'a BTreeMap<&'a str, usize>,
    record: &'a csv::StringRecord,
    folder: &'a Path,
}

impl Row<'_> {
    fn read(&self) -> Result<DeviceRow, RowProblem> {
        let mut digest = Sha256::new();
        for name in self.columns.keys() {
            for part in [name, self.get(name).unwrap_or_default()] {
                digest.update((part.len() as u64).to_be_bytes());
                digest.update(part);
            }
        }
        let mut row = DeviceRow::bare(DevId::parse(self.get("dev_id").unwrap_or_default())?);
        row.server = self.get("server").map(str::to_owned);
        row.http = self
            .pair("http_user", "http_password")?
            .map(|(user, password)| HttpLogin {
                user: user.to_owned(),
                password: Secret::from(password.to_owned()),
            });
        if let Some(secret) = self.get("noti_secret") {
            let octets = |column, text| hex(text).map_err(|cause| of(column, cause));
            row.notification = Some(NotificationSecret {
                data: octets("noti_data", self.get("noti_data").unwrap_or_default())?,
                secret: Secret::new(octets("noti_secret", secret)?),
            });
        }
        let trsp = ["trsp_cert", "trsp_key", "trsp_psk_identity", "trsp_psk_key"];
        let bootstrap = [
            "bootstrap_cert",
            "bootstrap_key",
            "bootstrap_psk_identity",
            "bootstrap_psk_key",
        ];
        for (slot, columns) in [
            (CredentialSlot::Trsp, trsp),
            (CredentialSlot::Bootstrap, bootstrap),
        ] {
            if let Some(issued) = self.credential(columns, &mut digest)? {
                row.credentials.insert(slot, issued);
            }
        }
        row.dm1 = self.dm1()?;
        row.network = match (self.get("imsi"), self.get("esn")) {
            (Some(_), Some(_)) => return Err(RowProblem::TwoNetworkIds),
            (Some(imsi), None) => Some(Imsi::parse(imsi)?.into()),
            (None, Some(esn)) => Some(Esn::parse(esn)?.into()),
            (None, None) => None,
        };
        row.pin = self.get("pin").map(|pin| Secret::from(pin.to_owned()));
        if let Some(named) = self.get("seal_to") {
            let text = pem_text(named, self.folder).map_err(|cause| of("seal_to", cause))?;
            let key = SealingKey::from_pem(&text)?;
            digest.update(key.fingerprint());
            row.seal_to = Some(key);
        }
        row.iccid = self.get("iccid").map(str::parse).transpose()?;
        if let Some(text) = self.get("card_serial") {
            let serial = hex(text).map_err(|cause| of("card_serial", cause))?;
            row.card_serial = Some(serial);
        }
        row.digest = PayloadHash::from_octets(digest.finalize().into());
        Ok(row)
    }

    fn dm1(&self) -> Result<Option<Dm1Credentials>, RowProblem> {
        let [client_secret, client_nonce, server_secret, server_nonce] =
            match DM1.map(|name| self.get(name)) {
                [None, None, None, None] => return Ok(None),
                [Some(a), Some(b), Some(c), Some(d)] => [a, b, c, d],
                _ => return Err(RowProblem::Some(&DM1)),
            };
        let nonce = |column, text| {
            Nonce::of_base64(text).map_err(|cause| RowProblem::Nonce { column, cause })
        };
        Ok(Some(Dm1Credentials {
            client_secret: Secret::from(client_secret.to_owned()),
            client_nonce: nonce(DM1[1], client_nonce)?,
            server_secret: Secret::from(server_secret.to_owned()),
            server_nonce: nonce(DM1[3], server_nonce)?,
        }))
    }

    fn credential(
        &self,
        [cert, key, identity, psk_key]: [&'static str; 4],
        digest: &mut Sha256,
    ) -> Result<Option<IssuedCredential>, RowProblem> {
        match (self.pair(cert, key)?, self.pair(identity, psk_key)?) {
            (Some(_), Some(_)) => Err(RowProblem::Both(cert, identity)),
            (Some((text, key_text)), None) => {
                let text = pem_text(text, self.folder).map_err(|cause| of(cert, cause))?;
                let key_text = pem_text(key_text, self.folder).map_err(|cause| of(key, cause))?;
                digest.update(text.as_bytes());
                digest.update(key_text.as_bytes());
                let issued = certificate(&text, &key_text).map_err(|cause| of(cert, cause))?;
                Ok(Some(issued))
            }
            (None, Some((name, secret))) => psk(name, secret)
                .map(Some)
                .map_err(|cause| of(psk_key, cause)),
            (None, None) => Ok(None),
        }
    }

    fn pair(
        &self,
        one: &'static str,
        other: &'static str,
    ) -> Result<Option<(&str, &str)>, RowProblem> {
        match (self.get(one), self.get(other)) {
            (Some(first), Some(second)) => Ok(Some((first, second))),
            (None, None) => Ok(None),
            _ => Err(RowProblem::Half(one, other)),
        }
    }

    /// A value that is not empty.
    fn get(&self, name: &str) -> Option<&str> {
        let at = *self.columns.get(name)?;
        self.record.get(at).filter(|value| !value.is_empty())
    }
}

const fn of(column: &'static str, cause: CredentialFileError) -> RowProblem {
    RowProblem::Credential { column, cause }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use omadm_bootstrap::profile::CredentialSlot;

    use super::{DeviceTable, DeviceTableError};

    fn read(text: &str) -> Result<DeviceTable, DeviceTableError> {
        let reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        DeviceTable::of(reader, Path::new("/nonexistent"))
    }

    #[test]
    fn columns_may_be_left_out_and_stand_in_any_order() {
        let table = read("http_password,dev_id,http_user,trsp_psk_identity,trsp_psk_key,noti_secret\nsecret,IMEI:1,u, p ,00ff,aa\n,IMEI:2,,,,\n").unwrap();
        let [first, second] = &table.rows[..] else {
            unreachable!()
        };
        assert_eq!(first.http.as_ref().unwrap().user, "u");
        let psk = &first.credentials[&CredentialSlot::Trsp];
        assert_eq!(
            (&psk.public[..], psk.secret.expose()),
            (&b"p"[..], &[0, 255][..])
        );
        assert_eq!(first.notification.as_ref().unwrap().secret.expose(), [0xAA]);
        assert!(second.http.is_none() && second.credentials.is_empty());
        assert_ne!(first.digest, second.digest);
        let again = read("dev_id,http_user,http_password,trsp_psk_identity,trsp_psk_key,noti_secret\nIMEI:1,u,secret,p,00ff,aa\n").unwrap();
        assert_eq!(again.rows[0].digest, first.digest);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_without_its_value() {
        for (text, told) in [
            (
                "dev_id,color\nIMEI:1,hunter2\n",
                "there is no column \"color\"",
            ),
            ("server\na\n", "the column dev_id is missing"),
            (
                "dev_id\nIMEI:1\nIMEI:1\n",
                "line 3: IMEI:1 stands above already",
            ),
            (
                "dev_id,http_user,http_password\nIMEI:1,u,\n",
                "line 2: http_user and http_password go together",
            ),
            (
                "dev_id,trsp_psk_identity,trsp_psk_key\nIMEI:1,p,hunter2\n",
                "line 2: trsp_psk_key: not an even number",
            ),
            (
                "dev_id,trsp_cert,trsp_key\nIMEI:1,a.pem,b.pem\n",
                "line 2: trsp_cert: /nonexistent/a.pem:",
            ),
            ("dev_id,iccid\nIMEI:1,12\n", "line 2: iccid: an ICCID has"),
            (
                "dev_id,card_serial\nIMEI:1,hunter2\n",
                "line 2: card_serial: not an even number",
            ),
            (
                "dev_id,dm1_client_secret,dm1_server_secret\nIMEI:1,hunter2,x\n",
                "line 2: dm1_client_secret, dm1_client_nonce, dm1_server_secret, dm1_server_nonce go together",
            ),
            (
                "dev_id,dm1_client_secret,dm1_client_nonce,dm1_server_secret,dm1_server_nonce\nIMEI:1,a,hunter2!,b,AAAA\n",
                "line 2: dm1_client_nonce: ",
            ),
            ("dev_id,imsi\nIMEI:1,hunter2\n", "line 2: imsi: an IMSI is"),
            ("dev_id,esn\nIMEI:1,hunter2\n", "line 2: esn: an ESN is"),
            (
                "dev_id,imsi,esn\nIMEI:1,310150123456789,80A1B2C3\n",
                "line 2: imsi and esn are there",
            ),
            ("dev_id\nIMEI 1\n", "line 2: dev_id:"),
            ("dev_id,server\nIMEI:1\n", "found record with 1 fields"),
        ] {
            let error = read(text).err().unwrap().to_string();
            assert!(error.contains(told), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}

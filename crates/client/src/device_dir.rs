use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use omadm_mo::standard::DevInfo;
use omadm_mo::{DevId, DevIdError};
use omadm_tls::pem::{self, PemKind};
use omadm_tls::{
    CertificateValidity, DeviceKey, DeviceKeyError, Fingerprint, Identity, IdentityError,
};
use serde::{Deserialize, Serialize};

/// A device's folder: its key and certificate, its DevInfo, its policy and its tree. Only the key is made here; it never leaves.
#[derive(Clone, Debug)]
pub struct DeviceDir(PathBuf);

/// Why a device's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceDirError {
    /// There is one already; it is never overwritten.
    #[error("{0} holds a device already; choose another folder, or remove this one first")]
    Exists(PathBuf),
    /// There is none.
    #[error("{0} holds no device; `omadm client init` makes one")]
    Missing(PathBuf),
    /// A file could not be read or written.
    #[error("{0}: {1}")]
    File(PathBuf, #[source] io::Error),
    /// The DevInfo file is not what it should be.
    #[error("{0}: {1}")]
    DevInfo(PathBuf, #[source] toml::de::Error),
    /// The DevInfo could not be written down.
    #[error("{0}: {1}")]
    WriteDevInfo(PathBuf, #[source] toml::ser::Error),
    /// The DevID in it is none.
    #[error("{0}: {1}")]
    DevId(PathBuf, #[source] DevIdError),
    /// The key.
    #[error("{0}: {1}")]
    Key(PathBuf, #[source] DeviceKeyError),
    /// The request for a certificate could not be made.
    #[error("the certificate request: {0}")]
    Request(#[source] DeviceKeyError),
    /// The certificate does not belong to the key.
    #[error("{0}: {1}")]
    Certificate(PathBuf, #[source] IdentityError),
}

/// DevInfo as the file has it: the nodes of the MO, spelled as they are there.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct DevInfoFile {
    #[serde(rename = "DevID")]
    dev_id: String,
    man: String,
    #[serde(rename = "Mod")]
    model: String,
    #[serde(rename = "DmV")]
    dm_v: String,
    lang: String,
    dev_type: String,
    #[serde(rename = "OEM")]
    oem: String,
    fw_v: String,
    sw_v: String,
    hw_v: String,
}

impl DeviceDir {
    /// Makes a device: a fresh key, a request for its certificate, its DevInfo.
    ///
    /// # Errors
    /// [`DeviceDirError`]; a folder that holds a device already is left as it is.
    pub fn init(path: &Path, dev_info: &DevInfo) -> Result<Self, DeviceDirError> {
        let dir = Self(path.to_owned());
        if dir.key_file().exists() || dir.dev_info_file().exists() {
            return Err(DeviceDirError::Exists(path.to_owned()));
        }
        fs::create_dir_all(path).map_err(|error| DeviceDirError::File(path.to_owned(), error))?;
        let key_error = |error| DeviceDirError::Key(dir.key_file(), error);
        let key = DeviceKey::generate().map_err(key_error)?;
        let request = key
            .certificate_request(&dev_info.dev_id)
            .map_err(DeviceDirError::Request)?;
        write_private(&dir.key_file(), key.to_pem().expose())?;
        write(&dir.request_file(), request.to_pem().as_bytes())?;
        let text = toml::to_string_pretty(&DevInfoFile::of(dev_info))
            .map_err(|error| DeviceDirError::WriteDevInfo(dir.dev_info_file(), error))?;
        write(&dir.dev_info_file(), text.as_bytes())?;
        Ok(dir)
    }

    /// Signs the device's certificate with its own key, for a server where it waits until an operator approves it by its fingerprint. Takes the place of none.
    ///
    /// # Errors
    /// [`DeviceDirError`] where a certificate lies there, or cannot be made or written.
    pub fn self_sign(
        &self,
        dev_id: &DevId,
        validity: CertificateValidity,
    ) -> Result<Fingerprint, DeviceDirError> {
        let file = self.certificate_file();
        if file.exists() {
            return Err(DeviceDirError::Exists(file));
        }
        let key = self.device_key()?;
        let made = key.self_signed(dev_id, validity);
        let made = made.map_err(|error| DeviceDirError::Key(self.key_file(), error))?;
        write(&file, pem::encode(PemKind::Certificate, &made).as_bytes())?;
        Ok(Fingerprint::of(&made))
    }

    /// Opens a device's folder.
    ///
    /// # Errors
    /// [`DeviceDirError::Missing`] where there is no device.
    pub fn open(path: &Path) -> Result<Self, DeviceDirError> {
        let dir = Self(path.to_owned());
        if dir.dev_info_file().exists() {
            Ok(dir)
        } else {
            Err(DeviceDirError::Missing(path.to_owned()))
        }
    }

    /// The device's DevInfo.
    ///
    /// # Errors
    /// [`DeviceDirError`] naming the file.
    pub fn dev_info(&self) -> Result<DevInfo, DeviceDirError> {
        let file = self.dev_info_file();
        let text =
            fs::read_to_string(&file).map_err(|error| DeviceDirError::File(file.clone(), error))?;
        let values: DevInfoFile =
            toml::from_str(&text).map_err(|error| DeviceDirError::DevInfo(file.clone(), error))?;
        values
            .read()
            .map_err(|error| DeviceDirError::DevId(file, error))
    }

    /// The device's certificate with its key; none until a certificate lies in the folder.
    ///
    /// # Errors
    /// [`DeviceDirError`] naming the file that cannot be used.
    pub fn identity(&self) -> Result<Option<Identity>, DeviceDirError> {
        let file = self.certificate_file();
        let chain = match fs::read_to_string(&file) {
            Ok(chain) => chain,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(DeviceDirError::File(file, error)),
        };
        let key_file = self.key_file();
        let key =
            fs::read_to_string(&key_file).map_err(|error| DeviceDirError::File(key_file, error))?;
        let key = zeroize::Zeroizing::new(key);
        Identity::from_pem(&chain, &key)
            .map(Some)
            .map_err(|error| DeviceDirError::Certificate(file, error))
    }

    /// The device's private key.
    ///
    /// # Errors
    /// [`DeviceDirError`] naming the file.
    pub fn device_key(&self) -> Result<DeviceKey, DeviceDirError> {
        let file = self.key_file();
        let text =
            fs::read_to_string(&file).map_err(|error| DeviceDirError::File(file.clone(), error))?;
        let text = zeroize::Zeroizing::new(text);
        DeviceKey::from_pem(&text).map_err(|error| DeviceDirError::Key(file, error))
    }

    /// The private key, PEM; the device's alone.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.0.join("device-key.pem")
    }

    /// The request for a certificate, PEM: what the operator registers.
    #[must_use]
    pub fn request_file(&self) -> PathBuf {
        self.0.join("device-csr.pem")
    }

    /// The certificate, PEM: what the operator gives back.
    #[must_use]
    pub fn certificate_file(&self) -> PathBuf {
        self.0.join("device-cert.pem")
    }

    /// DevInfo, TOML.
    #[must_use]
    pub fn dev_info_file(&self) -> PathBuf {
        self.0.join("devinfo.toml")
    }

    /// The policy, TOML.
    #[must_use]
    pub fn policy_file(&self) -> PathBuf {
        self.0.join("policy.toml")
    }

    /// The tree store.
    #[must_use]
    pub fn store_file(&self) -> PathBuf {
        self.0.join("tree.redb")
    }
}

impl DevInfoFile {
    fn of(info: &DevInfo) -> Self {
        Self {
            dev_id: info.dev_id.to_string(),
            man: info.man.clone(),
            model: info.mod_.clone(),
            dm_v: info.dm_v.clone(),
            lang: info.lang.clone(),
            dev_type: info.dev_type.clone(),
            oem: info.oem.clone(),
            fw_v: info.fw_v.clone(),
            sw_v: info.sw_v.clone(),
            hw_v: info.hw_v.clone(),
        }
    }

    fn read(self) -> Result<DevInfo, DevIdError> {
        Ok(DevInfo {
            dev_id: DevId::parse(&self.dev_id)?,
            man: self.man,
            mod_: self.model,
            dm_v: self.dm_v,
            lang: self.lang,
            dev_type: self.dev_type,
            oem: self.oem,
            fw_v: self.fw_v,
            sw_v: self.sw_v,
            hw_v: self.hw_v,
        })
    }
}

fn write(file: &Path, octets: &[u8]) -> Result<(), DeviceDirError> {
    fs::write(file, octets).map_err(|error| DeviceDirError::File(file.to_owned(), error))
}

/// Writes a file that only its owner may read, from its first octet on.
fn write_private(file: &Path, octets: &[u8]) -> Result<(), DeviceDirError> {
    use std::io::Write as _;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options
        .open(file)
        .and_then(|mut open| open.write_all(octets).and_then(|()| open.sync_all()));
    written.map_err(|error| DeviceDirError::File(file.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use omadm_mo::DevId;
    use omadm_mo::standard::DevInfo;
    use omadm_session::pair::acme;
    use omadm_tls::{CertificateValidity, Fingerprint, UnixTime};

    use super::{DeviceDir, DeviceDirError};

    fn dev_info() -> DevInfo {
        acme(DevId::parse("IMEI:493005100592800").unwrap())
    }

    #[test]
    fn a_device_is_made_once_and_its_key_is_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DeviceDir::init(folder.path(), &dev_info()).unwrap();
        assert_eq!(dir.dev_info().unwrap(), dev_info());
        assert!(dir.identity().unwrap().is_none(), "no certificate yet");
        assert!(matches!(
            DeviceDir::init(folder.path(), &dev_info()),
            Err(DeviceDirError::Exists(_))
        ));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(
                std::fs::metadata(dir.key_file())
                    .unwrap()
                    .permissions()
                    .mode()
                    & 0o777,
                0o600
            );
        }
    }

    #[test]
    fn a_certificate_of_its_own_is_made_where_there_is_none_and_fits_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DeviceDir::init(folder.path(), &dev_info()).unwrap();
        let day = std::time::Duration::from_secs(86_400);
        let validity = CertificateValidity::starting(UnixTime::now(), day);
        let print = dir.self_sign(&dev_info().dev_id, validity).unwrap();
        let identity = dir.identity().unwrap().unwrap();
        assert_eq!(Fingerprint::of(&identity.chain()[0]), print);
        assert!(matches!(
            dir.self_sign(&dev_info().dev_id, validity),
            Err(DeviceDirError::Exists(_))
        ));
    }

    #[test]
    fn an_unknown_devinfo_node_names_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DeviceDir::init(folder.path(), &dev_info()).unwrap();
        let text = std::fs::read_to_string(dir.dev_info_file()).unwrap();
        std::fs::write(dir.dev_info_file(), format!("{text}Colour = \"red\"\n")).unwrap();
        let error = dir.dev_info().unwrap_err().to_string();
        assert!(
            error.contains("Colour") && error.contains("line 11"),
            "{error}"
        );
    }

    #[test]
    fn a_folder_without_device_says_how_to_make_one() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            DeviceDir::open(folder.path())
                .unwrap_err()
                .to_string()
                .contains("omadm client init")
        );
    }
}

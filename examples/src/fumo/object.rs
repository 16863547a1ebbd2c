use std::sync::{Mutex, PoisonError};

use omadm_mo::ddf::{Ddf, DdfError};
use omadm_mo::{ExecOutcome, ExecResult, ManagedObject, ManagedObjectError, Node, NodePath, Value};

use super::firmware::Fumo;
use super::record::{Record, put_durably};
use super::state::{Operation, StateEvent};

/// The MOID (`dm20.md` §12.5).
pub const MOID: &str = "urn:oma:mo:oma-fumo:1.0";

const PKG_NAME: [&str; 1] = ["PkgName"];
const PKG_VERSION: [&str; 1] = ["PkgVersion"];
const DOWNLOAD_URL: [&str; 2] = ["Download", "PkgURL"];
const PKG_DATA: [&str; 2] = ["Update", "PkgData"];
const DOWNLOAD_AND_UPDATE_URL: [&str; 2] = ["DownloadAndUpdate", "PkgURL"];
const STATE: [&str; 1] = ["State"];
const DIGEST: [&str; 2] = ["Ext", "Digest"];

/// The plug-in: shows the record as the MO, and notes what servers write and execute. Made by [`Fumo::object`].
pub struct FumoObject {
    ddf: Ddf,
    fumo: Fumo,
    /// What was announced by `plan_write` and counts once it is committed.
    planned: Mutex<Vec<(NodePath, Node)>>,
}

impl FumoObject {
    pub(super) fn new(fumo: Fumo) -> Result<Self, DdfError> {
        Ok(Self {
            ddf: Ddf::read(include_str!("../../fumo-1.0.ddf"))?,
            fumo,
            planned: Mutex::default(),
        })
    }

    /// Takes what was written; false where the record could not be kept.
    fn write(&self, at: &NodePath, node: Node) -> bool {
        let mut leaves = Node::empty();
        leaves.put(at, node);
        let text = |names: &[&str]| {
            let value = leaves.find(names).and_then(Node::value);
            value.and_then(Value::as_text).map(str::to_owned)
        };
        if let Some(Value::Bin(data)) = leaves.find(&PKG_DATA).and_then(Node::value) {
            // The package is there before the record says so.
            if let Err(error) = put_durably(&self.fumo.package(), data) {
                tracing::error!(%error, "the package cannot be kept");
                return false;
            }
            if let Err(error) = self
                .fumo
                .change(|record| record.take(StateEvent::DataWritten))
            {
                tracing::error!(%error, "the package is not noted");
                return false;
            }
        }
        let noted = self.fumo.change(|record| {
            let Record {
                pkg_name,
                pkg_version,
                download_url,
                download_and_update_url,
                digest,
                ..
            } = record;
            for (names, leaf) in [
                (&PKG_NAME[..], pkg_name),
                (&PKG_VERSION, pkg_version),
                (&DOWNLOAD_URL, download_url),
                (&DOWNLOAD_AND_UPDATE_URL, download_and_update_url),
                (&DIGEST, digest),
            ] {
                if let Some(text) = text(names) {
                    *leaf = text;
                }
            }
        });
        if let Err(error) = &noted {
            tracing::error!(%error, "what a server wrote cannot be kept");
        }
        noted.is_ok()
    }
}

impl ManagedObject for FumoObject {
    fn ddf(&self) -> &Ddf {
        &self.ddf
    }

    fn read(&self, at: &NodePath) -> Result<Option<Node>, ManagedObjectError> {
        let record = self.fumo.record();
        let mut root = Node::empty();
        let state = Value::Int(record.state.number());
        for (names, value) in [
            (&PKG_NAME[..], Value::chr(record.pkg_name)),
            (&PKG_VERSION, Value::chr(record.pkg_version)),
            (&DOWNLOAD_URL, Value::chr(record.download_url)),
            // No server reads it: it has no Get.
            (&PKG_DATA, Value::bin(Vec::new())),
            (
                &DOWNLOAD_AND_UPDATE_URL,
                Value::chr(record.download_and_update_url),
            ),
            (&STATE, state),
            (&DIGEST, Value::chr(record.digest)),
        ] {
            let path = NodePath::of(&names.join("/")).map_err(|_| ManagedObjectError::Device)?;
            root.put(&path, value.into());
        }
        Ok(root.at(at).cloned())
    }

    fn plan_write(&self, at: &NodePath, node: &Node) -> Result<(), ManagedObjectError> {
        if self.fumo.record().operation.is_some() {
            return Err(ManagedObjectError::Busy);
        }
        let mut leaves = Node::empty();
        leaves.put(at, node.clone());
        let digest = leaves.find(&DIGEST).and_then(Node::value);
        if !digest.and_then(Value::as_text).is_none_or(is_digest) {
            return Err(ManagedObjectError::BadValue);
        }
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        planned.retain(|(other, _)| other != at);
        planned.push((at.clone(), node.clone()));
        Ok(())
    }

    fn exec(&mut self, at: &NodePath) -> Result<ExecOutcome, ManagedObjectError> {
        let operation = operation(at)?;
        let event = StateEvent::Exec(operation);
        let busy = self.fumo.record().operation.is_some();
        let begun = self.fumo.change(|record| record.take(event));
        match begun {
            Ok(true) => Ok(ExecOutcome::Later),
            Ok(false) if busy => Err(ManagedObjectError::Busy),
            Ok(false) => Err(ManagedObjectError::NotAllowed),
            Err(error) => {
                tracing::error!(%error, "the operation does not begin");
                Err(ManagedObjectError::Device)
            }
        }
    }

    fn changed(&mut self, at: &NodePath) {
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        let place = planned.iter().position(|(other, _)| other == at);
        let written = place.map(|place| planned.remove(place));
        drop(planned);
        if let Some((at, node)) = written {
            self.write(&at, node);
        }
    }

    fn finished(&mut self, at: &NodePath) -> Result<Option<ExecResult>, ManagedObjectError> {
        let operation = operation(at)?;
        let record = self.fumo.record();
        match record.results.get(operation.node()) {
            Some(code) => Ok(Some(ExecResult {
                alert_type: Some(operation.alert_type().to_owned()),
                ..ExecResult::new(code.0)
            })),
            None if record.operation == Some(operation) => Ok(None),
            // It was told to begin, and died before it could note that.
            None => Err(ManagedObjectError::Device),
        }
    }
}

fn operation(at: &NodePath) -> Result<Operation, ManagedObjectError> {
    let mut all = Operation::ALL.into_iter();
    all.find(|operation| at.is(&[operation.node()]))
        .ok_or(ManagedObjectError::NotAllowed)
}

fn is_digest(text: &str) -> bool {
    text.is_empty() || (text.len() == 64 && text.bytes().all(|octet| octet.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use omadm_mo::ddf::AccessTypes;
    use omadm_mo::{ExecOutcome, ManagedObject, ManagedObjectError, Node, NodePath, Value};

    use super::super::{Fumo, FumoObject, FumoState, ResultCode, StateEvent};

    fn path(text: &str) -> NodePath {
        NodePath::of(text).unwrap()
    }

    fn write(object: &mut FumoObject, at: &str, value: Value) -> Result<(), ManagedObjectError> {
        object.plan_write(&path(at), &value.into())?;
        object.changed(&path(at));
        Ok(())
    }

    #[test]
    fn what_the_object_shows_fits_its_ddf_and_only_three_nodes_are_executable() {
        let folder = tempfile::tempdir().unwrap();
        let object = Fumo::open(folder.path()).unwrap().object().unwrap();
        let root = object.read(&NodePath::root()).unwrap().unwrap();
        object.ddf().validate_at(&NodePath::root(), &root).unwrap();
        for node in ["Download", "Update", "DownloadAndUpdate"] {
            let described = object.ddf().node(&path(node)).unwrap();
            assert!(described.access().has(AccessTypes::EXEC), "{node}");
        }
        for node in ["", "State", "Ext", "Download/PkgURL"] {
            let described = object.ddf().node(&path(node)).unwrap();
            assert!(!described.access().has(AccessTypes::EXEC), "{node}");
        }
    }

    #[test]
    fn a_write_counts_once_it_is_committed_and_survives() {
        let folder = tempfile::tempdir().unwrap();
        let fumo = Fumo::open(folder.path()).unwrap();
        let mut object = fumo.object().unwrap();
        let (at, url) = (path("Download/PkgURL"), "https://a.example/fw");
        object.plan_write(&at, &Value::chr(url).into()).unwrap();
        assert_eq!(fumo.record().download_url, "", "only announced");
        object.changed(&at);
        let again = Fumo::open(folder.path()).unwrap();
        assert_eq!(again.record().download_url, url);
        let wrong = write(&mut object, "Ext/Digest", Value::chr("beef"));
        assert_eq!(wrong, Err(ManagedObjectError::BadValue));
        let mut ext = Node::empty();
        ext.put(&path("Digest"), Value::chr("0".repeat(64)).into());
        object.plan_write(&path("Ext"), &ext).unwrap();
        object.changed(&path("Ext"));
        assert_eq!(fumo.record().digest, "0".repeat(64));
    }

    #[test]
    fn an_exec_is_noted_before_it_is_accepted_and_refused_while_another_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let fumo = Fumo::open(folder.path()).unwrap();
        let mut object = fumo.object().unwrap();
        let update = object.exec(&path("Update"));
        assert_eq!(update, Err(ManagedObjectError::NotAllowed), "no package");
        let download = path("Download");
        assert_eq!(object.exec(&download), Ok(ExecOutcome::Later));
        let noted = Fumo::open(folder.path()).unwrap().record();
        assert_eq!(noted.state, FumoState::Downloading);
        assert_eq!(object.exec(&download), Err(ManagedObjectError::Busy));
        assert_eq!(
            write(&mut object, "PkgName", Value::chr("x")),
            Err(ManagedObjectError::Busy)
        );
        assert_eq!(object.finished(&download), Ok(None));
        assert_eq!(
            object.finished(&path("Update")),
            Err(ManagedObjectError::Device),
            "never begun"
        );
        fumo.change(|record| {
            record.take(StateEvent::Arrived);
            record.end(ResultCode::SUCCESS);
        })
        .unwrap();
        let result = object.finished(&download).unwrap().unwrap();
        assert_eq!(result.code, 200);
        let alert = result.alert_type.unwrap();
        assert_eq!(alert, "org.openmobilealliance.dm.firmwareupdate.download");
    }

    #[test]
    fn a_package_that_is_written_whole_can_be_installed() {
        let folder = tempfile::tempdir().unwrap();
        let fumo = Fumo::open(folder.path()).unwrap();
        let mut object = fumo.object().unwrap();
        write(&mut object, "Update/PkgData", Value::bin(*b"firmware")).unwrap();
        assert_eq!(fumo.record().state, FumoState::Downloaded);
        assert_eq!(std::fs::read(fumo.package()).unwrap(), b"firmware");
        assert_eq!(object.exec(&path("Update")), Ok(ExecOutcome::Later));
    }
}

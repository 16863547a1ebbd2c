//! JSON, MO serialization, Packages #0 to #3.

use omadm_dm2::package0::{Authenticated, Clock, ReceivedPackage0, ReplayWindow};
use omadm_dm2::{Alert, Command, Document, Package1, Package2, Package3};
use omadm_mo::NodePath;
use omadm_mo::json::Json;
use omadm_mo::serialization::{MoItem, readable, write_item};
use omadm_mo::standard::MoRegistry;

use crate::{LIMITS, parts, reread};

/// A JSON value that was read is written so that it is read again as the same; a document shows nothing of a masked secret twice.
pub fn json(octets: &[u8]) {
    let Ok(json) = Json::read(octets, LIMITS) else {
        return;
    };
    assert_eq!(reread(&json), json);
    let pretty = Json::read(json.to_pretty().as_bytes(), Default::default());
    assert_eq!(pretty.as_ref(), Ok(&json));
    if let Ok(document) = Document::read(octets, LIMITS) {
        let masked = document.masked(&MoRegistry::standard());
        assert!(Json::read(masked.as_bytes(), Default::default()).is_ok());
    }
}

/// Items of the standard MOs: what is bound to the DDF and written is bound again to the same node.
pub fn mo_serialization(octets: &[u8]) {
    let registry = MoRegistry::standard();
    let Ok(json) = Json::read(octets, LIMITS) else {
        return;
    };
    for item in MoItem::read_all(&json).unwrap_or_default() {
        let Some(uri) = &item.client_uri else {
            continue;
        };
        let Some(ddf) = registry.get(&uri.moid) else {
            continue;
        };
        let path = uri.plain_path().unwrap_or_else(NodePath::root);
        let root_name = registry.root_name(&uri.moid).unwrap_or("MO");
        let name = path.names().last().map_or(root_name, |name| name.as_str());
        let Ok(bound) = item.bind(ddf, &path, name) else {
            continue;
        };
        let described = ddf.node(&path);
        let written = write_item(uri, name, &bound.node, described, None, item.cv.as_ref());
        let again = MoItem::read_all(&reread(&Json::Array(vec![written])));
        let again = again.expect("what was written is a serialization");
        let rebound = again[0]
            .bind(ddf, &path, name)
            .expect("what was bound fits");
        assert_eq!(rebound.node, bound.node);
        assert!(rebound.skipped.is_empty(), "what was skipped is gone");
        let _shown = readable(&bound.node, described);
        let _judged = ddf.validate_at(&path, &bound.node);
    }
}

/// Packages #1 to #3 and alert documents: what is written is read, and written again the same. An alert's data that is no object is written as one (D13).
pub fn packages(octets: &[u8]) {
    let Some((which, body)) = octets.split_first() else {
        return;
    };
    let Ok(json) = Json::read(body, LIMITS) else {
        return;
    };
    match which % 4 {
        0 => {
            if let Ok(package) = Package1::read(&json) {
                let _causes = package.session_causes();
                let written = package.write();
                let again = Package1::read(&reread(&written));
                assert_eq!(again.map(|again| again.write()), Ok(written));
            }
        }
        1 => {
            if let Ok(package) = Package2::read(&json) {
                let read: Vec<Command> = package.commands.into_iter().flatten().collect();
                // No command at all is read as END (D11).
                if read.is_empty() {
                    return;
                }
                let again = Package2::read(&reread(&Package2::write(&read)));
                let again = again.expect("what was written is a Package#2").commands;
                assert_eq!(again, read.into_iter().map(Ok).collect::<Vec<_>>());
            }
        }
        2 => {
            if let Ok(package) = Package3::read(&json) {
                for status in &package.statuses {
                    let _items = status.items();
                    let _uris = status.uris().count();
                }
                let again = Package3::read(&reread(&package.write()));
                let again = again.expect("what was written is a Package#3");
                assert_eq!(again.write(), package.write());
            }
        }
        _ => {
            if let Ok(alerts) = Alert::read_all(&json) {
                for alert in &alerts {
                    let _named = (alert.source_uri(), alert.notification_id());
                }
                let written = Alert::write_document(&alerts);
                let again = Alert::read_all(&reread(&written));
                let again = again.expect("what was written is a document of alerts");
                assert_eq!(Alert::write_document(&again), written);
            }
        }
    }
}

/// A Notification that was decoded is encoded so that it decodes to the same; no two of one NOTIFICATION-ID pass the window.
pub fn package0(octets: &[u8]) {
    let mut window = ReplayWindow::default();
    for part in parts(octets) {
        let Ok(received) = ReceivedPackage0::decode(part) else {
            continue;
        };
        let package = received.package().clone();
        let encoded = package.encode();
        let again = ReceivedPackage0::decode(&encoded).expect("what was encoded decodes");
        assert_eq!(*again.package(), package);
        assert!(!received.explain().is_empty());
        let clock = package.timestamp.map_or(Clock::Unset, Clock::Set);
        if window
            .accept(&package, Authenticated::ByDigest, clock)
            .is_ok()
            && package.notification_id.is_some()
        {
            assert!(
                window
                    .accept(&package, Authenticated::ByDigest, clock)
                    .is_err(),
                "a replay passed"
            );
        }
    }
}

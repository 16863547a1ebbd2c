//! DevInfo is read in the session that reports a bootstrap: the server has never seen the device.

use omadm_dm2::{ClientUris, Command, Package1, Package3};
use omadm_mo::json::Json;
use omadm_mo::serialization::MoItem;
use omadm_mo::standard::dev_info;
use omadm_mo::{ClientUri, NodeName};

use super::SentCommand;

/// `GET urn:oma:mo:oma-dm-devinfo:1.2//`
pub(super) fn get() -> Command {
    Command::Get {
        clients: ClientUris::one(ClientUri::only_instance(dev_info::moid())),
    }
}

/// Whether the device can be asked: it says that it has DevInfo for this server, or says nothing of what it has.
pub(super) fn is_offered(package: &Package1) -> bool {
    package.mos.as_ref().is_none_or(|mos| {
        mos.iter()
            .any(|mo| mo.moid.as_ref() == Some(&dev_info::moid()))
    })
}

/// DevInfo's leaves as text, by their paths, where the GET for it was among the commands and brought any. A malformed result costs the device nothing
/// but this: its statuses are in order.
pub(super) fn read(package: &Package3, sent: &[SentCommand]) -> Option<Json> {
    let asked = get().write();
    let index = sent.iter().position(|command| command.words == asked)?;
    // Only the place counts for the match; END, which brings nothing, stands where the other commands are.
    let mut commands = vec![Command::End; sent.len()];
    *commands.get_mut(index)? = get();
    let items = package.results_for(index, &commands).ok()?;
    let leaves = items.iter().filter(|item| is_dev_info(item)).map(leaves);
    leaves
        .filter(|leaves| !leaves.is_empty())
        .map(Json::Object)
        .next()
}

/// An item in the result of the GET needs no ClientURI of its own; one of another MO is none.
fn is_dev_info(item: &MoItem) -> bool {
    item.client_uri
        .as_ref()
        .is_none_or(|at| at.moid == dev_info::moid() && at.path.is_empty())
}

fn leaves(item: &MoItem) -> Vec<(String, Json)> {
    let mut leaves = Vec::new();
    collect(unwrap(&item.data), "", &mut leaves);
    leaves
}

/// D33 (c), without its refusal: what is no wrapper is taken for the children, those that a vendor added outside `Ext` included.
fn unwrap(data: &Json) -> &Json {
    let is_child = |name: &str| {
        NodeName::parse(name).is_ok_and(|name| dev_info::ddf().root().child(&name).is_some())
    };
    match data.as_object() {
        Some([(name, root)]) if root.as_object().is_some() && !is_child(name) => root,
        _ => data,
    }
}

fn collect(node: &Json, at: &str, leaves: &mut Vec<(String, Json)>) {
    for (name, value) in node.as_object().unwrap_or_default() {
        let path = if at.is_empty() {
            name.clone()
        } else {
            format!("{at}/{name}")
        };
        match value {
            Json::Object(_) => collect(value, &path, leaves),
            Json::Array(_) => {} // No node has one (D32).
            Json::Null => leaves.push((path, Json::text(""))),
            Json::Text(text) => leaves.push((path, Json::text(text))),
            Json::Bool(_) | Json::Int(_) | Json::Float(_) => {
                leaves.push((path, Json::text(value.to_compact())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use omadm_dm2::{Command, Package1, Package3};
    use omadm_mo::json::{Json, JsonLimits};

    use super::super::SentCommand;

    fn json(text: &str) -> Json {
        Json::read(text.as_bytes(), JsonLimits::default()).unwrap()
    }

    /// What the second of two commands brought, in compact form.
    fn read(package: &str) -> Option<String> {
        let show = Command::read(&["SHOW", "https://ui.example.com/"]).unwrap();
        let sent = [SentCommand::own(&show), SentCommand::own(&super::get())];
        let package = Package3::read(&json(package)).unwrap();
        super::read(&package, &sent).map(|leaves| leaves.to_compact())
    }

    const URI: &str = r#""ClientURI":"urn:oma:mo:oma-dm-devinfo:1.2/1/""#;
    const LEAVES: &str = r#"{"DevID":"IMEI:493005100592800","Man":"Acme"}"#;

    #[test]
    fn the_result_is_read_with_and_without_wrapper_d33() {
        for data in [
            format!(r#"{{"DevInfo":{LEAVES}}}"#),
            format!(r#"{{"1":{LEAVES}}}"#),
            LEAVES.to_owned(),
        ] {
            let text = format!(
                r#"{{"Status":[{{"sc":200}},{{"sc":200,"Result":[{{{URI},"MOData":{data}}}]}}]}}"#
            );
            assert_eq!(read(&text).as_deref(), Some(LEAVES), "{data}");
        }
        let alone =
            r#"{"Status":[{"sc":200},{"sc":200,"Result":{"MOData":{"Ext":{"Acme":"x"}}}}]}"#;
        assert_eq!(read(alone).as_deref(), Some(r#"{"Ext/Acme":"x"}"#));
    }

    #[test]
    fn a_result_beside_the_statuses_is_found_by_its_client_uri_d12() {
        for member in ["MOS", "MOData", "Result"] {
            let text = format!(
                r#"{{"Status":[{{"sc":200}},{{"sc":200}}],"{member}":[{{"ClientURI":"urn:m/1/","MOData":{{"A":"b"}}}},
                    {{{URI},"MOData":{{"DevInfo":{LEAVES}}}}}]}}"#
            );
            assert_eq!(read(&text).as_deref(), Some(LEAVES), "{member}");
        }
    }

    #[test]
    fn every_leaf_becomes_text_by_its_path() {
        let text = format!(
            r#"{{"Status":[{{"sc":200}},{{"sc":200,"Result":[{{{URI},"MOData":{{"DevInfo":{{"DmV":2.5,"OEM":null,
                "Ext":{{"Acme":{{"Ok":true,"N":7}}}},"Odd":[1]}}}}}}]}}]}}"#
        );
        assert_eq!(
            read(&text).as_deref(),
            Some(r#"{"DmV":"2.5","OEM":"","Ext/Acme/Ok":"true","Ext/Acme/N":"7"}"#)
        );
    }

    #[test]
    fn a_result_that_is_missing_malformed_or_of_another_mo_is_none() {
        for status in [
            r#"{"sc":404}"#,
            r#"{"sc":200,"Result":7}"#,
            r#"{"sc":200,"Result":[{"MOData":7}]}"#,
            r#"{"sc":200,"Result":[{"ClientURI":"urn:m/1/","MOData":{"DevID":"x"}}]}"#,
            r#"{"sc":200,"Result":[{"MOData":{"DevInfo":{}}}]}"#,
        ] {
            let text = format!(r#"{{"Status":[{{"sc":200}},{status}]}}"#);
            assert_eq!(read(&text), None, "{status}");
        }
    }

    #[test]
    fn a_device_is_asked_unless_it_lists_its_objects_without_dev_info() {
        for (package, offered) in [
            ("{}", true),
            (
                r#"{"MOS":[{"MOID":"urn:oma:mo:oma-dm-devinfo:1.2","MIID":["1"]}]}"#,
                true,
            ),
            (
                r#"{"MOS":[{"MOID":"urn:oma:mo:oma-fumo:1.0","MIID":[]},{"MIID":["1"]}]}"#,
                false,
            ),
            (r#"{"MOS":[]}"#, false),
        ] {
            let package = Package1::read(&json(package)).unwrap();
            assert_eq!(super::is_offered(&package), offered);
        }
    }
}

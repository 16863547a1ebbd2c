use super::names::{
    AAUTH_DATA, AAUTH_LEVEL, AAUTH_NAME, AAUTH_PREF, AAUTH_SECRET, AAUTH_TYPE, ADDR, ADDR_TYPE,
    APP_ADDR, APP_AUTH, APP_ID, CON_REF, EXT, NAME, PORT, PORT_NBR, PREF_CON_REF, SEC, SERVER_ID,
    TO_CON_REF,
};
use super::{AppAddr1, AppAuth1, DmAcc1};
use crate::standard::dm_acc::names::BOOTSTRAP;
use crate::standard::view::{numbered, put};
use crate::{Node, Value};

pub(super) fn account(account: &DmAcc1) -> Node {
    let mut root = Node::empty();
    put(&mut root, &[APP_ID], Value::chr(super::APP_ID));
    let server = account.server_id.as_str();
    put(&mut root, &[SERVER_ID], Value::chr(server));
    for (name, text) in [
        (NAME, &account.name),
        (PREF_CON_REF, &account.pref_con_ref),
        (AAUTH_PREF, &account.auth_pref),
    ] {
        if let Some(text) = text {
            put(&mut root, &[name], Value::chr(text));
        }
    }
    for (name, reference) in numbered(&account.to_con_refs) {
        put(
            &mut root,
            &[TO_CON_REF, &name, CON_REF],
            Value::chr(reference),
        );
    }
    put(&mut root, &[APP_ADDR], Node::empty());
    for address in &account.addresses {
        app_addr(address, &mut root);
    }
    for auth in &account.auths {
        app_auth(auth, &mut root);
    }
    if let Some(bootstrap_type) = &account.bootstrap_type {
        bootstrap_type.put_into(&mut root);
    }
    if let Some(sec) = &account.bootstrap_sec {
        put(&mut root, &[EXT, BOOTSTRAP, SEC], Value::chr(sec));
    }
    for (path, node) in &account.vendor {
        root.put(path, node.clone());
    }
    root
}

fn app_addr(address: &AppAddr1, root: &mut Node) {
    let name = address.node.as_str();
    put(root, &[APP_ADDR, name, ADDR], Value::chr(&address.addr));
    let addr_type = Value::chr(address.addr_type.name());
    put(root, &[APP_ADDR, name, ADDR_TYPE], addr_type);
    for (port, number) in numbered(&address.ports) {
        let number = Value::chr(number.to_string());
        put(root, &[APP_ADDR, name, PORT, &port, PORT_NBR], number);
    }
}

fn app_auth(auth: &AppAuth1, root: &mut Node) {
    let mut leaf = |name, value| put(root, &[APP_AUTH, auth.node.as_str(), name], value);
    leaf(AAUTH_LEVEL, Value::chr(auth.level.name()));
    leaf(AAUTH_TYPE, Value::chr(auth.auth_type.name()));
    if let Some(name) = &auth.name {
        leaf(AAUTH_NAME, Value::chr(name));
    }
    if let Some(secret) = &auth.secret {
        // Read from text and made as text; octets that are none no server would accept either.
        let text = String::from_utf8_lossy(secret.expose());
        leaf(AAUTH_SECRET, Value::chr(text));
    }
    if let Some(nonce) = &auth.nonce {
        leaf(AAUTH_DATA, Value::bin(nonce.expose()));
    }
}

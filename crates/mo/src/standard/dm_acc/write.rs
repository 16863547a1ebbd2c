use super::names::{
    AUTH, BOOTSTRAP, CERT, CLIENT_PUB_KEY, CLIENT_SECRET_KEY, DATA, EVENT_ID, EXT, GCM, HTTP_AUTH,
    KIND, METHOD, MOID, NAME, NOTI, PASSWORD, PAYLOAD_HASH, PERM, PROFILE, PUSH, REG_PARAMS,
    REG_URI, SEC_MODE, SECRET, SENDER_ID, SEQ, SERVER_PUB_KEY, SERVER_URI, SRV_ID, SRV_URI, STATE,
    TIME, TRSP, TRUST, TYPE, UN_REG_URI, USER,
};
use super::{BootstrapType, DmAcc};
use crate::standard::view::{numbered, put};
use crate::{Node, Secret, Value};

pub(super) fn account(account: &DmAcc) -> Node {
    let mut root = Node::empty();
    put(&mut root, &[SRV_ID], Value::chr(account.srv_id.as_str()));
    put(&mut root, &[SRV_URI], Value::chr(account.srv_uri.as_str()));
    put(&mut root, &[NAME], Value::chr(&account.name));
    for (name, moid) in numbered(&account.perm) {
        put(&mut root, &[PERM, &name, MOID], Value::chr(moid.as_str()));
    }
    auth(account, &mut root);
    push(account, &mut root);
    ext(account, &mut root);
    for (path, node) in &account.vendor {
        root.put(path, node.clone());
    }
    root
}

fn auth(account: &DmAcc, root: &mut Node) {
    if let Some(bootstrap) = &account.bootstrap {
        for (name, value) in [
            (SERVER_URI, Value::chr(bootstrap.server_uri.as_str())),
            (SEC_MODE, Value::bin([bootstrap.sec_mode.octet()])),
            (CLIENT_PUB_KEY, octets(&bootstrap.client_pub_key)),
            (SERVER_PUB_KEY, octets(&bootstrap.server_pub_key)),
            (CLIENT_SECRET_KEY, secret(&bootstrap.client_secret_key)),
        ] {
            put(root, &[AUTH, BOOTSTRAP, name], value);
        }
    }
    if let Some(noti) = &account.noti {
        put(root, &[AUTH, NOTI, TYPE], Value::Int(noti.kind));
        put(root, &[AUTH, NOTI, DATA], octets(&noti.data));
        put(root, &[AUTH, NOTI, SECRET], secret(&noti.secret));
    }
    if let Some(trsp) = &account.trsp {
        put(root, &[AUTH, TRSP, DATA], octets(&trsp.data));
        put(root, &[AUTH, TRSP, SECRET], secret(&trsp.secret));
    }
}

fn push(account: &DmAcc, root: &mut Node) {
    if let Some(gcm) = &account.gcm {
        for (name, text) in [
            (SENDER_ID, &gcm.sender_id),
            (REG_URI, &gcm.reg_uri),
            (UN_REG_URI, &gcm.un_reg_uri),
            (REG_PARAMS, &gcm.reg_params),
        ] {
            put(root, &[PUSH, GCM, name], Value::chr(text));
        }
    }
}

fn ext(account: &DmAcc, root: &mut Node) {
    if let Some(http_auth) = &account.http_auth {
        put(root, &[EXT, HTTP_AUTH, USER], Value::chr(&http_auth.user));
        // A password is made from text; octets that are none cannot be a `chr` and would not be accepted by the server anyway.
        let password = String::from_utf8_lossy(http_auth.password.expose());
        put(root, &[EXT, HTTP_AUTH, PASSWORD], Value::chr(password));
    }
    for (name, cert) in numbered(&account.trust) {
        put(root, &[EXT, TRUST, &name, CERT], octets(cert));
    }
    if let Some(bootstrap_type) = &account.bootstrap_type {
        bootstrap_type.put_into(root);
    }
}

impl BootstrapType {
    /// Puts `Ext/Bootstrap` into an account, in place of what stood there.
    pub fn put_into(&self, root: &mut Node) {
        put(root, &[EXT, BOOTSTRAP], Node::empty());
        for (name, text) in [
            (METHOD, &self.method),
            (PROFILE, &self.profile),
            (KIND, &self.kind),
            (TIME, &self.time),
            (EVENT_ID, &self.event_id),
            (PAYLOAD_HASH, &self.payload_hash),
            (STATE, &self.state),
        ] {
            if let Some(text) = text {
                put(root, &[EXT, BOOTSTRAP, name], Value::chr(text));
            }
        }
        if let Some(seq) = self.seq {
            put(root, &[EXT, BOOTSTRAP, SEQ], Value::Int(seq));
        }
    }
}

fn octets(octets: &[u8]) -> Value {
    Value::bin(octets)
}

fn secret(secret: &Secret) -> Value {
    Value::bin(secret.expose())
}

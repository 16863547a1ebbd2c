use super::names::{
    AUTH, BOOTSTRAP, CERT, CLIENT_PUB_KEY, CLIENT_SECRET_KEY, DATA, EVENT_ID, EXT, GCM, HTTP_AUTH,
    KIND, METHOD, MOID, NAME, NOTI, PASSWORD, PAYLOAD_HASH, PERM, PROFILE, PUSH, REG_PARAMS,
    REG_URI, SEC_MODE, SECRET, SENDER_ID, SEQ, SERVER_PUB_KEY, SERVER_URI, SRV_ID, SRV_URI, STATE,
    TIME, TRSP, TRUST, TYPE, UN_REG_URI, USER,
};
use super::{
    AuthBootstrap, AuthNoti, AuthTrsp, BootstrapType, DmAcc, DmAccError, HttpAuth, PushGcm, SecMode,
};
use crate::standard::view::{Reader, ViewFault};
use crate::{Moid, Node, NodePath, Secret, ServerUri, SrvId};

type Read<T> = Result<T, DmAccError>;

pub(super) fn account(root: &Node) -> Read<DmAcc> {
    let root = Reader::root(root)?;
    let srv_id = SrvId::parse(root.text(SRV_ID)?).map_err(|error| root.fault(SRV_ID, error))?;
    let mut account = DmAcc::new(
        srv_id,
        server_uri(&root, SRV_URI)?,
        root.text(NAME)?,
        perm(&root)?,
    );
    if let Some(auth) = root.interior(AUTH)? {
        account.bootstrap = auth
            .interior(BOOTSTRAP)?
            .map(|node| auth_bootstrap(&node))
            .transpose()?;
        account.noti = auth
            .interior(NOTI)?
            .map(|node| auth_noti(&node))
            .transpose()?;
        account.trsp = auth
            .interior(TRSP)?
            .map(|node| auth_trsp(&node))
            .transpose()?;
    }
    if let Some(push) = root.interior(PUSH)? {
        if let Some(gcm) = push.interior(GCM)? {
            account.gcm = Some(push_gcm(&gcm)?);
            keep_vendor(gcm.interior(EXT)?.as_ref(), &[], &mut account.vendor);
        }
        keep_vendor(push.interior(EXT)?.as_ref(), &[], &mut account.vendor);
    }
    if let Some(ext) = root.interior(EXT)? {
        account.http_auth = ext
            .interior(HTTP_AUTH)?
            .map(|node| http_auth(&node))
            .transpose()?;
        account.bootstrap_type = ext
            .interior(BOOTSTRAP)?
            .map(|node| bootstrap_type(&node))
            .transpose()?;
        account.trust = ext
            .interior(TRUST)?
            .map(|node| trust(&node))
            .transpose()?
            .unwrap_or_default();
        keep_vendor(
            Some(&ext),
            &[HTTP_AUTH, BOOTSTRAP, TRUST],
            &mut account.vendor,
        );
    }
    Ok(account)
}

fn server_uri(node: &Reader<'_>, name: &str) -> Read<ServerUri> {
    ServerUri::parse(node.text(name)?).map_err(|error| node.fault(name, error))
}

fn perm(root: &Reader<'_>) -> Read<Vec<Moid>> {
    let Some(perm) = root.interior(PERM)? else {
        return Ok(Vec::new());
    };
    let moid = |group: &Reader<'_>| {
        Moid::parse(group.text(MOID)?).map_err(|error| group.fault(MOID, error))
    };
    perm.groups()?.iter().map(moid).collect()
}

fn auth_bootstrap(node: &Reader<'_>) -> Read<AuthBootstrap> {
    let sec_mode = match node.octets(SEC_MODE)? {
        [octet] => SecMode::from_octet(*octet),
        octets => return Err(node.fault(SEC_MODE, ViewFault::SecModeLength(octets.len()))),
    };
    Ok(AuthBootstrap {
        server_uri: server_uri(node, SERVER_URI)?,
        sec_mode,
        client_pub_key: node.octets(CLIENT_PUB_KEY)?.to_vec(),
        server_pub_key: node.octets(SERVER_PUB_KEY)?.to_vec(),
        client_secret_key: Secret::new(node.octets(CLIENT_SECRET_KEY)?.to_vec()),
    })
}

fn auth_noti(node: &Reader<'_>) -> Read<AuthNoti> {
    Ok(AuthNoti {
        kind: node.int(TYPE)?,
        data: node.octets(DATA)?.to_vec(),
        secret: Secret::new(node.octets(SECRET)?.to_vec()),
    })
}

fn auth_trsp(node: &Reader<'_>) -> Read<AuthTrsp> {
    Ok(AuthTrsp {
        data: node.octets(DATA)?.to_vec(),
        secret: Secret::new(node.octets(SECRET)?.to_vec()),
    })
}

fn push_gcm(node: &Reader<'_>) -> Read<PushGcm> {
    Ok(PushGcm {
        sender_id: node.text(SENDER_ID)?.to_owned(),
        reg_uri: node.text(REG_URI)?.to_owned(),
        un_reg_uri: node.text(UN_REG_URI)?.to_owned(),
        reg_params: node.text(REG_PARAMS)?.to_owned(),
    })
}

fn http_auth(node: &Reader<'_>) -> Read<HttpAuth> {
    Ok(HttpAuth {
        user: node.text(USER)?.to_owned(),
        password: Secret::new(node.text(PASSWORD)?.as_bytes().to_vec()),
    })
}

fn trust(node: &Reader<'_>) -> Read<Vec<Vec<u8>>> {
    let certs = node
        .groups()?
        .into_iter()
        .map(|anchor| anchor.optional_octets(CERT));
    certs
        .filter_map(|cert| cert.map(|cert| cert.map(<[u8]>::to_vec)).transpose())
        .collect()
}

pub(in crate::standard) fn bootstrap_type(node: &Reader<'_>) -> Read<BootstrapType> {
    let text = |name| node.optional_text(name).map(|text| text.map(str::to_owned));
    Ok(BootstrapType {
        method: text(METHOD)?,
        profile: text(PROFILE)?,
        kind: text(KIND)?,
        seq: node.optional_int(SEQ)?,
        time: text(TIME)?,
        event_id: text(EVENT_ID)?,
        payload_hash: text(PAYLOAD_HASH)?,
        state: text(STATE)?,
    })
}

fn keep_vendor(ext: Option<&Reader<'_>>, known: &[&str], into: &mut Vec<(NodePath, Node)>) {
    if let Some(ext) = ext {
        let foreign = ext
            .children()
            .iter()
            .filter(|(name, _)| !known.contains(&name.as_str()));
        into.extend(foreign.map(|(name, node)| (ext.path().child(name.clone()), node.clone())));
    }
}

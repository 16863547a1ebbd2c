use super::names::{
    AAUTH_DATA, AAUTH_LEVEL, AAUTH_NAME, AAUTH_PREF, AAUTH_SECRET, AAUTH_TYPE, ADDR, ADDR_TYPE,
    APP_ADDR, APP_AUTH, APP_ID, CON_REF, EXT, NAME, PORT, PORT_NBR, PREF_CON_REF, SEC, SERVER_ID,
    TO_CON_REF,
};
use super::{AddrType1, AppAddr1, AppAuth1, AuthLevel1, AuthType1, DmAcc1};
use crate::standard::dm_acc::{self, names::BOOTSTRAP};
use crate::standard::view::{Reader, ViewError, ViewFault};
use crate::{Node, NodeName, Secret, SrvId};

type Read<T> = Result<T, ViewError>;

pub(super) fn account(root: &Node) -> Read<DmAcc1> {
    let root = Reader::root(root)?;
    if root.text(APP_ID)? != super::APP_ID {
        return Err(root.fault(APP_ID, ViewFault::NotListed));
    }
    let server = root.text(SERVER_ID)?;
    let server = SrvId::parse(server).map_err(|error| root.fault(SERVER_ID, error))?;
    let text = |name| root.optional_text(name).map(|text| text.map(str::to_owned));
    let mut account = DmAcc1 {
        name: text(NAME)?,
        pref_con_ref: text(PREF_CON_REF)?,
        auth_pref: text(AAUTH_PREF)?,
        ..DmAcc1::new(server)
    };
    for reference in groups(&root, TO_CON_REF)? {
        account
            .to_con_refs
            .push(reference.text(CON_REF)?.to_owned());
    }
    for address in groups(&root, APP_ADDR)? {
        account.addresses.extend(app_addr(&address)?);
    }
    for auth in groups(&root, APP_AUTH)? {
        account.auths.extend(app_auth(&auth)?);
    }
    if let Some(ext) = root.interior(EXT)? {
        if let Some(bootstrap) = ext.interior(BOOTSTRAP)? {
            account.bootstrap_type = Some(dm_acc::read_bootstrap_type(&bootstrap)?);
            account.bootstrap_sec = bootstrap.optional_text(SEC)?.map(str::to_owned);
        }
        let foreign = ext
            .children()
            .iter()
            .filter(|(name, _)| name.as_str() != BOOTSTRAP);
        let vendor = foreign.map(|(name, node)| (ext.path().child(name.clone()), node.clone()));
        account.vendor = vendor.collect();
    }
    Ok(account)
}

/// The groups below an interior node; none where it is missing.
fn groups<'a>(node: &Reader<'a>, name: &str) -> Read<Vec<Reader<'a>>> {
    match node.interior(name)? {
        Some(found) => found.groups(),
        None => Ok(Vec::new()),
    }
}

/// The name of a group; none for an instance's root, which is no group.
fn group_name(group: &Reader<'_>) -> Option<NodeName> {
    group.path().names().last().cloned()
}

fn app_addr(group: &Reader<'_>) -> Read<Option<AppAddr1>> {
    let addr_type = match group.optional_text(ADDR_TYPE)? {
        None => AddrType1::default(),
        Some(text) => AddrType1::from_name(text)
            .ok_or_else(|| group.fault(ADDR_TYPE, ViewFault::NotListed))?,
    };
    let mut ports = Vec::new();
    for port in groups(group, PORT)? {
        let number = port.text(PORT_NBR)?.parse();
        ports.push(number.map_err(|_| port.fault(PORT_NBR, ViewFault::NotANumber))?);
    }
    let addr = group.text(ADDR)?.to_owned();
    Ok(group_name(group).map(|node| AppAddr1 {
        node,
        addr,
        addr_type,
        ports,
    }))
}

fn app_auth(group: &Reader<'_>) -> Read<Option<AppAuth1>> {
    let unlisted = |name| group.fault(name, ViewFault::NotListed);
    let level = AuthLevel1::from_name(group.text(AAUTH_LEVEL)?);
    let level = level.ok_or_else(|| unlisted(AAUTH_LEVEL))?;
    let auth_type = AuthType1::from_name(group.text(AAUTH_TYPE)?);
    let auth_type = auth_type.ok_or_else(|| unlisted(AAUTH_TYPE))?;
    let secret = group.optional_text(AAUTH_SECRET)?;
    let nonce = group.optional_octets(AAUTH_DATA)?;
    let name = group.optional_text(AAUTH_NAME)?.map(str::to_owned);
    Ok(group_name(group).map(|node| AppAuth1 {
        node,
        level,
        auth_type,
        name,
        secret: secret.map(|text| Secret::new(text.as_bytes().to_vec())),
        nonce: nonce.map(|octets| Secret::new(octets.to_vec())),
    }))
}

//! ClientURI, LocURI, ServerURI, ACLs, media types, DDF.

use omadm_dm2::media_type::{MediaType, PackageType, accepts, is_mo};
use omadm_dm2::{Command, SubscriptionUri};
use omadm_mo::client_uri::Everything;
use omadm_mo::ddf::Ddf;
use omadm_mo::standard::MoRegistry;
use omadm_mo::{Acl, AclCommand, LocUri, Place, SrvId, TreeLayout, UriLimits};
use omadm_mo::{ClientUri, MemoryTree, Miid, Moid, Node, NodeAddress, ServerUri, TreeWrite as _};

use crate::parts;

/// A ClientURI that was parsed is written as one that parses to the same, and resolves without harm.
pub fn client_uri(octets: &[u8]) {
    let Ok(text) = str::from_utf8(octets) else {
        return;
    };
    let Ok(uri) = ClientUri::parse(text) else {
        return;
    };
    let written = uri.to_string();
    // Escapes may make it longer than what is read.
    if written.len() <= ClientUri::MAX_LEN {
        assert_eq!(ClientUri::parse(&written).as_ref(), Ok(&uri));
    }
    let subscription = SubscriptionUri::parse(text).expect("a ClientURI can be subscribed to");
    assert_eq!(subscription.as_str(), text, "compared as text (D23)");
    let tree = tree(&uri.moid);
    if let Ok(nodes) = uri.resolve(&tree, &Everything) {
        assert!(!nodes.is_empty(), "nothing found is an error");
        for node in nodes {
            let named = ClientUri::of(&node);
            assert_eq!(named.resolve(&tree, &Everything).ok(), Some(vec![node]));
        }
    }
}

/// A LocURI or an ACL that was read is written as one that reads the same; a LocURI names one place, which is seen there and nowhere else.
pub fn loc_uri(octets: &[u8]) {
    let Ok(text) = str::from_utf8(octets) else {
        return;
    };
    if let Ok((uri, query)) = LocUri::parse(text) {
        let query_text = query.as_ref().map(ToString::to_string);
        let written = format!("{uri}{}", query_text.unwrap_or_default());
        assert_eq!(LocUri::parse(&written), Ok((uri.clone(), query)));
        let layout = TreeLayout::of(&MoRegistry::standard());
        match layout.resolve(&uri) {
            Place::Node(at) => assert_eq!(layout.loc_uri(&at), Some(uri)),
            Place::Mo(moid) => assert_eq!(layout.mo_uri(&moid), Some(uri)),
            Place::Root | Place::Inbox | Place::Unknown => {}
        }
    } else {
        let within = LocUri::parse_within(text, &UriLimits::OURS);
        assert!(within.is_err(), "limits never let more in");
    }
    if let Ok(Some(acl)) = Acl::parse(text) {
        let written = acl.to_string();
        assert!(written.len() <= text.len(), "nothing is made up");
        assert_eq!(Acl::parse(&written), Ok(Some(acl.clone())));
        let server = SrvId::parse("a").expect("a server");
        let left = acl.without(&server);
        assert!(left.as_ref().is_none_or(|left| !left.names(&server)));
        for command in AclCommand::ALL {
            let allowed = left
                .as_ref()
                .is_some_and(|left| left.allows(command, &server));
            assert!(!allowed || acl.allows(command, &server));
        }
    }
}

/// The tree of the worked examples of `dm20.md` §7.4, under the MOID asked for.
fn tree(moid: &Moid) -> MemoryTree {
    let leaf = |text: &str| Node::Leaf(omadm_mo::Value::Chr(text.to_owned().into()));
    let interior = |children: Vec<(&str, Node)>| {
        let named = children
            .into_iter()
            .filter_map(|(name, node)| Some((omadm_mo::NodeName::parse(name).ok()?, node)));
        Node::Interior(named.collect())
    };
    let mut tree = MemoryTree::new(1);
    for (miid, id, date) in [("left", "GPS", "12.2"), ("right", "Temperature", "12.3")] {
        let data = interior(vec![
            (
                "1",
                interior(vec![("Date", leaf("12.1")), ("Value", leaf("a"))]),
            ),
            (
                "2",
                interior(vec![("Date", leaf(date)), ("Value", leaf("b"))]),
            ),
        ]);
        let root = interior(vec![
            ("ID", leaf(id)),
            ("Setting", leaf("0xA1")),
            ("Data", data),
        ]);
        if let Ok(miid) = Miid::parse(miid) {
            let at = NodeAddress::root(moid.clone(), miid);
            tree.put(&at, &root).expect("a tree in memory takes it");
        }
    }
    tree.commit();
    tree
}

/// A ServerURI that was parsed is written as it was, and a redirect joined to it is one again.
pub fn server_uri(octets: &[u8]) {
    let mut texts = parts(octets).filter_map(|part| str::from_utf8(part).ok());
    let Some(Ok(uri)) = texts.next().map(ServerUri::parse) else {
        return;
    };
    assert_eq!(ServerUri::parse(uri.as_str()).as_ref(), Ok(&uri));
    let _origin = (uri.origin(), uri.authority(), uri.path_and_query());
    for location in texts {
        if let Ok(next) = uri.join(location) {
            assert_eq!(ServerUri::parse(next.as_str()).as_ref(), Ok(&next));
        }
    }
}

/// `Content-Type`, `Accept` and `OMADM-Accept`, and commands by their words.
pub fn media_type(octets: &[u8]) {
    let texts: Vec<&str> = parts(octets)
        .filter_map(|part| str::from_utf8(part).ok())
        .collect();
    for text in &texts {
        let _package = (PackageType::of(text), is_mo(text));
        if let Some(parsed) = MediaType::parse(text) {
            let essence = parsed.essence();
            let again = MediaType::parse(&essence).expect("an essence is a media type");
            assert_eq!(again.essence(), essence);
            assert!(accepts("*/*", &essence));
            let _accepted = accepts(text, &essence);
        }
    }
    if let Ok(command) = Command::read(&texts) {
        let words = command.write();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(Command::read(&words), Ok(command));
    }
}

/// A DDF is read or refused with a place; what was read judges nodes.
pub fn ddf(octets: &[u8]) {
    let Ok(text) = str::from_utf8(octets) else {
        return;
    };
    match Ddf::read(text) {
        Ok(ddf) => {
            let _judged = ddf.validate(&Node::empty());
            let _unreadable = ddf.unreadable_leaves(&Node::empty());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

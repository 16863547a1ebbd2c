use std::collections::BTreeSet;

use omadm_bootstrap::DeviceView;
use omadm_dm1::syncml::{Command, Item};
use omadm_mo::{LocUri, Moid, NodeAddress, Place, TreeLayout};

/// The instances that commands may look at whose values live outside the store.
pub(super) fn live_instances<'c>(
    view: &dyn DeviceView,
    layout: &TreeLayout,
    live: &BTreeSet<Moid>,
    commands: impl Iterator<Item = &'c Command>,
) -> Vec<NodeAddress> {
    if live.is_empty() {
        return Vec::new();
    }
    let mut moids = BTreeSet::new();
    for command in commands {
        named(layout, live, command, &mut moids);
    }
    let roots = moids.into_iter().flat_map(|moid| {
        let instances = view.instances(moid).unwrap_or_default();
        instances
            .into_iter()
            .map(|miid| NodeAddress::root(moid.clone(), miid))
    });
    roots.collect()
}

fn named<'l>(
    layout: &TreeLayout,
    live: &'l BTreeSet<Moid>,
    command: &Command,
    moids: &mut BTreeSet<&'l Moid>,
) {
    let items = match command {
        Command::Atomic(group) | Command::Sequence(group) => {
            for member in &group.members {
                named(layout, live, member, moids);
            }
            return;
        }
        Command::Add(on)
        | Command::Replace(on)
        | Command::Copy(on)
        | Command::Delete(on)
        | Command::Get(on) => &on.items,
        Command::Exec(exec) => &exec.items,
        Command::Alert(_) | Command::Status(_) | Command::Results(_) | Command::Other(_) => return,
    };
    for uri in items.iter().flat_map(uris) {
        let Ok((uri, _)) = LocUri::parse(uri) else {
            continue;
        };
        match layout.resolve(&uri) {
            // A list may go through the whole tree.
            Place::Root => moids.extend(live),
            Place::Mo(moid) => moids.extend(live.get(&moid)),
            Place::Node(at) => moids.extend(live.get(&at.moid)),
            Place::Inbox | Place::Unknown => {}
        }
    }
}

fn uris(item: &Item) -> impl Iterator<Item = &str> {
    let locations = item.target.iter().chain(&item.source);
    locations.map(|location| &*location.uri)
}

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omadm_dm1::syncml::{Data, Encoding, Item, Location, Meta, StatusCode};
use omadm_dm1::tnds::{MAX_NODES, MEDIA_TYPE_XML, MgmtTree, NodeType, RtProperties, TndsNode};
use omadm_mo::{
    AclCommand, Format, List, LocUri, NodeKind, NodeName, Property, TndsMember, TndsSelection,
};

use super::super::workspace::Workspace;
use super::Server;
use super::get::{leaf_item, node_meta};
use super::outcome::Fate;
use super::target::Standing;

impl Server<'_> {
    /// `?list=`: a node with all below it that the server may see. A leaf that nobody may read is there without its value.
    pub(super) fn list(
        self,
        workspace: &Workspace<'_>,
        standing: &Standing,
        uri: &LocUri,
        list: &List,
    ) -> Fate<Vec<Item>> {
        self.may_get(workspace, standing)?;
        let mut left = MAX_NODES;
        match list {
            List::Struct | List::StructData => {
                let mut items = Vec::new();
                let with_data = *list == List::StructData;
                self.items(workspace, standing, uri, with_data, &mut left, &mut items)?;
                Ok(items)
            }
            List::Tnds(selection) => {
                let name = uri.split_last().map(|(_, name)| name);
                let node = self.tnds_node(workspace, standing, name, selection, &mut left)?;
                let tree = MgmtTree {
                    nodes: vec![node],
                    ..MgmtTree::default()
                };
                let data = tree.encode(Encoding::Xml);
                Ok(vec![Item {
                    source: Some(Location::new(uri.to_string())),
                    meta: Meta {
                        format: Some(Format::Xml.name().into()),
                        r#type: Some(MEDIA_TYPE_XML.into()),
                        ..Meta::default()
                    },
                    data: Some(data.map_err(|_| StatusCode::COMMAND_FAILED)?),
                    ..Item::default()
                }])
            }
        }
    }

    fn items(
        self,
        workspace: &Workspace<'_>,
        standing: &Standing,
        uri: &LocUri,
        with_data: bool,
        left: &mut usize,
        items: &mut Vec<Item>,
    ) -> Fate {
        take(left)?;
        let source = Location::new(uri.to_string());
        if let Standing::Node(at, NodeKind::Leaf) = standing {
            let value = workspace.leaf(at)?;
            let mut item = leaf_item(workspace, at, source, value.as_ref());
            if !with_data || !workspace.layout().is_readable(at) {
                let format = value.map(|value| value.format());
                let format = format.filter(|format| *format != Format::Chr);
                item.meta.format = format.map(|format| format.name().into());
                item.data = None;
            }
            items.push(item);
            return Ok(());
        }
        let r#type = match standing {
            Standing::Node(at, kind) => {
                Some(workspace.layout().type_of(at, *kind)).filter(|text| !text.is_empty())
            }
            _ => None,
        };
        items.push(Item {
            source: Some(source),
            meta: Meta {
                r#type,
                ..node_meta()
            },
            ..Item::default()
        });
        for (name, below) in self.listed_below(workspace, standing)? {
            let uri = uri.child(name);
            self.items(workspace, &below, &uri, with_data, left, items)?;
        }
        Ok(())
    }

    fn tnds_node(
        self,
        workspace: &Workspace<'_>,
        standing: &Standing,
        name: Option<&NodeName>,
        selection: &TndsSelection,
        left: &mut usize,
    ) -> Fate<TndsNode> {
        take(left)?;
        let has = |property| selection.has(TndsMember::Property(property));
        let mut node = TndsNode {
            name: Some(
                name.map(|name| name.as_str().to_owned())
                    .unwrap_or_default(),
            ),
            ..TndsNode::default()
        };
        if let Standing::Node(at, kind) = standing {
            let value = workspace.leaf(at)?;
            let kept = workspace.properties(at)?;
            let r#type = workspace.layout().type_of(at, *kind);
            let format = value.as_ref().map_or(Format::Node, |value| value.format());
            node.properties = RtProperties {
                acl: kept
                    .acl
                    .filter(|_| has(Property::Acl))
                    .map(|acl| acl.to_string()),
                format: Some(format).filter(|_| has(Property::Format)),
                title: kept.title.filter(|_| has(Property::Title)),
                tstamp: kept.tstamp.filter(|_| has(Property::TStamp)),
                ver_no: Some(kept.ver_no).filter(|_| has(Property::VerNo)),
                r#type: has(Property::Type).then_some(match kind {
                    NodeKind::Leaf => NodeType::Mime(r#type),
                    NodeKind::Interior => NodeType::DdfName(r#type),
                }),
            };
            let told = selection.has(TndsMember::Value) && workspace.layout().is_readable(at);
            node.value = value.filter(|_| told).map(|value| match value.as_octets() {
                Some(octets) => Data::Text(STANDARD.encode(octets)),
                None => Data::Text(value.to_text().to_string()),
            });
        } else {
            node.properties.format = Some(Format::Node).filter(|_| has(Property::Format));
        }
        for (name, below) in self.listed_below(workspace, standing)? {
            let below = self.tnds_node(workspace, &below, Some(&name), selection, left)?;
            node.nodes.push(below);
        }
        Ok(node)
    }

    /// What stands below and is listed: what the ACL lets the server read.
    fn listed_below(
        self,
        workspace: &Workspace<'_>,
        standing: &Standing,
    ) -> Fate<Vec<(NodeName, Standing)>> {
        let mut listed = self.below(workspace, standing)?;
        listed.retain(|(_, below)| match below {
            Standing::Inbox => false,
            Standing::Root | Standing::Mo(_) => true,
            Standing::Node(at, _) => self.may(workspace, at, AclCommand::Get).is_ok(),
        });
        Ok(listed)
    }
}

/// A list has an end.
fn take(left: &mut usize) -> Fate {
    *left = left.checked_sub(1).ok_or(StatusCode::TOO_LARGE)?;
    Ok(())
}

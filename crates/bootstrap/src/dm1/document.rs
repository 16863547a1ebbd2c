use omadm_dm1::markup::{MarkupError, MarkupFault, MarkupLimits, MarkupReader as _, Vocabulary};
use omadm_dm1::provisioning::{
    Characteristic, ProvisioningDocument, ProvisioningFault, W7, W7Fault,
};
use omadm_dm1::syncml::{
    CmdId, Command, Data, Encoding, Item, Location, Message, MessageFault, Meta, NodeCommand,
    SyncHdr, VER_DTD,
};
use omadm_dm1::tnds::{MEDIA_TYPE_WBXML, MgmtTree, NodeType, TndsFault, TndsNode};
use omadm_dm1::wbxml::WbxmlReader;
use omadm_mo::standard::{Dm1Version, DmAcc1, ViewFault};
use omadm_mo::{Acl, AclCommand, Node};

use super::account_map::{AccountMapFault, AppSrvIs, account_of_w7, identifier};
use super::tnds_node::{node_of, tnds_of};
use crate::ProfileFormat;

/// In which of the two forms a bootstrap of DM 1.x is written (`dm1x.md` §5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dm1Format {
    /// OMA Client Provisioning: a `wap-provisioningdoc` (§5.3).
    Cp,
    /// OMA Device Management: a DM message with TNDS for `./Inbox` (§5.2).
    Dm,
}

/// What a bootstrap document of DM 1.x delivers.
#[derive(Clone, PartialEq, Debug)]
pub struct Dm1Document {
    /// Its form.
    pub format: Dm1Format,
    /// Its DM Accounts, in its order.
    pub accounts: Vec<DeliveredAccount>,
    /// What else it has of TNDS objects, in its order.
    pub objects: Vec<DeliveredObject>,
    /// Characteristics of a provisioning document that are no DM Account, in its order.
    pub others: Vec<Characteristic>,
}

/// A DM Account of a document.
#[derive(Clone, PartialEq, Debug)]
pub struct DeliveredAccount {
    /// The account.
    pub account: DmAcc1,
    /// `INIT`: the server wants a session at once.
    pub init: bool,
    /// Where it stands below `./Inbox` in the document; none in a provisioning document.
    pub inbox: Option<String>,
}

/// A TNDS object that is no DM Account.
#[derive(Clone, PartialEq, Debug)]
pub struct DeliveredObject {
    /// The MO identifier it has; empty where it has none.
    pub identifier: String,
    /// Where it stands below `./Inbox`.
    pub inbox: String,
    /// Its content.
    pub node: Node,
}

/// Why octets are no bootstrap document of DM 1.x. Their author is at fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Dm1DocumentFault {
    /// Neither WBXML nor XML.
    #[error("neither WBXML nor XML")]
    Neither,
    /// WBXML of something else than a message or a provisioning document.
    #[error("no DM message and no provisioning document")]
    OtherDocument,
    /// The markup.
    #[error(transparent)]
    Markup(#[from] MarkupError),
    /// A DM message in XML: only WBXML may bring a bootstrap (§5.7).
    #[error("a bootstrap message has to be WBXML")]
    XmlMessage,
    /// The provisioning document.
    #[error(transparent)]
    Provisioning(#[from] ProvisioningFault),
    /// An application `w7`.
    #[error(transparent)]
    W7(#[from] W7Fault),
    /// A DM Account that is none of this device's.
    #[error(transparent)]
    Account(#[from] AccountMapFault),
    /// The message.
    #[error(transparent)]
    Message(#[from] MessageFault),
    /// Another command than Add, or another target than `./Inbox`.
    #[error("`{0}`: a bootstrap message holds nothing but Add to ./Inbox")]
    NotAnAdd(String),
    /// An item without a TNDS object in WBXML.
    #[error("an item of the message holds no TNDS object in WBXML")]
    NoTnds,
    /// The TNDS object.
    #[error(transparent)]
    Tnds(#[from] TndsFault),
    /// A node of a TNDS object.
    #[error("the node {0} has no name, stands twice, or has a value that is not of its format")]
    Node(String),
    /// A DM Account in TNDS.
    #[error("the DM Account, {path}: {fault}")]
    DmAcc {
        /// Which node.
        path: String,
        /// What is wrong with it.
        fault: ViewFault,
    },
    /// No ACL can name the server of an account in TNDS.
    #[error("ServerID holds a character that no ACL can hold")]
    NotForAcl,
}

impl Dm1Format {
    /// Its name: `cp` or `dm`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.profile().node_value()
    }

    /// What `Ext/Bootstrap/Profile` says of it.
    #[must_use]
    pub const fn profile(self) -> ProfileFormat {
        match self {
            Self::Cp => ProfileFormat::Cp,
            Self::Dm => ProfileFormat::Dm,
        }
    }

    /// That of a bootstrap's format; none for one of DM 2.0.
    #[must_use]
    pub const fn of_profile(format: ProfileFormat) -> Option<Self> {
        match format {
            ProfileFormat::Dm2 => None,
            ProfileFormat::Cp => Some(Self::Cp),
            ProfileFormat::Dm => Some(Self::Dm),
        }
    }

    /// The media type of a document in WBXML.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Cp => "application/vnd.wap.connectivity-wbxml",
            Self::Dm => Encoding::Wbxml.media_type(),
        }
    }

    /// What a document is by its first octets (M23); none for what is neither form.
    #[must_use]
    pub fn of_document(octets: &[u8]) -> Option<Self> {
        match Encoding::of_body(octets)? {
            Encoding::Xml => Some(Self::Cp),
            Encoding::Wbxml => {
                let reader = WbxmlReader::new(octets, limits_of(octets)).ok()?;
                match reader.vocabulary() {
                    Vocabulary::Provisioning => Some(Self::Cp),
                    Vocabulary::SyncMl => Some(Self::Dm),
                    Vocabulary::MgmtTree => None,
                }
            }
        }
    }
}

/// The document at the beginning of what a card's file holds: it ends with the END of its root; padding follows (M23). None where there is none within the
/// limits of an unproven bootstrap.
#[must_use]
pub fn document_octets(file: &[u8]) -> Option<&[u8]> {
    Dm1Format::of_document(file).filter(|_| Encoding::of_body(file) == Some(Encoding::Wbxml))?;
    let mut reader = WbxmlReader::new(file, limits_of(file)).ok()?;
    while reader.next_event().ok()?.is_some() {}
    file.get(..reader.consumed())
}

/// A file may be longer than the document in it; what is read of it is bounded by the file.
const fn limits_of(file: &[u8]) -> MarkupLimits {
    MarkupLimits {
        octets: file.len(),
        ..MarkupLimits::UNPROVEN_BOOTSTRAP
    }
}

impl Dm1Document {
    /// Reads a document in either form.
    ///
    /// # Errors
    /// [`Dm1DocumentFault`].
    pub fn read(
        octets: &[u8],
        app_srv: AppSrvIs,
        limits: MarkupLimits,
    ) -> Result<Self, Dm1DocumentFault> {
        match Encoding::of_body(octets) {
            None => Err(Dm1DocumentFault::Neither),
            Some(Encoding::Xml) => {
                match ProvisioningDocument::decode(octets, Encoding::Xml, limits) {
                    Err(ProvisioningFault::NotProvisioning) => Err(Dm1DocumentFault::XmlMessage),
                    read => Self::of_provisioning(&read?, app_srv),
                }
            }
            Some(Encoding::Wbxml) => match WbxmlReader::new(octets, limits)?.vocabulary() {
                Vocabulary::Provisioning => {
                    let read = ProvisioningDocument::decode(octets, Encoding::Wbxml, limits)?;
                    Self::of_provisioning(&read, app_srv)
                }
                Vocabulary::SyncMl => {
                    let read = Message::decode(octets, Encoding::Wbxml, limits);
                    Self::of_message(&read.map_err(|error| error.fault)?, limits)
                }
                Vocabulary::MgmtTree => Err(Dm1DocumentFault::OtherDocument),
            },
        }
    }

    fn of_provisioning(
        document: &ProvisioningDocument,
        app_srv: AppSrvIs,
    ) -> Result<Self, Dm1DocumentFault> {
        let mut accounts = Vec::new();
        for w7 in W7::of_document(document)? {
            accounts.push(DeliveredAccount {
                account: account_of_w7(&w7, app_srv)?,
                init: w7.init,
                inbox: None,
            });
        }
        let is_w7 =
            |one: &&Characteristic| one.r#type == "APPLICATION" && one.value("APPID") == Some("w7");
        let others = document.characteristics.iter().filter(|one| !is_w7(one));
        Ok(Self {
            format: Dm1Format::Cp,
            accounts,
            objects: Vec::new(),
            others: others.cloned().collect(),
        })
    }

    fn of_message(message: &Message, limits: MarkupLimits) -> Result<Self, Dm1DocumentFault> {
        let mut read = Self {
            format: Dm1Format::Dm,
            accounts: Vec::new(),
            objects: Vec::new(),
            others: Vec::new(),
        };
        for command in &message.commands {
            let Command::Add(add) = command else {
                return Err(Dm1DocumentFault::NotAnAdd(command.name().to_owned()));
            };
            for item in &add.items {
                let target = item.target.as_ref().map(|target| target.uri.as_str());
                if !matches!(target, Some("./Inbox" | "Inbox")) {
                    return Err(Dm1DocumentFault::NotAnAdd("Add".to_owned()));
                }
                let data = item.data.as_ref().filter(|data| {
                    !item.more_data && Encoding::of_body(data.octets()) == Some(Encoding::Wbxml)
                });
                let data = data.ok_or(Dm1DocumentFault::NoTnds)?;
                for node in &MgmtTree::decode(data, limits)?.nodes {
                    read.object(node)?;
                }
            }
        }
        Ok(read)
    }

    fn object(&mut self, node: &TndsNode) -> Result<(), Dm1DocumentFault> {
        let name = node.name.as_deref().unwrap_or_default();
        let path = node.path.as_deref().unwrap_or_default();
        let path = path.trim_start_matches("./").trim_matches('/');
        let inbox = if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}/{name}")
        };
        let found = match &node.properties.r#type {
            Some(NodeType::DdfName(identifier)) => identifier.trim(),
            _ => "",
        };
        let content = node_of(node).map_err(Dm1DocumentFault::Node)?;
        if !is_dm_acc(found) {
            self.objects.push(DeliveredObject {
                identifier: found.to_owned(),
                inbox,
                node: content,
            });
            return Ok(());
        }
        let account = DmAcc1::from_node(&content).map_err(|error| Dm1DocumentFault::DmAcc {
            path: error.path.to_string(),
            fault: error.fault,
        })?;
        if !Acl::holds(&account.server_id) {
            return Err(Dm1DocumentFault::NotForAcl);
        }
        self.accounts.push(DeliveredAccount {
            account,
            init: false,
            inbox: Some(inbox),
        });
        Ok(())
    }
}

/// Any minor version of major 1, and what older servers write (§4.4, §4.7).
fn is_dm_acc(identifier: &str) -> bool {
    identifier == "org.openmobilealliance/1.0/w7"
        || identifier
            .strip_prefix("urn:oma:mo:oma-dm-dmacc:1.")
            .is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit()))
}

/// A bootstrap message with one account for a device of this version (§4.7, §5.2): outside of any session, so SessionID and MsgID are 0.
///
/// # Errors
/// A value that WBXML cannot hold.
pub(crate) fn dm_message(
    account: &DmAcc1,
    target: &str,
    source: &str,
    version: Dm1Version,
) -> Result<Vec<u8>, MarkupFault> {
    let commands = [AclCommand::Get, AclCommand::Replace, AclCommand::Delete];
    let acl = Acl::of(&account.server_id, &commands);
    let tnds = MgmtTree {
        man: None,
        model: None,
        nodes: vec![tnds_of(
            "DMAcc",
            &identifier(version),
            acl.as_ref(),
            &account.to_node(),
        )],
    };
    let item = Item {
        meta: Meta {
            format: Some("bin".into()),
            r#type: Some(MEDIA_TYPE_WBXML.into()),
            ..Meta::default()
        },
        data: Some(Data::Octets(
            tnds.encode(Encoding::Wbxml)?.octets().to_vec(),
        )),
        ..Item::at("./Inbox")
    };
    let message = Message {
        header: SyncHdr {
            ver_dtd: VER_DTD.into(),
            ver_proto: version.ver_proto().into(),
            session_id: "0".into(),
            msg_id: 0,
            target: Location::new(target),
            source: Location::new(source),
            resp_uri: None,
            cred: None,
            meta: Meta::default(),
        },
        commands: vec![Command::Add(NodeCommand {
            cmd_id: Some(CmdId::number(1)),
            meta: Meta::default(),
            items: vec![item],
        })],
        r#final: true,
    };
    message.encode(Encoding::Wbxml)
}

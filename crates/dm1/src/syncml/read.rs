//! A message from events, in any order of elements (M13).

use super::{
    Alert, AlertCode, Chal, CmdId, Command, Cred, Data, Encoding, Exec, Group, Item, Location,
    Message, Meta, Named, NodeCommand, Results, Status, StatusCode, SyncHdr,
};
use crate::markup::{
    Child, Event, MarkupError, MarkupLimits, MarkupReader, Name, Walk, XmlVocabulary, metinf_tags,
    syncml_tags as tags,
};
use crate::wbxml::WbxmlReader;
use crate::xml::XmlReader;

/// Most items, statuses and members of a message together. Local limit.
pub const MAX_ITEMS: usize = 4096;

/// A message that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableMessage {
    /// The header, if it could be read: then the answer is a message with status 400 and an abort, else HTTP 400 (M10).
    pub header: Option<Box<SyncHdr>>,
    /// What is wrong.
    pub fault: MessageFault,
}

/// What is wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageFault {
    /// The document itself.
    #[error(transparent)]
    Markup(#[from] MarkupError),
    /// Another root element.
    #[error("the root element is not SyncML")]
    NotSyncMl,
    /// No `SyncHdr`.
    #[error("there is no SyncHdr")]
    NoHeader,
    /// A header without one of its mandatory elements.
    #[error("SyncHdr lacks {0}")]
    HeaderLacks(&'static str),
    /// More items than [`MAX_ITEMS`].
    #[error("more than {MAX_ITEMS} items in one message")]
    TooManyItems,
}

impl Message {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// [`UnreadableMessage`]; the header is among it where only the rest is wrong.
    pub fn decode(
        octets: &[u8],
        encoding: Encoding,
        limits: MarkupLimits,
    ) -> Result<Self, UnreadableMessage> {
        let without_header = |error: MarkupError| UnreadableMessage {
            header: None,
            fault: error.into(),
        };
        match encoding {
            Encoding::Xml => {
                let names = XmlVocabulary::SyncMlAndMgmtTree;
                read(XmlReader::new(octets, names, limits).map_err(without_header)?)
            }
            Encoding::Wbxml => read(WbxmlReader::new(octets, limits).map_err(without_header)?),
        }
    }
}

fn read<'a>(reader: impl MarkupReader<'a>) -> Result<Message, UnreadableMessage> {
    let mut body = Body {
        walk: Walk::new(reader),
        items: 0,
    };
    let mut header = None;
    let body = body.message(&mut header);
    match (body, header) {
        (Ok((commands, r#final)), Some(header)) => Ok(Message {
            header,
            commands,
            r#final,
        }),
        (Ok(_), None) => Err(UnreadableMessage {
            header: None,
            fault: MessageFault::NoHeader,
        }),
        (Err(fault), header) => Err(UnreadableMessage {
            header: header.map(Box::new),
            fault,
        }),
    }
}

type Read<T> = Result<T, MessageFault>;

struct Body<R> {
    walk: Walk<R>,
    items: usize,
}

impl<'a, R: MarkupReader<'a>> Body<R> {
    fn count(&mut self) -> Read<()> {
        self.items += 1;
        if self.items > MAX_ITEMS {
            return Err(MessageFault::TooManyItems);
        }
        Ok(())
    }

    fn message(&mut self, header: &mut Option<SyncHdr>) -> Read<(Vec<Command>, bool)> {
        match self.walk.next_event()? {
            Some(Event::Start(Name::Known(tags::SYNC_ML))) => {}
            _ => return Err(MessageFault::NotSyncMl),
        }
        let (mut commands, mut r#final) = (Vec::new(), false);
        while let Some(tag) = self.walk.known()? {
            match tag {
                tags::SYNC_HDR if header.is_none() => *header = Some(self.header()?),
                tags::SYNC_BODY => self.body(&mut commands, &mut r#final)?,
                _ => self.walk.skip()?,
            }
        }
        Ok((commands, r#final))
    }

    fn header(&mut self) -> Read<SyncHdr> {
        let (mut ver_dtd, mut ver_proto, mut session_id, mut msg_id) = (None, None, None, None);
        let (mut target, mut source, mut resp_uri, mut cred) = (None, None, None, None);
        let mut meta = Meta::default();
        while let Some(tag) = self.walk.known()? {
            match tag {
                tags::VER_DTD => ver_dtd = self.walk.token()?,
                tags::VER_PROTO => ver_proto = self.walk.token()?,
                tags::SESSION_ID => session_id = self.walk.token()?,
                tags::MSG_ID => msg_id = self.walk.number("MsgID")?,
                tags::TARGET => target = self.location()?,
                tags::SOURCE => source = self.location()?,
                tags::RESP_URI => resp_uri = self.walk.token()?,
                tags::CRED => cred = self.cred()?,
                tags::META => meta = self.meta()?,
                _ => self.walk.skip()?,
            }
        }
        const fn lacks<T>(name: &'static str) -> Read<T> {
            Err(MessageFault::HeaderLacks(name))
        }
        Ok(SyncHdr {
            ver_dtd: ver_dtd.map_or_else(|| lacks("VerDTD"), Ok)?,
            ver_proto: ver_proto.map_or_else(|| lacks("VerProto"), Ok)?,
            session_id: session_id.map_or_else(|| lacks("SessionID"), Ok)?,
            msg_id: msg_id.map_or_else(|| lacks("MsgID"), Ok)?,
            target: target.map_or_else(|| lacks("Target"), Ok)?,
            source: source.map_or_else(|| lacks("Source"), Ok)?,
            resp_uri,
            cred,
            meta,
        })
    }

    /// A `Target` or `Source`; some hold their text without `LocURI`.
    fn location(&mut self) -> Read<Option<Location>> {
        let (mut uri, mut name, mut bare) = (None, None, String::new());
        loop {
            match self.walk.next_event()? {
                Some(Event::Start(Name::Known(tags::LOC_URI))) => uri = Some(self.walk.text()?),
                Some(Event::Start(Name::Known(tags::LOC_NAME))) => name = Some(self.walk.text()?),
                Some(Event::Start(_)) => self.walk.skip()?,
                Some(Event::Text(text)) => bare.push_str(&text),
                Some(Event::Opaque(_) | Event::Attribute { .. }) => {}
                Some(Event::End) | None => break,
            }
        }
        let uri = uri.unwrap_or(bare).trim().to_owned();
        Ok((!uri.is_empty()).then_some(Location { uri, name }))
    }

    fn cred(&mut self) -> Read<Option<Cred>> {
        let (mut meta, mut data) = (Meta::default(), None);
        while let Some(tag) = self.walk.known()? {
            match tag {
                tags::META => meta = self.meta()?,
                tags::DATA => data = Some(Data::from(self.walk.data()?)),
                _ => self.walk.skip()?,
            }
        }
        Ok(data.map(|data| Cred { meta, data }))
    }

    fn meta(&mut self) -> Read<Meta> {
        let mut meta = Meta::default();
        self.meta_into(&mut meta)?;
        Ok(meta)
    }

    fn meta_into(&mut self, meta: &mut Meta) -> Read<()> {
        while let Some(tag) = self.walk.known()? {
            match tag {
                metinf_tags::FORMAT => meta.format = self.walk.token()?,
                metinf_tags::TYPE => meta.r#type = self.walk.token()?,
                metinf_tags::MARK => meta.mark = self.walk.token()?,
                metinf_tags::SIZE => meta.size = self.walk.number("Size")?,
                metinf_tags::NEXT_NONCE => meta.next_nonce = self.walk.token()?,
                metinf_tags::MAX_MSG_SIZE => meta.max_msg_size = self.walk.number("MaxMsgSize")?,
                metinf_tags::MAX_OBJ_SIZE => meta.max_obj_size = self.walk.number("MaxObjSize")?,
                // Some wrap the elements once more.
                metinf_tags::MET_INF => self.meta_into(meta)?,
                _ => self.walk.skip()?,
            }
        }
        Ok(())
    }

    fn item(&mut self) -> Read<Item> {
        self.count()?;
        let mut item = Item::default();
        while let Some(tag) = self.walk.known()? {
            match tag {
                tags::TARGET => item.target = self.location()?,
                tags::SOURCE => item.source = self.location()?,
                tags::META => item.meta = self.meta()?,
                tags::DATA => item.data = Some(Data::from(self.walk.data()?)),
                tags::MORE_DATA => {
                    item.more_data = true;
                    self.walk.skip()?;
                }
                _ => self.walk.skip()?,
            }
        }
        Ok(item)
    }

    fn body(&mut self, commands: &mut Vec<Command>, r#final: &mut bool) -> Read<()> {
        while let Some(child) = self.walk.child()? {
            if matches!(child, Child::Known(tags::FINAL)) {
                *r#final = true;
                self.walk.skip()?;
            } else {
                commands.push(self.command(child)?);
            }
        }
        Ok(())
    }

    fn command(&mut self, child: Child) -> Read<Command> {
        self.count()?;
        let tag = match child {
            Child::Known(tag) => tag,
            Child::Other(name) => return self.other(name),
        };
        Ok(match tag {
            tags::ADD => Command::Add(self.node_command()?),
            tags::REPLACE => Command::Replace(self.node_command()?),
            tags::COPY => Command::Copy(self.node_command()?),
            tags::DELETE => Command::Delete(self.node_command()?),
            tags::GET => Command::Get(self.node_command()?),
            tags::EXEC => Command::Exec(self.exec()?),
            tags::ALERT => Command::Alert(self.alert()?),
            tags::ATOMIC => Command::Atomic(self.group()?),
            tags::SEQUENCE => Command::Sequence(self.group()?),
            tags::STATUS => Command::Status(self.status()?),
            tags::RESULTS => Command::Results(self.results()?),
            _ => {
                let name = tag.name().unwrap_or("an element without a name");
                return self.other(name.to_owned());
            }
        })
    }

    fn other(&mut self, name: String) -> Read<Command> {
        let mut cmd_id = None;
        while let Some(tag) = self.walk.known()? {
            match tag {
                tags::CMD_ID => cmd_id = self.cmd_id()?,
                _ => self.walk.skip()?,
            }
        }
        Ok(Command::Other(Named { name, cmd_id }))
    }

    fn cmd_id(&mut self) -> Read<Option<CmdId>> {
        Ok(CmdId::read(&self.walk.text()?))
    }

    fn node_command(&mut self) -> Read<NodeCommand> {
        let mut command = NodeCommand::default();
        while let Some(tag) = self.walk.known()? {
            match tag {
                tags::CMD_ID => command.cmd_id = self.cmd_id()?,
                tags::META => command.meta = self.meta()?,
                tags::ITEM => command.items.push(self.item()?),
                _ => self.walk.skip()?,
            }
        }
        Ok(command)
    }

    fn exec(&mut self) -> Read<Exec> {
        let mut exec = Exec::default();
        while let Some(tag) = self.walk.known()? {
            match tag {
                tags::CMD_ID => exec.cmd_id = self.cmd_id()?,
                tags::META => exec.meta = self.meta()?,
                tags::CORRELATOR => exec.correlator = self.walk.token()?,
                tags::ITEM => exec.items.push(self.item()?),
                _ => self.walk.skip()?,
            }
        }
        Ok(exec)
    }

    fn alert(&mut self) -> Read<Alert> {
        let mut alert = Alert {
            cmd_id: None,
            code: None,
            correlator: None,
            items: Vec::new(),
        };
        while let Some(tag) = self.walk.known()? {
            match tag {
                tags::CMD_ID => alert.cmd_id = self.cmd_id()?,
                tags::DATA => {
                    alert.code = self
                        .walk
                        .token()?
                        .and_then(|text| text.parse().ok().map(AlertCode));
                }
                tags::CORRELATOR => alert.correlator = self.walk.token()?,
                tags::ITEM => alert.items.push(self.item()?),
                _ => self.walk.skip()?,
            }
        }
        Ok(alert)
    }

    fn group(&mut self) -> Read<Group> {
        let mut group = Group::default();
        while let Some(child) = self.walk.child()? {
            match child {
                Child::Known(tags::CMD_ID) => group.cmd_id = self.cmd_id()?,
                Child::Known(tags::META) => group.meta = self.meta()?,
                child => group.members.push(self.command(child)?),
            }
        }
        Ok(group)
    }

    fn status(&mut self) -> Read<Status> {
        let mut status = Status {
            cmd_id: None,
            msg_ref: None,
            cmd_ref: None,
            cmd: None,
            target_refs: Vec::new(),
            source_refs: Vec::new(),
            chal: None,
            code: None,
            items: Vec::new(),
        };
        while let Some(tag) = self.walk.known()? {
            match tag {
                tags::CMD_ID => status.cmd_id = self.cmd_id()?,
                tags::MSG_REF => status.msg_ref = self.walk.number("MsgRef")?,
                tags::CMD_REF => status.cmd_ref = self.cmd_id()?,
                tags::CMD => status.cmd = self.walk.token()?,
                tags::TARGET_REF => status.target_refs.extend(self.walk.token()?),
                tags::SOURCE_REF => status.source_refs.extend(self.walk.token()?),
                tags::CHAL => status.chal = Some(self.chal()?),
                tags::DATA => {
                    status.code = self
                        .walk
                        .token()?
                        .and_then(|text| text.parse().ok().map(StatusCode));
                }
                tags::ITEM => status.items.push(self.item()?),
                _ => self.walk.skip()?,
            }
        }
        Ok(status)
    }

    fn chal(&mut self) -> Read<Chal> {
        let mut chal = Chal::default();
        while let Some(tag) = self.walk.known()? {
            match tag {
                tags::META => chal.meta = self.meta()?,
                _ => self.walk.skip()?,
            }
        }
        Ok(chal)
    }

    fn results(&mut self) -> Read<Results> {
        let mut results = Results {
            cmd_id: None,
            msg_ref: None,
            cmd_ref: None,
            meta: Meta::default(),
            items: Vec::new(),
        };
        while let Some(tag) = self.walk.known()? {
            match tag {
                tags::CMD_ID => results.cmd_id = self.cmd_id()?,
                tags::MSG_REF => results.msg_ref = self.walk.number("MsgRef")?,
                tags::CMD_REF => results.cmd_ref = self.cmd_id()?,
                tags::META => results.meta = self.meta()?,
                tags::ITEM => results.items.push(self.item()?),
                _ => self.walk.skip()?,
            }
        }
        Ok(results)
    }
}

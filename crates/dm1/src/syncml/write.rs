//! Elements in the order of their content models (§1.2).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{
    Alert, CmdId, Command, Cred, Data, Encoding, Exec, Group, Item, Location, Message, Meta,
    NodeCommand, Results, Status, SyncHdr,
};
use crate::markup::{MarkupWriter, Tag, metinf_tags, syncml_tags as tags};

impl Message {
    /// Writes the message.
    pub(super) fn write(&self, writer: &mut impl MarkupWriter, encoding: Encoding) {
        let mut out = Out { writer, encoding };
        out.within(tags::SYNC_ML, |out| {
            out.header(&self.header);
            out.within(tags::SYNC_BODY, |out| {
                for command in &self.commands {
                    out.command(command);
                }
                if self.r#final {
                    out.within(tags::FINAL, |_| {});
                }
            });
        });
    }
}

struct Out<'w, W> {
    writer: &'w mut W,
    encoding: Encoding,
}

impl<W: MarkupWriter> Out<'_, W> {
    fn within(&mut self, tag: Tag, content: impl FnOnce(&mut Self)) {
        self.writer.start(tag);
        content(self);
        self.writer.end();
    }

    fn text(&mut self, tag: Tag, text: &str) {
        self.within(tag, |out| out.writer.text(text));
    }

    fn maybe(&mut self, tag: Tag, text: Option<&str>) {
        if let Some(text) = text {
            self.text(tag, text);
        }
    }

    fn number(&mut self, tag: Tag, number: Option<u64>) {
        if let Some(number) = number {
            self.text(tag, &number.to_string());
        }
    }

    fn cmd_id(&mut self, tag: Tag, id: Option<&CmdId>) {
        self.maybe(tag, id.map(CmdId::as_str));
    }

    fn header(&mut self, header: &SyncHdr) {
        self.within(tags::SYNC_HDR, |out| {
            out.text(tags::VER_DTD, &header.ver_dtd);
            out.text(tags::VER_PROTO, &header.ver_proto);
            out.text(tags::SESSION_ID, &header.session_id);
            out.text(tags::MSG_ID, &header.msg_id.to_string());
            out.location(tags::TARGET, Some(&header.target));
            out.location(tags::SOURCE, Some(&header.source));
            out.maybe(tags::RESP_URI, header.resp_uri.as_deref());
            if let Some(cred) = &header.cred {
                out.cred(cred);
            }
            out.meta(&header.meta);
        });
    }

    fn cred(&mut self, cred: &Cred) {
        self.within(tags::CRED, |out| {
            out.meta(&cred.meta);
            out.data(&cred.data);
        });
    }

    fn location(&mut self, tag: Tag, location: Option<&Location>) {
        if let Some(location) = location {
            self.within(tag, |out| {
                out.text(tags::LOC_URI, &location.uri);
                out.maybe(tags::LOC_NAME, location.name.as_deref());
            });
        }
    }

    fn meta(&mut self, meta: &Meta) {
        if meta.is_empty() {
            return;
        }
        self.within(tags::META, |out| {
            out.maybe(metinf_tags::FORMAT, meta.format.as_deref());
            out.maybe(metinf_tags::TYPE, meta.r#type.as_deref());
            out.maybe(metinf_tags::MARK, meta.mark.as_deref());
            out.number(metinf_tags::SIZE, meta.size);
            out.maybe(metinf_tags::NEXT_NONCE, meta.next_nonce.as_deref());
            out.number(metinf_tags::MAX_MSG_SIZE, meta.max_msg_size);
            out.number(metinf_tags::MAX_OBJ_SIZE, meta.max_obj_size);
        });
    }

    fn data(&mut self, data: &Data) {
        self.within(tags::DATA, |out| match data {
            Data::Text(text) => out.writer.text(text),
            Data::Octets(octets) => out.writer.opaque(octets),
        });
    }

    fn items(&mut self, items: &[Item]) {
        for item in items {
            self.item(item);
        }
    }

    fn item(&mut self, item: &Item) {
        let (meta, data) = carried(item, self.encoding);
        self.within(tags::ITEM, |out| {
            out.location(tags::TARGET, item.target.as_ref());
            out.location(tags::SOURCE, item.source.as_ref());
            out.meta(&meta);
            if let Some(data) = &data {
                out.data(data);
            }
            if item.more_data {
                out.within(tags::MORE_DATA, |_| {});
            }
        });
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Add(add) => self.node_command(tags::ADD, add),
            Command::Replace(replace) => self.node_command(tags::REPLACE, replace),
            Command::Copy(copy) => self.node_command(tags::COPY, copy),
            Command::Delete(delete) => self.node_command(tags::DELETE, delete),
            Command::Get(get) => self.node_command(tags::GET, get),
            Command::Exec(exec) => self.exec(exec),
            Command::Alert(alert) => self.alert(alert),
            Command::Atomic(group) => self.group(tags::ATOMIC, group),
            Command::Sequence(group) => self.group(tags::SEQUENCE, group),
            Command::Status(status) => self.status(status),
            Command::Results(results) => self.results(results),
            // Only a peer's message has one; nothing of ours is written by name.
            Command::Other(_) => {}
        }
    }

    fn node_command(&mut self, tag: Tag, command: &NodeCommand) {
        self.within(tag, |out| {
            out.cmd_id(tags::CMD_ID, command.cmd_id.as_ref());
            out.meta(&command.meta);
            out.items(&command.items);
        });
    }

    fn exec(&mut self, exec: &Exec) {
        self.within(tags::EXEC, |out| {
            out.cmd_id(tags::CMD_ID, exec.cmd_id.as_ref());
            out.meta(&exec.meta);
            out.maybe(tags::CORRELATOR, exec.correlator.as_deref());
            out.items(&exec.items);
        });
    }

    fn alert(&mut self, alert: &Alert) {
        self.within(tags::ALERT, |out| {
            out.cmd_id(tags::CMD_ID, alert.cmd_id.as_ref());
            if let Some(code) = alert.code {
                out.text(tags::DATA, &code.0.to_string());
            }
            out.maybe(tags::CORRELATOR, alert.correlator.as_deref());
            out.items(&alert.items);
        });
    }

    fn group(&mut self, tag: Tag, group: &Group) {
        self.within(tag, |out| {
            out.cmd_id(tags::CMD_ID, group.cmd_id.as_ref());
            out.meta(&group.meta);
            for member in &group.members {
                out.command(member);
            }
        });
    }

    fn status(&mut self, status: &Status) {
        self.within(tags::STATUS, |out| {
            out.cmd_id(tags::CMD_ID, status.cmd_id.as_ref());
            out.number(tags::MSG_REF, status.msg_ref.map(u64::from));
            out.cmd_id(tags::CMD_REF, status.cmd_ref.as_ref());
            out.maybe(tags::CMD, status.cmd.as_deref());
            for target in &status.target_refs {
                out.text(tags::TARGET_REF, target);
            }
            for source in &status.source_refs {
                out.text(tags::SOURCE_REF, source);
            }
            if let Some(chal) = &status.chal {
                out.within(tags::CHAL, |out| out.meta(&chal.meta));
            }
            if let Some(code) = status.code {
                out.text(tags::DATA, &code.0.to_string());
            }
            out.items(&status.items);
        });
    }

    fn results(&mut self, results: &Results) {
        self.within(tags::RESULTS, |out| {
            out.cmd_id(tags::CMD_ID, results.cmd_id.as_ref());
            out.number(tags::MSG_REF, results.msg_ref.map(u64::from));
            out.cmd_id(tags::CMD_REF, results.cmd_ref.as_ref());
            out.meta(&results.meta);
            out.items(&results.items);
        });
    }
}

/// Content that XML cannot hold travels there as base64 with the format `b64`; the node's own format is not changed by it (§4.2, M14).
fn carried(item: &Item, encoding: Encoding) -> (Cow<'_, Meta>, Option<Cow<'_, Data>>) {
    let Some(data) = &item.data else {
        return (Cow::Borrowed(&item.meta), None);
    };
    let fits = encoding == Encoding::Wbxml
        || data.text().is_some_and(|text| {
            !text
                .bytes()
                .any(|octet| octet < b' ' && !matches!(octet, b'\t' | b'\n' | b'\r'))
        });
    if fits {
        return (Cow::Borrowed(&item.meta), Some(Cow::Borrowed(data)));
    }
    let meta = Meta {
        format: Some("b64".into()),
        ..item.meta.clone()
    };
    let text = Data::Text(STANDARD.encode(data.octets()));
    (Cow::Owned(meta), Some(Cow::Owned(text)))
}

//! Alerts and `DevInfo` of the client that come in chunks (M08).

use omadm_dm1::syncml::{
    Alert, AlertCode, Command, Data, Item, Location, Meta, NodeCommand, StatusCode,
};
use serde::{Deserialize, Serialize};

use super::state::StoredData;
use super::turn::Turn;

/// A command of the client's whose object comes in chunks. Of its item there is one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ObjectIn {
    /// Number of an alert; none for a Replace.
    alert: Option<u16>,
    correlator: Option<String>,
    uri: Option<String>,
    format: Option<String>,
    r#type: Option<String>,
    mark: Option<String>,
    /// What was announced.
    size: u64,
    /// What came so far.
    pub(super) data: StoredData,
}

/// 411 has no name in DM: the size of a chunked object was not announced.
const SIZE_REQUIRED: StatusCode = StatusCode(411);

impl Turn<'_> {
    /// The command where it is whole, or becomes so by its last chunk; the status of a chunk. A new one before the end of an object breaks that off (§1.6).
    pub(super) fn whole(&mut self, command: &Command) -> Result<Command, StatusCode> {
        let Some((head, more)) = ObjectIn::head(command) else {
            self.broken_off();
            let chunked = items(command).iter().any(|item| item.more_data);
            return if chunked {
                Err(StatusCode::NOT_SUPPORTED)
            } else {
                Ok(command.clone())
            };
        };
        let goes_on = |open: &ObjectIn| open.is_of(&head);
        if !self.state.object_in.as_ref().is_some_and(goes_on) {
            self.broken_off();
            if !more {
                return Ok(command.clone());
            }
        }
        let meta = items(command).first().map(|item| item.meta.clone());
        let announced = meta.and_then(|meta| meta.size);
        let most = self.server.limits.max_obj_size;
        let mut open = match self.state.object_in.take() {
            Some(open) => open,
            None => match announced {
                None => return Err(SIZE_REQUIRED),
                Some(size) if size > most => return Err(StatusCode::TOO_LARGE),
                Some(size) => ObjectIn { size, ..head },
            },
        };
        let data = items(command).first().and_then(|item| item.data.clone());
        open.data
            .push(&data.unwrap_or_else(|| Data::Text(String::new())));
        let length = open.data.len();
        if length > open.size || (!more && length != open.size) {
            return Err(StatusCode::SIZE_MISMATCH);
        }
        if more {
            self.state.object_in = Some(open);
            return Err(StatusCode::CHUNK_ACCEPTED);
        }
        Ok(open.command(command))
    }

    /// The object that is being received, if one is, is given up: Alert 1225.
    pub(super) fn broken_off(&mut self) {
        if self.state.object_in.take().is_some() {
            self.is_broken = true;
        }
    }
}

impl ObjectIn {
    /// What is kept of a chunk's command beside its data, and whether it is not the last; none where the command cannot be one.
    fn head(command: &Command) -> Option<(Self, bool)> {
        let [item] = items(command) else {
            return None;
        };
        let (alert, correlator) = match command {
            Command::Alert(alert) => (Some(alert.code?.0), alert.correlator.clone()),
            _ => (None, None),
        };
        let place = item.source.as_ref().or(item.target.as_ref());
        let head = Self {
            alert,
            correlator,
            uri: place.map(|place| place.uri.clone()),
            format: item.meta.format.clone(),
            r#type: item.meta.r#type.clone(),
            mark: item.meta.mark.clone(),
            size: 0,
            data: StoredData::of(&Data::Octets(Vec::new())),
        };
        Some((head, item.more_data))
    }

    /// Whether a chunk is one of this object: the same command on the same node. Format and type may be left out, and are else the same.
    fn is_of(&self, next: &Self) -> bool {
        self.alert == next.alert
            && self.uri == next.uri
            && (next.r#type.is_none() || self.r#type == next.r#type)
            && (next.format.is_none() || self.format == next.format)
    }

    /// The command as if it had come in one piece.
    fn command(self, last: &Command) -> Command {
        let item = Item {
            source: self.uri.map(Location::new),
            meta: Meta {
                format: self.format,
                r#type: self.r#type,
                mark: self.mark,
                ..Meta::default()
            },
            data: Some(self.data.data()),
            ..Item::default()
        };
        let cmd_id = last.cmd_id().cloned();
        match self.alert {
            Some(code) => Command::Alert(Alert {
                cmd_id,
                code: Some(AlertCode(code)),
                correlator: self.correlator,
                items: vec![item],
            }),
            None => Command::Replace(NodeCommand {
                cmd_id,
                meta: Meta::default(),
                items: vec![item],
            }),
        }
    }
}

fn items(command: &Command) -> &[Item] {
    match command {
        Command::Alert(alert) => &alert.items,
        Command::Replace(replace) => &replace.items,
        _ => &[],
    }
}

//! Statuses, results and `DevInfo` of the client (M04, M05, M08).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omadm_bootstrap::Utc;
use omadm_dm1::syncml::{Command, Data, Item, Meta, NodeCommand, Results, Status, StatusCode};

use super::causes::Irregularity;
use super::state::{ChunkIn, SentCommand1, StoredData, StoredItem};
use super::step::{Outcome, OwnCommand1, OwnOutcome1};
use super::turn::Turn;

/// Commands of SyncML that DM does not use: 406, where others are 501.
pub(super) const UNUSED: [&str; 5] = ["Map", "Move", "Put", "Search", "Sync"];

/// Most leaves of `DevInfo` that are kept.
const LEAVES: usize = 64;

impl Turn<'_> {
    /// A status: matched by what it refers to alone, in any order (M04).
    pub(super) fn status(&mut self, status: &Status) {
        if status.is_of_header() {
            return;
        }
        let Some((at, member)) = self.referred(status) else {
            // A status of an alert or status of ours says nothing that is needed.
            if !matches!(status.cmd.as_deref(), Some("Alert" | "Status")) {
                self.irregular(Irregularity::UnknownReference);
            }
            return;
        };
        let Some(code) = status.code else {
            return;
        };
        let sent = &mut self.state.sent[at];
        let is_chunk = member.is_none()
            && self
                .state
                .chunk_out
                .as_ref()
                .is_some_and(|chunk| sent.id.as_ref() == Some(&chunk.id));
        if is_chunk && code == StatusCode::CHUNK_ACCEPTED {
            self.state.sent.remove(at);
            return;
        }
        let place = match member {
            Some(member) => sent.member_codes.get_mut(member),
            None => Some(&mut sent.code),
        };
        // Several statuses of one command are of its items: one that failed counts (M05).
        if let Some(place) = place
            && place.is_none_or(|before| StatusCode(before).is_success())
        {
            *place = Some(code.0);
        }
        if is_chunk {
            self.state.chunk_out = None;
        }
        self.perhaps_settled(at);
    }

    /// Position among the sent commands, and among the members of that one.
    fn referred(&self, status: &Status) -> Option<(usize, Option<usize>)> {
        let msg_ref = status.msg_ref.unwrap_or(self.state.msg_id);
        let Some(cmd_ref) = &status.cmd_ref else {
            let open = self.state.sent.iter().enumerate().filter(|(_, sent)| {
                sent.code.is_none() && Some(&*sent.name) == status.cmd.as_deref()
            });
            let open: Vec<_> = open.map(|(at, _)| at).take(2).collect();
            return if let [only] = open[..] {
                Some((only, None))
            } else {
                None
            };
        };
        let number: u32 = cmd_ref.as_str().parse().ok()?;
        self.find(msg_ref, number)
    }

    fn find(&self, msg_ref: u32, number: u32) -> Option<(usize, Option<usize>)> {
        let sent = self.state.sent.iter().enumerate();
        let mut of_message = sent.filter(|(_, sent)| sent.msg_id == msg_ref);
        of_message.find_map(|(at, sent)| {
            if sent.cmd_id == number {
                return Some((at, None));
            }
            let member = sent.members.iter().position(|member| *member == number)?;
            Some((at, Some(member)))
        })
    }

    /// A command of which nothing more can come has its outcome; the others wait for the end of the package.
    fn perhaps_settled(&mut self, at: usize) {
        let Some(sent) = self.state.sent.get(at) else {
            return;
        };
        let Some(code) = sent.code.map(StatusCode) else {
            return;
        };
        let waits = match &*sent.name {
            "Atomic" | "Sequence" => true,
            "Get" => code.is_success() && sent.results.is_empty() || self.comes_in_chunks(sent),
            _ => false,
        };
        if !waits && sent.id.is_some() {
            let sent = self.state.sent.remove(at);
            let outcome = sent.outcome();
            self.outcome(&sent, outcome);
        }
    }

    fn comes_in_chunks(&self, sent: &SentCommand1) -> bool {
        let chunk = self.state.chunk_in.as_ref();
        chunk.is_some_and(|chunk| (chunk.msg_ref, chunk.cmd_ref) == (sent.msg_id, sent.cmd_id))
    }

    /// Results; a status is owed only where it is not 200 (§1.5/6).
    pub(super) fn results(&mut self, results: &Results) -> Option<StatusCode> {
        let msg_ref = results.msg_ref.unwrap_or(self.state.msg_id);
        let number = results
            .cmd_ref
            .as_ref()
            .and_then(|id| id.as_str().parse().ok());
        let found = match number {
            Some(number) => self.find(msg_ref, number).map(|(at, _)| (at, number)),
            None => self.only_get(),
        };
        let Some((at, number)) = found else {
            self.irregular(Irregularity::UnknownReference);
            return None;
        };
        let mut owed = None;
        for item in &results.items {
            let code = self.result(at, (msg_ref, number), item, &results.meta);
            owed = owed.or(code);
        }
        if owed.is_none() {
            self.perhaps_settled(at);
        }
        owed
    }

    fn only_get(&self) -> Option<(usize, u32)> {
        let gets = self.state.sent.iter().enumerate();
        let gets: Vec<_> = gets
            .filter(|(_, sent)| sent.name == "Get")
            .take(2)
            .collect();
        match gets[..] {
            [(at, sent)] => Some((at, sent.cmd_id)),
            _ => None,
        }
    }

    /// One item: whole, or a chunk. A status other than 200 is told.
    fn result(
        &mut self,
        at: usize,
        (msg_ref, cmd_ref): (u32, u32),
        item: &Item,
        common: &Meta,
    ) -> Option<StatusCode> {
        let meta = item.meta.over(common);
        let uri = item
            .source
            .as_ref()
            .or(item.target.as_ref())
            .map(|place| place.uri.clone());
        let data = item
            .data
            .clone()
            .unwrap_or_else(|| Data::Text(String::new()));
        let most = self.server.limits.max_obj_size;
        let mut chunk = match self.state.chunk_in.take() {
            Some(chunk) if chunk.goes_on(msg_ref, cmd_ref, uri.as_deref()) => chunk,
            before => {
                if before.is_some() {
                    self.is_broken = true;
                }
                if !item.more_data {
                    let whole = StoredItem {
                        uri: uri.unwrap_or_default(),
                        format: meta.format(),
                        r#type: meta.r#type().to_owned(),
                        data: StoredData::of(&data),
                    };
                    self.state.sent.get_mut(at)?.results.push(whole);
                    return None;
                }
                ChunkIn {
                    msg_ref,
                    cmd_ref,
                    uri: uri.unwrap_or_default(),
                    format: meta.format(),
                    r#type: meta.r#type().to_owned(),
                    size: meta.size,
                    data: StoredData::of(&Data::Octets(Vec::new())),
                }
            }
        };
        if chunk.size.is_some_and(|size| size > most) {
            return Some(StatusCode::TOO_LARGE);
        }
        if meta.format.is_some() && meta.format() != chunk.format {
            return Some(StatusCode::SIZE_MISMATCH);
        }
        chunk.data.push(&data);
        let length = chunk.data.len();
        if length > most {
            return Some(StatusCode::TOO_LARGE);
        }
        if chunk.size.is_some_and(|size| length > size) {
            return Some(StatusCode::SIZE_MISMATCH);
        }
        if item.more_data {
            self.state.chunk_in = Some(chunk);
            return Some(StatusCode::CHUNK_ACCEPTED);
        }
        if chunk.size.is_some_and(|size| length != size) {
            return Some(StatusCode::SIZE_MISMATCH);
        }
        let whole = StoredItem {
            uri: chunk.uri,
            format: chunk.format,
            r#type: chunk.r#type,
            data: chunk.data,
        };
        self.state.sent.get_mut(at)?.results.push(whole);
        None
    }

    /// Octets that are held for commands without outcome.
    pub(super) fn held(&self) -> u64 {
        let results = self.state.sent.iter().flat_map(|sent| &sent.results);
        let chunk = self
            .state
            .chunk_in
            .as_ref()
            .map_or(0, |chunk| chunk.data.len());
        let object = self.state.object_in.as_ref();
        let object = object.map_or(0, |object| object.data.len());
        results
            .map(|item| item.data.len() + item.uri.len() as u64)
            .sum::<u64>()
            + chunk
            + object
    }

    /// Beyond it the session is aborted.
    pub(super) const fn held_limit(&self) -> u64 {
        let limits = self.server.limits;
        limits.max_obj_size + limits.markup.octets as u64
    }

    /// A `Replace` of the client's: of `DevInfo` alone (§1.5/5).
    pub(super) fn dev_info(&mut self, replace: &NodeCommand) -> StatusCode {
        let mut leaves = Vec::new();
        if replace.items.is_empty() {
            return StatusCode::INCOMPLETE;
        }
        for item in &replace.items {
            let Some(place) = item.source.as_ref().or(item.target.as_ref()) else {
                return StatusCode::INCOMPLETE;
            };
            let path = place.uri.strip_prefix("./").unwrap_or(&place.uri);
            let Some(leaf) = path.strip_prefix("DevInfo/") else {
                return StatusCode::NOT_ALLOWED;
            };
            let text = item.data.as_ref().and_then(|data| data.text());
            leaves.push((leaf.to_owned(), text.unwrap_or_default().to_owned()));
        }
        let known = self.delta.dev_info.get_or_insert_default();
        for (leaf, text) in leaves {
            if known.len() < LEAVES || known.contains_key(&leaf) {
                known.insert(leaf, text);
            }
        }
        StatusCode::OK
    }
}

impl ChunkIn {
    fn goes_on(&self, msg_ref: u32, cmd_ref: u32, uri: Option<&str>) -> bool {
        self.msg_ref == msg_ref && self.cmd_ref == cmd_ref && uri.is_none_or(|uri| uri == self.uri)
    }
}

impl StoredData {
    /// Appends a chunk: text stays text for as long as all of it is.
    pub(super) fn push(&mut self, chunk: &Data) {
        match (&mut *self, chunk) {
            (Self::Text(text), Data::Text(more)) => text.push_str(more),
            (Self::Base64(before), Data::Text(more)) if before.is_empty() => {
                *self = Self::Text(more.clone());
            }
            (_, more) => {
                let whole = [self.data().octets(), more.octets()].concat();
                *self = Self::Base64(STANDARD.encode(whole));
            }
        }
    }
}

impl SentCommand1 {
    pub(super) fn new(id: Option<String>, command: &Command, now: Utc) -> Self {
        let members = match command {
            Command::Atomic(group) | Command::Sequence(group) => group.members.len(),
            _ => 0,
        };
        Self {
            id,
            msg_id: 0,
            cmd_id: 0,
            name: command.name().to_owned(),
            uri: None,
            members: vec![0; members],
            sent_at: now,
            code: None,
            member_codes: vec![None; members],
            results: Vec::new(),
        }
    }

    /// One that the server sends by itself, about nodes below this one.
    pub(super) fn own(command: &Command, uri: String, now: Utc) -> Self {
        Self {
            uri: Some(uri),
            ..Self::new(None, command, now)
        }
    }

    /// What is told of one of the server's own, with this status.
    pub(super) fn own_outcome(
        &self,
        session: &str,
        code: Option<StatusCode>,
        now: Utc,
    ) -> OwnOutcome1 {
        OwnOutcome1 {
            command: self.own_command(),
            session: session.to_owned(),
            code,
            duration_ms: u64::try_from(now.millis_since(self.sent_at)).unwrap_or_default(),
        }
    }

    /// Name and place.
    pub(super) fn own_command(&self) -> OwnCommand1 {
        OwnCommand1 {
            name: self.name.clone(),
            uri: self.uri.clone(),
        }
    }

    /// Its status; where only members have one, that of the first that failed, else of the first.
    pub(super) fn told_code(&self) -> Option<StatusCode> {
        let members = || self.member_codes.iter().flatten().copied().map(StatusCode);
        let failed = members().find(|code| !code.is_success());
        let own = self.code.map(StatusCode);
        own.or(failed).or_else(|| members().next())
    }

    /// Takes the numbers that the command gets in a message, of which `first` is the next.
    pub(super) fn number(&mut self, first: u32, msg_id: u32, command: &Command) {
        self.msg_id = msg_id;
        self.cmd_id = first;
        let mut next = first + 1;
        if let Command::Atomic(group) | Command::Sequence(group) = command {
            for (member, place) in group.members.iter().zip(&mut self.members) {
                *place = next;
                next += elements(member);
            }
        }
    }

    /// What is known of it.
    pub(super) fn outcome(&self) -> Outcome {
        match self.code {
            None => Outcome::Unknown,
            Some(code) => Outcome::Answered {
                code: StatusCode(code),
                members: self
                    .member_codes
                    .iter()
                    .map(|code| code.map(StatusCode))
                    .collect(),
                results: self.results.iter().map(StoredItem::item).collect(),
            },
        }
    }
}

/// How many numbers a command takes.
fn elements(command: &Command) -> u32 {
    match command {
        Command::Atomic(group) | Command::Sequence(group) => {
            1 + group.members.iter().map(elements).sum::<u32>()
        }
        _ => 1,
    }
}

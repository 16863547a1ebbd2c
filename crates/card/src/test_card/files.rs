use super::card::{Channel, Received, Response, TestCard};
use super::description::{CardAccess, CardProfile};
use super::file_tree::{FilePath, Stored, StoredFile};
use crate::tlv::TlvWriter;

/// First octet of a descriptor (TS 102 221): shareable, and what it is.
const DIRECTORY: u8 = 0x78;
const TRANSPARENT: u8 = 0x41;
const LINEAR_FIXED: u8 = 0x42;

impl TestCard {
    pub(super) fn select(&mut self, number: u8, received: &Received<'_>) -> Response {
        let failed = |status| (Vec::new(), status);
        let Some(channel) = self.channels.get(&number).cloned() else {
            return failed(0x6881);
        };
        let sim = self.profile() == CardProfile::Sim2g;
        if !sim && self.quirks().no_fcp && received.p2 != 0x0C {
            return failed(0x6A86);
        }
        let (path, aid) = match (received.p1, sim) {
            (0x04, false) => {
                if self.quirks().refuses_applications {
                    return failed(0x6999);
                }
                match self.application(received.data) {
                    Some((path, aid)) => (path, Some(aid)),
                    None => return failed(0x6A82),
                }
            }
            (0x00, true) | (_, false) => match self.resolve(&channel, received.p1, received.data) {
                Ok(path) => (path, None),
                Err(status) => {
                    return failed(if sim && status == 0x6A82 {
                        0x9404
                    } else {
                        status
                    });
                }
            },
            (_, true) => return failed(0x6B00),
        };
        let Some(stored) = self.tree.get(&path) else {
            return failed(if sim { 0x9404 } else { 0x6A82 });
        };
        let deactivated = matches!(stored, Stored::File(file) if file.deactivated);
        let answer = match (sim, received.p2) {
            (true, _) => self.sim_response(&path, stored),
            (false, 0x0C) => Vec::new(),
            (false, _) => self.fcp(&path, stored, aid.as_deref()),
        };
        let directory = matches!(stored, Stored::Directory);
        let parent = path.get(..path.len() - 1).unwrap_or(&[]).to_vec();
        if let Some(channel) = self.channels.get_mut(&number) {
            if aid.is_some() {
                channel.application = Some(path.clone());
            }
            channel.directory = if directory { path.clone() } else { parent };
            channel.file = (!directory).then_some(path);
        }
        // A SIM tells a deactivated file by its status octet.
        (answer, if deactivated && !sim { 0x6283 } else { 0x9000 })
    }

    fn fcp(&self, path: &[u16], stored: &Stored, aid: Option<&[u8]>) -> Vec<u8> {
        let id = path.last().copied().unwrap_or(0).to_be_bytes();
        let mut fcp = TlvWriter::default();
        match stored {
            Stored::Directory => {
                fcp = fcp.element(0x82, &[DIRECTORY, 0x21]);
                if let Some(aid) = aid {
                    fcp = fcp.element(0x84, aid);
                }
                fcp = fcp.element(0x83, &id).element(0x8A, &[0x05]);
                let references: Vec<u8> = self
                    .codes
                    .iter()
                    .flatten()
                    .map(|code| code.reference)
                    .collect();
                let enabled = references
                    .iter()
                    .enumerate()
                    .fold(0, |bits, (at, _)| bits | 0x80_u8 >> at);
                let status = TlvWriter::default().element(0x90, &[enabled]);
                let status = references.iter().fold(status, |status, reference| {
                    status.element(0x83, &[*reference])
                });
                fcp = fcp.nest(0xC6, &status);
            }
            Stored::File(file) => {
                let count = file.body.len() / usize::from(file.record.unwrap_or(1)).max(1);
                fcp = match file.record {
                    Some(length) => {
                        fcp.element(0x82, &[LINEAR_FIXED, 0x21, 0, length, count as u8])
                    }
                    None => fcp.element(0x82, &[TRANSPARENT, 0x21]),
                };
                let state = if file.deactivated { 0x04 } else { 0x05 };
                fcp = fcp.element(0x83, &id).element(0x8A, &[state]);
                if !self.quirks().no_sizes {
                    let size = u16::try_from(file.body.len()).unwrap_or(u16::MAX);
                    fcp = fcp.element(0x80, &size.to_be_bytes());
                }
                fcp = fcp.element(0x88, &[]);
            }
        }
        TlvWriter::default().nest(0x62, &fcp).octets().to_vec()
    }

    /// TS 51.011: 15 octets for a file, 22 for a directory.
    fn sim_response(&self, path: &[u16], stored: &Stored) -> Vec<u8> {
        let [id_high, id_low] = path.last().copied().unwrap_or(0).to_be_bytes();
        match stored {
            Stored::Directory => {
                let kind = if path.len() == 1 { 0x01 } else { 0x02 };
                let pin = self.codes.first().and_then(Option::as_ref);
                // Bit 8 of the characteristics: CHV1 is off.
                let off = if pin.is_none() { 0x80 } else { 0x00 };
                let chv1 = 0x80 | pin.map_or(3, |pin| pin.tries);
                let mut answer = vec![0, 0, 0x40, 0, id_high, id_low, kind, 0, 0, 0, 0, 0, 9];
                answer.extend_from_slice(&[0x13 | off, 1, 4, 2, 0, chv1, 0x8A, 0x83, 0x8A]);
                answer
            }
            Stored::File(file) => {
                let [size_high, size_low] = u16::try_from(file.body.len())
                    .unwrap_or(u16::MAX)
                    .to_be_bytes();
                let conditions = nibble(file.read) << 4 | nibble(file.update);
                let status = u8::from(!file.deactivated);
                let (structure, record) = file.record.map_or((0, 0), |length| (1, length));
                vec![
                    0, 0, size_high, size_low, id_high, id_low, 0x04, 0, conditions, 0xFF, 0x44,
                    status, 2, structure, record,
                ]
            }
        }
    }

    pub(super) fn read_binary(&mut self, number: u8, received: &Received<'_>) -> Response {
        let wanted = received.le.unwrap_or(256);
        let sim = self.profile() == CardProfile::Sim2g;
        match self.current(number, |file| file.read) {
            Err(status) => (Vec::new(), status),
            Ok(file) if file.record.is_some() => (Vec::new(), if sim { 0x9408 } else { 0x6981 }),
            Ok(_) if received.p1 & 0x80 != 0 => (Vec::new(), 0x6A86),
            Ok(file) => {
                let offset = usize::from(u16::from_be_bytes([received.p1, received.p2]));
                let rest = file.body.get(offset..).unwrap_or(&[]);
                if rest.is_empty() {
                    return (Vec::new(), if sim { 0x9402 } else { 0x6B00 });
                }
                (
                    rest.get(..wanted.min(rest.len())).unwrap_or(&[]).to_vec(),
                    0x9000,
                )
            }
        }
    }

    pub(super) fn read_record(&mut self, number: u8, received: &Received<'_>) -> Response {
        let sim = self.profile() == CardProfile::Sim2g;
        match self
            .current(number, |file| file.read)
            .map(|file| record(file, received, sim))
        {
            Err(status) | Ok(Err(status)) => (Vec::new(), status),
            Ok(Ok(record)) => (record.to_vec(), 0x9000),
        }
    }

    pub(super) fn update_binary(&mut self, number: u8, received: &Received<'_>) -> Response {
        let status = match self.current(number, |file| file.update) {
            Err(status) => status,
            Ok(file) if file.record.is_some() => 0x6981,
            Ok(_) if received.p1 & 0x80 != 0 => 0x6A86,
            Ok(file) => {
                let offset = usize::from(u16::from_be_bytes([received.p1, received.p2]));
                let end = offset + received.data.len();
                match file.body.get_mut(offset..end) {
                    Some(place) => {
                        place.copy_from_slice(received.data);
                        file.used = file.used.max(end);
                        0x9000
                    }
                    None => 0x6B00,
                }
            }
        };
        (Vec::new(), status)
    }

    pub(super) fn update_record(&mut self, number: u8, received: &Received<'_>) -> Response {
        let sim = self.profile() == CardProfile::Sim2g;
        let file = self.current(number, |file| file.update);
        let status = match file.map(|file| record(file, received, sim)) {
            Err(status) | Ok(Err(status)) => status,
            Ok(Ok(place)) if place.len() != received.data.len() => 0x6700,
            Ok(Ok(place)) => {
                place.copy_from_slice(received.data);
                0x9000
            }
        };
        (Vec::new(), status)
    }

    /// The selected file, if whoever holds the channel may do this to it.
    fn current(
        &mut self,
        number: u8,
        access: fn(&StoredFile) -> CardAccess,
    ) -> Result<&mut StoredFile, u16> {
        let sim = self.profile() == CardProfile::Sim2g;
        let nothing = if sim { 0x9400 } else { 0x6986 };
        let path: FilePath = self
            .channels
            .get(&number)
            .and_then(|channel: &Channel| channel.file.clone())
            .ok_or(nothing)?;
        let needed = match self.tree.get(&path) {
            Some(Stored::File(file)) if file.deactivated => {
                return Err(if sim { 0x9810 } else { 0x6283 });
            }
            Some(Stored::File(file)) => access(file),
            _ => return Err(nothing),
        };
        if !self.allows(needed) {
            return Err(if sim { 0x9804 } else { 0x6982 });
        }
        self.tree.file(&path).ok_or(nothing)
    }
}

fn record<'f>(
    file: &'f mut StoredFile,
    received: &Received<'_>,
    sim: bool,
) -> Result<&'f mut [u8], u16> {
    let Some(length) = file.record else {
        return Err(if sim { 0x9408 } else { 0x6981 });
    };
    if received.p2 != 0x04 {
        return Err(0x6A86);
    }
    let at = usize::from(received.p1).checked_sub(1);
    let record = at.and_then(|at| file.body.chunks_exact_mut(usize::from(length)).nth(at));
    record.ok_or(if sim { 0x9402 } else { 0x6A83 })
}

/// Access condition of a 2G SIM.
const fn nibble(access: CardAccess) -> u8 {
    match access {
        CardAccess::Always => 0x0,
        CardAccess::Pin => 0x1,
        CardAccess::Issuer => 0x4,
        CardAccess::Never => 0xF,
    }
}

//! What goes over TCP connections, recorded by a proxy before their server, and as a capture file that programs of others read.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Most octets of a packet.
const MOST: usize = 16 << 10;
/// Head of an IPv4 packet and of a TCP segment, without options.
const IPV4: usize = 20;
const TCP: usize = 20;

/// A proxy that records; it ends with the process.
#[derive(Debug)]
pub struct Recorder {
    port: u16,
    packets: Arc<Mutex<Vec<Packet>>>,
}

/// Octets that went over a connection at once.
#[derive(Clone, Debug)]
struct Packet {
    /// Counts the connections, from 0.
    connection: u16,
    to_server: bool,
    octets: Vec<u8>,
}

impl Recorder {
    /// Listens on a free port of loopback and hands each connection on to the server.
    ///
    /// # Errors
    /// Where there is no port.
    pub fn before(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let packets: Arc<Mutex<Vec<Packet>>> = Arc::default();
        let log = Arc::clone(&packets);
        thread::spawn(move || {
            for (connection, near) in (0..).zip(listener.incoming()) {
                let (Ok(near), Ok(far)) = (near, TcpStream::connect(server)) else {
                    continue;
                };
                for to_server in [true, false] {
                    let (Ok(near), Ok(far)) = (near.try_clone(), far.try_clone()) else {
                        continue;
                    };
                    let (from, to) = if to_server { (near, far) } else { (far, near) };
                    let log = Arc::clone(&log);
                    thread::spawn(move || carry(from, to, connection, to_server, &log));
                }
            }
        });
        Ok(Self { port, packets })
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Writes what went so far as a pcap file, the server at 192.0.2.1 with this port.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write_pcap(&self, file: &Path, port: u16) -> io::Result<()> {
        let packets = self.packets.lock().unwrap_or_else(PoisonError::into_inner);
        std::fs::write(file, pcap(&packets, port))
    }
}

fn carry(
    mut from: TcpStream,
    mut to: TcpStream,
    connection: u16,
    to_server: bool,
    log: &Mutex<Vec<Packet>>,
) {
    let mut octets = vec![0; MOST];
    while let Ok(length @ 1..) = from.read(&mut octets) {
        let Some(read) = octets.get(..length) else {
            break;
        };
        let packet = Packet {
            connection,
            to_server,
            octets: read.to_vec(),
        };
        log.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(packet);
        if to.write_all(read).is_err() {
            break;
        }
    }
    // Fails where the other direction did it before.
    let _closed = to.shutdown(Shutdown::Both);
    let _closed = from.shutdown(Shutdown::Both);
}

/// The classic format with raw IP packets (link type 101).
fn pcap(packets: &[Packet], port: u16) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xA1B2_C3D4_u32, 0x0004_0002, 0, 0, 0xFFFF, 101] {
        file.extend(word.to_le_bytes());
    }
    // Octets that went before, by connection and direction.
    let mut sent = std::collections::BTreeMap::<(u16, bool), u32>::new();
    for (number, packet) in (0_u32..).zip(packets) {
        let (near, far) = (40_000 + packet.connection, port);
        let count = |to_server| {
            let count = sent.get(&(packet.connection, to_server));
            1 + count.copied().unwrap_or_default()
        };
        let (sequence, acknowledged) = (count(packet.to_server), count(!packet.to_server));
        let length = IPV4 + TCP + packet.octets.len();
        let mut whole = vec![0x45, 0];
        whole.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
        whole.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        let (device, server) = ([192, 0, 2, 2], [192, 0, 2, 1]);
        let ends = if packet.to_server {
            [(device, near), (server, far)]
        } else {
            [(server, far), (device, near)]
        };
        whole.extend(ends.iter().flat_map(|(address, _)| *address));
        whole.extend(ends.iter().flat_map(|(_, port)| port.to_be_bytes()));
        whole.extend(sequence.to_be_bytes());
        whole.extend(acknowledged.to_be_bytes());
        whole.extend([0x50, 0x18, 0xFF, 0xFF, 0, 0, 0, 0]);
        whole.extend(&packet.octets);
        let octets = u32::try_from(whole.len()).unwrap_or(u32::MAX);
        for word in [number, 0, octets, octets] {
            file.extend(word.to_le_bytes());
        }
        file.extend(whole);
        let carried = u32::try_from(packet.octets.len()).unwrap_or(u32::MAX);
        *sent
            .entry((packet.connection, packet.to_server))
            .or_default() += carried;
    }
    file
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::{Packet, Recorder, pcap};

    #[test]
    fn what_goes_either_way_is_recorded_and_arrives() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let recorder = Recorder::before(server.local_addr().unwrap()).unwrap();
        let mut near = TcpStream::connect(("127.0.0.1", recorder.port())).unwrap();
        let (mut far, _) = server.accept().unwrap();
        let mut came = [0; 3];
        near.write_all(b"one").unwrap();
        far.read_exact(&mut came).unwrap();
        far.write_all(b"two").unwrap();
        near.read_exact(&mut came).unwrap();
        assert_eq!(&came, b"two");
        let packets = recorder.packets.lock().unwrap();
        let told: Vec<_> = packets
            .iter()
            .map(|one| (one.to_server, &one.octets[..]))
            .collect();
        assert_eq!(told, [(true, &b"one"[..]), (false, b"two")]);
    }

    #[test]
    fn a_capture_counts_the_octets_of_each_direction() {
        let packet = |to_server, octets: &[u8]| Packet {
            connection: 0,
            to_server,
            octets: octets.to_vec(),
        };
        let file = pcap(
            &[
                packet(true, b"abc"),
                packet(false, b"d"),
                packet(true, b"e"),
            ],
            2775,
        );
        let mut rest = &file[24..];
        let mut numbers = Vec::new();
        while !rest.is_empty() {
            let octets = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
            let segment = &rest[16 + 20..16 + octets];
            let number = |at: usize| u32::from_be_bytes(segment[at..at + 4].try_into().unwrap());
            numbers.push((number(4), number(8)));
            rest = &rest[16 + octets..];
        }
        assert_eq!(numbers, [(1, 1), (1, 4), (4, 2)]);
    }
}

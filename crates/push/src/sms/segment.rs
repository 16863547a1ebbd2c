use super::{Ports, Reference, USER_DATA_OCTETS};

/// Most parts of a message unless the caller says otherwise: small devices give up reassembling long before 255 (`push.md` §3).
pub const PARTS: u8 = 8;

/// Why a datagram is not sent by SMS. Who made it that long is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SegmentError {
    /// More parts than are allowed.
    #[error("{octets} octets need {parts} SMS, at most {most} are allowed")]
    TooLong {
        /// Octets of the datagram.
        octets: usize,
        /// SMS that it would need.
        parts: usize,
        /// SMS that are allowed.
        most: u8,
    },
}

/// The user data of each SMS that carries the datagram: one without concatenation where it fits, else parts with the ports in each of them.
///
/// # Errors
/// [`SegmentError`] where it needs more than `most` parts.
pub fn segment(
    datagram: &[u8],
    ports: Ports,
    reference: Reference,
    most: u8,
) -> Result<Vec<Vec<u8>>, SegmentError> {
    let mut ports_element = vec![0x05, 0x04];
    ports_element.extend(ports.destination.to_be_bytes());
    ports_element.extend(ports.source.to_be_bytes());
    // UDHL is an octet itself.
    if 1 + ports_element.len() + datagram.len() <= USER_DATA_OCTETS && most > 0 {
        return Ok(vec![user_data(&ports_element, &[], datagram)]);
    }
    let concatenation = |total: u8, index: u8| match reference {
        Reference::Octet(reference) => vec![0x00, 0x03, reference, total, index],
        Reference::Word(reference) => {
            let [high, low] = reference.to_be_bytes();
            vec![0x08, 0x04, high, low, total, index]
        }
    };
    let header = 1 + ports_element.len() + concatenation(0, 0).len();
    let chunks: Vec<&[u8]> = datagram.chunks(USER_DATA_OCTETS - header).collect();
    let too_long = SegmentError::TooLong {
        octets: datagram.len(),
        parts: chunks.len().max(1),
        most,
    };
    let total = u8::try_from(chunks.len()).map_err(|_| too_long)?;
    if total > most || total == 0 {
        return Err(too_long);
    }
    Ok((1..=total)
        .zip(chunks)
        .map(|(index, chunk)| user_data(&ports_element, &concatenation(total, index), chunk))
        .collect())
}

fn user_data(ports: &[u8], concatenation: &[u8], data: &[u8]) -> Vec<u8> {
    let header = ports.len() + concatenation.len();
    let mut octets = vec![u8::try_from(header).unwrap_or(u8::MAX)];
    octets.extend(ports);
    octets.extend(concatenation);
    octets.extend(data);
    octets
}

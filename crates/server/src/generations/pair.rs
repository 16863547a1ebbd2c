//! `Data` and `Secret` of a credential as one value, so that they are sealed together.

use omadm_mo::Secret;
use zeroize::Zeroizing;

/// Octets that tell the length of `Data`.
const LENGTH: usize = 4;

/// Both in one: the length of the first, the first, the second.
pub(crate) fn join(data: &[u8], secret: &Secret) -> Secret {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut joined = Vec::with_capacity(LENGTH + data.len() + secret.len());
    joined.extend(length);
    joined.extend(data);
    joined.extend(secret.expose());
    Secret::new(joined)
}

/// The two again; none where it is not what [`join`] made.
pub(crate) fn split(joined: &Secret) -> Option<(Vec<u8>, Secret)> {
    let (length, rest) = joined.expose().split_first_chunk::<LENGTH>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (data, secret) = rest.split_at_checked(length)?;
    let mut secret = Zeroizing::new(secret.to_vec());
    Some((data.to_vec(), Secret::new(std::mem::take(&mut *secret))))
}

#[cfg(test)]
mod tests {
    use omadm_mo::Secret;

    use super::{join, split};

    #[test]
    fn what_is_joined_is_split_again_and_nothing_else() {
        for (data, secret) in [
            (&b""[..], &b""[..]),
            (b"", b"key"),
            (b"identity", b""),
            (&[0xff; 700], &[0; 64]),
        ] {
            let joined = join(data, &Secret::new(secret.to_vec()));
            let (first, second) = split(&joined).unwrap();
            assert_eq!((first.as_slice(), second.expose()), (data, secret));
        }
        for broken in [&b""[..], b"\0\0\0", b"\0\0\0\x04abc", b"\xff\xff\xff\xff"] {
            assert!(split(&Secret::new(broken.to_vec())).is_none());
        }
    }
}

use omadm_mo::Secret;

use super::nonce::ALPHABET;
use crate::bootstrap_mac::bootstrap_mac as hmac_sha1;

/// Octets that nobody can foretell without the key, and that are the same again for the same parts: HMAC-SHA1 in counter mode. Each part is bound with its
/// length, so parts cannot be shifted against each other.
#[must_use]
pub fn derive<const N: usize>(key: &Secret, parts: &[&[u8]]) -> [u8; N] {
    let mut message = vec![0];
    for part in parts {
        message.extend((part.len() as u64).to_be_bytes());
        message.extend_from_slice(part);
    }
    let mut octets = [0; N];
    for (counter, block) in (0_u8..).zip(octets.chunks_mut(20)) {
        message[0] = counter;
        block.copy_from_slice(&hmac_sha1(key.expose(), &message)[..block.len()]);
    }
    octets
}

/// A password of 32 characters of `A-Za-z0-9`, each of eleven bits of `entropy`: never a colon (M15).
#[must_use]
pub fn new_password(entropy: &[u8; 64]) -> Secret {
    let characters = entropy.chunks_exact(2).map(|pair| {
        let number = usize::from(u16::from_be_bytes([pair[0], pair[1]]));
        ALPHABET[number % ALPHABET.len()]
    });
    Secret::new(characters.collect())
}

#[cfg(test)]
mod tests {
    use omadm_mo::Secret;

    use super::{derive, new_password};

    #[test]
    fn octets_depend_on_key_and_on_every_part_and_where_it_ends() {
        let key = Secret::new(vec![1; 32]);
        let one: [u8; 48] = derive(&key, &[b"ab", b"c"]);
        assert_eq!(one, derive(&key, &[b"ab", b"c"]));
        assert_ne!(one, derive(&key, &[b"a", b"bc"]));
        assert_ne!(one, derive(&key, &[b"ab", b"c", b""]));
        assert_ne!(one, derive(&Secret::new(vec![2; 32]), &[b"ab", b"c"]));
        let blocks: Vec<_> = one.chunks(20).collect();
        assert_ne!(blocks[0], blocks[1]);
    }

    #[test]
    fn m15_a_password_has_32_characters_that_poor_decoders_survive() {
        let mut entropy = [0; 64];
        for (at, octet) in (0..).zip(&mut entropy) {
            *octet = at;
        }
        let password = new_password(&entropy);
        assert_eq!(password.len(), 32);
        assert!(password.expose().iter().all(u8::is_ascii_alphanumeric));
    }
}

use omadm_mo::Secret;
use omadm_mo::standard::dm_acc::AuthNoti;
use proptest::prelude::*;

use super::*;
use crate::package0::error::Package0Problem as Problem;

const SECRET: &[u8] = b"s3cr3t-noti";
const DATA: [u8; 4] = [0x0A, 0x0B, 0x0C, 0x0D];
const SMALLEST: &str = "11 00 13 64 6D 31 50";
const WITH_ID: &str = "11 80 13 64 6D 31 22 00 07 30";
const FULL: &str = "13001F01646D73312E6578616D706C652E636F6D11021212341F11\
    0914D312C7667D4448FED16B1918A47B9AE6AACA75BDE909F50344761E1F3586\
    1452C35A8010";
const DIGEST_WITHOUT_DATA: &str =
    "8c4e4f59d985f3f89a045639745bb431264772d5582aeb9f8ac7df872cde79ec";

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap())
        .collect()
}

fn dm1() -> Package0 {
    Package0::new(ServerId::parse("dm1").unwrap())
}

fn full() -> Package0 {
    Package0 {
        preferred_connection: Some(PreferredConnection::Wlan),
        notification_id: Some(0x1234),
        timestamp: Some(1_388_534_400),
        req_mos: true,
        ..Package0::new(ServerId::parse("dms1.example.com").unwrap())
    }
}

fn secret() -> Secret {
    Secret::new(SECRET.to_vec())
}

fn noti(kind: i64) -> AuthNoti {
    AuthNoti {
        kind,
        data: DATA.to_vec(),
        secret: secret(),
    }
}

fn refused(octets: &[u8]) -> (usize, Problem) {
    let error = ReceivedPackage0::decode(octets).unwrap_err();
    (error.at, error.problem)
}

#[test]
fn x_noti_001_x_noti_002_the_smallest_example_of_section_11_7() {
    let package = Package0 {
        req_mos: true,
        ..dm1()
    };
    let octets = octets(SMALLEST);
    assert_eq!(package.encode(), octets);
    let read = ReceivedPackage0::decode(&octets).unwrap();
    assert_eq!(read.package(), &package);
}

#[test]
fn x_noti_001_the_example_with_a_notification_id_of_section_11_7() {
    let package = Package0 {
        notification_id: Some(7),
        req_mos: true,
        ..dm1()
    };
    let octets = octets(WITH_ID);
    assert_eq!(package.encode(), octets);
    let read = ReceivedPackage0::decode(&octets).unwrap();
    assert_eq!(read.package(), &package);
}

#[test]
fn x_noti_001_x_noti_002_x_noti_003_the_full_example_of_section_11_7() {
    let sealed = full().sealed(&secret(), &DATA);
    let octets = octets(FULL);
    assert_eq!(octets.len(), 65);
    assert_eq!(sealed.encode(), octets);
    let read = ReceivedPackage0::decode(&octets).unwrap();
    assert_eq!(read.package(), &sealed);
    assert_eq!(read.options()[3].value.start, 27);
    assert_eq!(
        read.authenticate(Some(&noti(1)), AbsentDigest::Ignore),
        Ok(Authenticated::ByDigest)
    );
}

#[test]
fn x_noti_003_the_digest_without_auth_data_of_section_11_7() {
    let sealed = full().sealed(&secret(), &[]);
    assert_eq!(
        sealed.digest.unwrap().as_slice(),
        octets(DIGEST_WITHOUT_DATA)
    );
}

#[test]
fn x_noti_003_every_changed_bit_spoils_the_digest_or_the_layout() {
    let good = octets(FULL);
    for bit in 0..good.len() * 8 {
        let mut octets = good.clone();
        octets[bit / 8] ^= 0x80 >> (bit % 8);
        let Ok(read) = ReceivedPackage0::decode(&octets) else {
            continue;
        };
        let judged = read.authenticate(Some(&noti(1)), AbsentDigest::Ignore);
        assert!(judged.is_err(), "bit {bit}");
    }
}

#[test]
fn x_noti_003_a_digest_counts_only_with_the_credential_of_its_account() {
    let with = full().sealed(&secret(), &DATA).encode();
    let without = full().encode();
    let judge = |octets: &[u8], noti: Option<&AuthNoti>, absent| {
        let read = ReceivedPackage0::decode(octets).unwrap();
        read.authenticate(noti, absent)
    };
    use AbsentDigest::{Accept, Ignore};
    use Authenticated::{ByDigest, Unproven};
    let other = AuthNoti {
        data: Vec::new(),
        ..noti(1)
    };
    for (octets, noti, absent, expected) in [
        (&with, Some(&noti(0)), Ignore, Ok(ByDigest)),
        (&with, None, Accept, Err(DigestRefusal::NoCredential)),
        (&with, Some(&other), Accept, Err(DigestRefusal::Wrong)),
        (
            &with,
            Some(&noti(2)),
            Accept,
            Err(DigestRefusal::CredentialType(2)),
        ),
        (&without, None, Ignore, Ok(Unproven)),
        (
            &without,
            Some(&noti(1)),
            Ignore,
            Err(DigestRefusal::Missing),
        ),
        (&without, Some(&noti(1)), Accept, Ok(Unproven)),
    ] {
        assert_eq!(judge(octets, noti, absent), expected);
    }
}

#[test]
fn a_bootstrap_notification_has_to_prove_itself_d84() {
    let package = Package0 {
        server_id: ServerId::parse("bs:boot.example.com").unwrap(),
        ..full()
    };
    let judge = |package: &Package0, noti: Option<&AuthNoti>| {
        let octets = package.encode();
        let read = ReceivedPackage0::decode(&octets).unwrap();
        read.authenticate(noti, AbsentDigest::Accept)
    };
    let sealed = package.clone().sealed(&secret(), &DATA);
    let by_digest = Ok(Authenticated::ByDigest);
    assert_eq!(judge(&sealed, Some(&noti(1))), by_digest);
    assert_eq!(judge(&sealed, None), Err(DigestRefusal::NoBootstrapSecret));
    let keyless = AuthNoti {
        secret: Secret::new(Vec::new()),
        ..noti(1)
    };
    let by_nothing = package.clone().sealed(&keyless.secret, &DATA);
    assert_eq!(
        judge(&by_nothing, Some(&keyless)),
        Err(DigestRefusal::NoBootstrapSecret)
    );
    let missing = |option| Err(DigestRefusal::BootstrapOption(option));
    assert_eq!(
        judge(&package, Some(&noti(1))),
        missing(OptionName::Sha256Digest)
    );
    let (mut untimed, mut unnumbered) = (package.clone(), package);
    untimed.timestamp = None;
    unnumbered.notification_id = None;
    for (package, option) in [
        (untimed, OptionName::Timestamp),
        (unnumbered, OptionName::NotificationId),
    ] {
        let sealed = package.sealed(&secret(), &DATA);
        assert_eq!(judge(&sealed, Some(&noti(1))), missing(option));
    }
}

#[test]
fn x_noti_001_what_breaks_the_layout_is_told_with_the_octet() {
    for (hex, at, problem) in [
        ("11", 1, Problem::Header(1)),
        ("21 00 13 64 6D 31 50", 0, Problem::Version(2)),
        ("01 00 13 64 6D 31 50", 0, Problem::Version(0)),
        (
            "11 80 13 64 6D 31 50",
            7,
            Problem::OptionCount { said: 3, found: 2 },
        ),
        ("10 80 13 64 6D 31 50", 6, Problem::Trailing(1)),
        ("10 80 13 64 6D", 3, truncated(1, 3, 2)),
        ("10 80 1F", 3, truncated(1, 1, 0)),
        ("10 80 1F 00 61", 4, truncated(1, 15, 1)),
        ("11 00 13 64 6D 31 00", 6, Problem::Repeated(1)),
        ("10 80 60", 2, Problem::NoServerId),
        ("10 00", 2, Problem::NoServerId),
    ] {
        assert_eq!(refused(&octets(hex)), (at, problem), "{hex}");
    }
}

#[test]
fn x_noti_002_x_noti_003_a_value_of_another_length_is_refused() {
    use OptionName as Name;
    for (hex, option, found) in [
        ("11 00 13 64 6D 31 10", Name::PreferredConType, 0),
        ("11 00 13 64 6D 31 12 00 02", Name::PreferredConType, 2),
        ("11 00 13 64 6D 31 21 07", Name::NotificationId, 1),
        ("11 00 13 64 6D 31 23 00 00 07", Name::NotificationId, 3),
        ("11 00 13 64 6D 31 31 07", Name::Sha256Digest, 1),
        ("11 00 13 64 6D 31 40", Name::Timestamp, 0),
        (
            "11 00 13 64 6D 31 49 00 00 00 00 00 00 00 00 01",
            Name::Timestamp,
            9,
        ),
        ("11 00 13 64 6D 31 51 00", Name::ReqMos, 1),
    ] {
        let (at, problem) = refused(&octets(hex));
        assert_eq!(at, 7, "{hex}");
        let Problem::Length {
            option: told,
            found: length,
            ..
        } = problem
        else {
            unreachable!("{hex}: {problem}");
        };
        assert_eq!((told, length), (option, found), "{hex}");
    }
}

#[test]
fn x_noti_002_a_server_id_that_no_account_can_have_is_refused() {
    for hex in [
        "10 80 10",
        "10 80 11 FF",
        "10 80 11 0A",
        "10 80 13 62 73 3A",
    ] {
        let (at, problem) = refused(&octets(hex));
        assert_eq!(at, 3, "{hex}");
        assert!(matches!(problem, Problem::ServerId(_)), "{hex}: {problem}");
    }
}

#[test]
fn what_a_reader_has_to_tolerate_is_tolerated() {
    for (hex, expected) in [
        (
            "11 7F 13 64 6D 31 50",
            Package0 {
                req_mos: true,
                ..dm1()
            },
        ),
        ("11 00 13 64 6D 31 82 AA BB", dm1()),
        ("11 00 01 AA 13 64 6D 31", dm1()),
        (
            "11 00 13 64 6D 31 41 05",
            Package0 {
                timestamp: Some(5),
                ..dm1()
            },
        ),
        (
            "11 00 13 64 6D 31 48 00 00 00 01 00 00 00 00",
            Package0 {
                timestamp: Some(1 << 32),
                ..dm1()
            },
        ),
        (
            "11 00 13 64 6D 31 11 09",
            Package0 {
                preferred_connection: Some(PreferredConnection::AnyAvailable),
                ..dm1()
            },
        ),
    ] {
        let octets = octets(hex);
        let read = ReceivedPackage0::decode(&octets).unwrap();
        assert_eq!(read.package(), &expected, "{hex}");
    }
    let other = octets("21 00 13 64 6D 31 50");
    let read = ReceivedPackage0::decode_versions(&other, &[1, 2]).unwrap();
    assert_eq!(read.version(), 2);
}

#[test]
fn x_noti_003_the_digest_covers_what_a_reader_skips() {
    // RESERVED bits and an unknown option 14 behind SHA256-DIGEST.
    let start = octets("11 FF 13 64 6D 31 3F 11");
    let end = octets("A1 AA");
    let zeroed = [&start[..], &[0; DIGEST_OCTETS], &end].concat();
    let (secret, auth_data) = (&secret(), &DATA[..]);
    let key = NotificationKey { secret, auth_data };
    let digest = key.digest(&zeroed);
    let message = [&start[..], &digest, &end].concat();
    let read = ReceivedPackage0::decode(&message).unwrap();
    assert_eq!(read.check_digest(key), DigestCheck::Right);
    let mut changed = message.clone();
    *changed.last_mut().unwrap() ^= 1;
    let read = ReceivedPackage0::decode(&changed).unwrap();
    assert_eq!(read.check_digest(key), DigestCheck::Wrong);
}

#[test]
fn every_field_is_explained_and_every_octet_shown() {
    let octets = octets(FULL);
    let read = ReceivedPackage0::decode(&octets).unwrap();
    let fields = read.explain();
    let told: Vec<_> = fields
        .iter()
        .map(|field| (field.at, field.name.as_str(), field.value.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (0, "VER", "1"),
            (0, "OC", "6"),
            (0, "RESERVED", "0"),
            (2, "SERVER-ID", "dms1.example.com"),
            (20, "PREFERRED-CON-TYPE", "0x02"),
            (22, "NOTIFICATION-ID", "4660"),
            (
                25,
                "SHA256-DIGEST",
                "0914d312c7667d4448fed16b1918a47b9ae6aaca75bde909f50344761e1f3586"
            ),
            (59, "TIMESTAMP", "1388534400"),
            (64, "REQ-MOS", "present"),
        ]
    );
    assert!(fields.iter().all(|field| !field.meaning.is_empty()));
    assert_eq!(fields[7].meaning, "sent 2014-01-01T00:00:00Z");
    let shown: Vec<u8> = fields
        .iter()
        .skip(2)
        .flat_map(|field| field.octets.clone())
        .collect();
    assert_eq!(shown, octets);
}

fn truncated(number: u16, needs: usize, has: usize) -> Problem {
    Problem::Truncated { number, needs, has }
}

prop_compose! {
    fn packages()(
        id in "(bs:)?[a-zé.-]{1,90}",
        connection in proptest::option::of(0_u8..4),
        notification_id in any::<Option<u16>>(),
        digest in any::<Option<[u8; DIGEST_OCTETS]>>(),
        timestamp in proptest::option::of(prop_oneof![any::<u32>().prop_map(u64::from), any::<u64>()]),
        req_mos in any::<bool>(),
    ) -> Package0 {
        Package0 {
            server_id: ServerId::parse(&id).unwrap(),
            preferred_connection: connection.map(PreferredConnection::from_octet),
            notification_id,
            digest,
            timestamp,
            req_mos,
        }
    }
}

proptest! {
    #[test]
    fn x_noti_001_what_was_encoded_is_decoded_to_the_same(package in packages()) {
        let octets = package.encode();
        prop_assert!(octets.len() <= MAX_OCTETS);
        let read = ReceivedPackage0::decode(&octets).unwrap();
        prop_assert_eq!(read.package(), &package);
        prop_assert_eq!(read.explain().len(), 3 + read.options().len());
    }

    #[test]
    fn x_noti_001_a_cut_notification_is_refused(package in packages(), cut in any::<prop::sample::Index>()) {
        let octets = package.encode();
        let cut = &octets[..cut.index(octets.len())];
        let error = ReceivedPackage0::decode(cut).unwrap_err();
        prop_assert!(error.at <= cut.len());
    }

    #[test]
    fn what_is_accepted_of_any_octets_reads_the_same_when_encoded(
        mut octets in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        if let Some(first) = octets.first_mut() {
            *first = 0x10 | (*first & 0x03);
        }
        if let Ok(read) = ReceivedPackage0::decode(&octets) {
            let again = read.package().encode();
            let again = ReceivedPackage0::decode(&again).unwrap();
            prop_assert_eq!(again.package(), read.package());
        }
    }

    #[test]
    fn a_flipped_bit_never_panics(package in packages(), bit in any::<prop::sample::Index>()) {
        let mut octets = package.encode();
        let bit = bit.index(octets.len() * 8);
        octets[bit / 8] ^= 0x80 >> (bit % 8);
        match ReceivedPackage0::decode(&octets) {
            Ok(read) => prop_assert!(!read.explain().is_empty()),
            Err(error) => prop_assert!(error.at <= octets.len()),
        }
    }
}

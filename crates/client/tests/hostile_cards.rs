//! Cards that answer badly, change while they are read, or hold what they should not (`smartcard.md` §5, §7): accounts and tree stay as they were, and the
//! decision says why and what to do. The card is ours, in this process; all above it is the client's own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use omadm_bootstrap::plan::{EntryOutcome, ReaderState, SwitchOnDecision};
use omadm_card::test_card::{CardAccess, CardDescription, CardProfile, SecretCode, TestCard};
use omadm_card::{
    CardFileSet, CardPin, CardReading, CardSettings, CardTransport, CardTrouble, ReaderName,
    TransportError, read_card,
};
use omadm_client::reader::{CardChange, CardReaders};
use omadm_client::{CardCheck, Client};
use omadm_mo::Secret;
use omadm_mo::json::Json;
use serde_json::{Value, json};
use support::{Clock, SENT, Watcher, device, document};

const ICCID: &str = "8949017201234567890";
const OTHER: &str = "8949017209999999999";
const DIR: &[u8] = &[0x2F, 0x00];
const ODF: &[u8] = &[0x50, 0x31];
const DODF: &[u8] = &[0x64, 0x30];
const DOCUMENT: &[u8] = &[0x64, 0x32];

type Answer = Result<Vec<u8>, TransportError>;
/// Answers a command in the card's place, or not; the last octets of the last SELECT stand before it.
type Spoiler = dyn FnMut(&[u8], &[u8]) -> Option<Answer> + Send;

/// A reader whose card a test describes and spoils.
#[derive(Clone)]
struct Slot(Arc<Mutex<Held>>);

struct Held {
    card: CardDescription,
    /// Put in by the first reset.
    swapped: Option<CardDescription>,
    spoiler: Box<Spoiler>,
    settings: CardSettings,
}

struct Spoilt<'a> {
    card: TestCard,
    selected: Vec<u8>,
    held: &'a mut Held,
}

impl CardReaders for Slot {
    fn read(&self, _only: Option<&[ReaderName]>) -> Vec<CardReading> {
        let mut held = self.0.lock().unwrap();
        let settings = held.settings.clone();
        let mut card = Spoilt {
            card: TestCard::new(held.card.clone()).unwrap(),
            selected: Vec::new(),
            held: &mut held,
        };
        let reading = read_card(&ReaderName::new("slot"), &mut card, &settings);
        // What the card counted stays counted.
        let (after, held) = (card.card.description(), card.held);
        held.card = after;
        vec![reading]
    }

    fn changed(&self, patience: Duration) -> Option<CardChange> {
        std::thread::sleep(patience);
        None
    }
}

impl CardTransport for Spoilt<'_> {
    fn atr(&self) -> &[u8] {
        &[]
    }

    fn transmit(&mut self, command: &[u8]) -> Answer {
        if command.get(1) == Some(&0xA4) {
            let length = usize::from(command.get(4).copied().unwrap_or(0));
            self.selected = command.iter().skip(5).take(length).copied().collect();
        }
        match (self.held.spoiler)(&self.selected, command) {
            Some(answer) => answer,
            None => Ok(self.card.execute(command)),
        }
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        match self.held.swapped.take() {
            Some(card) => self.card = TestCard::new(card).unwrap(),
            None => self.card.power_on(),
        }
        Ok(())
    }

    fn pause(&mut self, _pause: Duration) {}
}

/// A device with an account of its card, whose completion nobody answers, and the card's slot.
struct Bench {
    folder: tempfile::TempDir,
    slot: Slot,
}

/// What must not change: servers, and every instance below the root.
type Seen = (Vec<String>, Vec<Json>);

fn document_of(srv_id: &str, name: &str) -> Vec<u8> {
    let mut items: Value = serde_json::from_slice(&document(9, false)).unwrap();
    let account = &mut items[0]["MOData"]["DMAcc"];
    account["SrvID"] = json!(srv_id);
    account["Name"] = json!(name);
    items.to_string().into_bytes()
}

fn card(profile: CardProfile, iccid: &str, document: &[u8]) -> CardDescription {
    let set = CardFileSet::new(&[document], &[1]).unwrap();
    set.description(profile, Some(iccid))
}

fn file(card: &mut CardDescription, id: u16) -> &mut omadm_card::test_card::CardFile {
    let mut files = card.files.iter_mut();
    files
        .find(|file| file.path.files().last() == Some(&id))
        .unwrap()
}

impl Bench {
    async fn new(profile: CardProfile) -> (Self, Seen) {
        let held = Held {
            card: card(profile, ICCID, &document_of("a", "first")),
            swapped: None,
            spoiler: Box::new(|_, _| None),
            settings: CardSettings::default(),
        };
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
            slot: Slot(Arc::new(Mutex::new(held))),
        };
        let (decision, seen) = bench.switch_on().await;
        assert!(matches!(
            decision.entries[0].outcome,
            EntryOutcome::Applied(_)
        ));
        (bench, seen)
    }

    fn hold(&self, change: impl FnOnce(&mut Held)) {
        change(&mut self.slot.0.lock().unwrap());
    }

    fn put(&self, card: CardDescription) {
        self.hold(|held| held.card = card);
    }

    fn spoil(&self, spoiler: impl FnMut(&[u8], &[u8]) -> Option<Answer> + Send + 'static) {
        self.hold(|held| held.spoiler = Box::new(spoiler));
    }

    fn client(&self) -> Client {
        device(
            self.folder.path(),
            &Clock::at(SENT),
            &Arc::<Watcher>::default(),
        )
        .card_readers(self.slot.clone())
        .build()
        .unwrap()
    }

    async fn switch_on(&self) -> (Box<SwitchOnDecision>, Seen) {
        let client = self.client();
        let CardCheck::Done(decision) = client.switch_on().await.unwrap().cards else {
            unreachable!("a decision")
        };
        let accounts = client.accounts().unwrap().into_iter();
        let servers = accounts.map(|one| one.srv_id.as_str().to_owned()).collect();
        (decision, (servers, client.readable_tree().await.unwrap()))
    }

    /// Switches on, insists that nothing changed, and answers what to do in the decision's words.
    async fn in_doubt(&self, old: &Seen, what: &str) -> CardTrouble {
        let (decision, seen) = self.switch_on().await;
        assert!(seen == *old, "{what}: {decision}");
        assert!(decision.is_in_doubt(), "{what}: {decision}");
        let trouble = match (&decision.readers[0].state, decision.entries.first()) {
            (ReaderState::Undetermined(trouble), _) => *trouble,
            (_, Some(entry)) => match entry.outcome {
                EntryOutcome::Unreadable(trouble) => trouble,
                _ => unreachable!("{what}: {decision}"),
            },
            _ => unreachable!("{what}: {decision}"),
        };
        assert!(!trouble.action().is_empty(), "{what}");
        trouble
    }
}

/// Answers each reading of this file with a status word.
fn status_at(file: &'static [u8], status: u16) -> impl FnMut(&[u8], &[u8]) -> Option<Answer> {
    move |selected, command| {
        let reads = matches!(command.get(1), Some(0xB0 | 0xB2));
        (reads && selected.ends_with(file)).then(|| Ok(status.to_be_bytes().to_vec()))
    }
}

/// Answers the command of this number, from 0, in the card's place.
fn once_at(
    at: u32,
    answer: impl Fn() -> Answer + Send,
) -> impl FnMut(&[u8], &[u8]) -> Option<Answer> + Send {
    let mut number = 0;
    move |_, _| {
        number += 1;
        (number == at + 1).then(&answer)
    }
}

const DOUBTFUL: [u16; 17] = [
    0x6982, 0x6985, 0x6983, 0x6984, 0x9804, 0x9802, 0x9808, 0x9840, 0x6986, 0x6981, 0x9300, 0x6F00,
    0x6581, 0x9240, 0x6D00, 0x6E00, 0x1234,
];

#[tokio::test(flavor = "multi_thread")]
async fn every_status_word_that_leaves_doubt_leaves_accounts_and_tree_with_a_cause() {
    for profile in [CardProfile::Uicc, CardProfile::Sim2g, CardProfile::Iso] {
        let (bench, old) = Bench::new(profile).await;
        for file in [DOCUMENT, DODF, ODF] {
            for status in DOUBTFUL {
                bench.spoil(status_at(file, status));
                let what = format!("{profile:?} {file:02X?} {status:04X}");
                let trouble = bench.in_doubt(&old, &what).await;
                let blocked = matches!(status, 0x6983 | 0x6984 | 0x9840);
                assert_eq!(trouble == CardTrouble::PinBlocked, blocked, "{what}");
            }
        }
        // EF(DIR) only helps to find the rest (§4, step 5).
        bench.spoil(status_at(DIR, 0x6982));
        let (decision, seen) = bench.switch_on().await;
        assert!(seen == old && !decision.is_in_doubt(), "{decision}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_word_that_says_there_is_nothing_is_definite_b_06() {
    for (status, file) in [
        (0x6A82, DOCUMENT),
        (0x6283, DOCUMENT),
        (0x9404, DOCUMENT),
        (0x9810, DOCUMENT),
        (0x6A82, DODF),
        (0x6A82, ODF),
    ] {
        let (bench, _) = Bench::new(CardProfile::Uicc).await;
        bench.spoil(status_at(file, status));
        let (decision, seen) = bench.switch_on().await;
        assert!(seen.0.is_empty(), "{status:04X}: {decision}");
        assert!(!decision.is_in_doubt(), "{status:04X}: {decision}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_of_the_reader_at_any_command_applies_nothing_and_removes_nothing() {
    let (bench, mut old) = Bench::new(CardProfile::Uicc).await;
    // Other content: whatever of it was read before the trouble must not arrive.
    bench.put(card(CardProfile::Uicc, ICCID, &document_of("b", "second")));
    let commands = Arc::new(Mutex::new(0_u32));
    let counted = Arc::clone(&commands);
    bench.spoil(move |_, _| {
        *counted.lock().unwrap() += 1;
        None
    });
    let _previewed = bench.client().preview_cards().await.unwrap();
    let all = *commands.lock().unwrap();
    assert!(all > 10, "{all}");
    for trouble in [
        CardTrouble::CardPulled,
        CardTrouble::CardSilent,
        CardTrouble::ReaderFailed,
        CardTrouble::ReaderBusy,
    ] {
        for at in 0..all {
            bench.spoil(once_at(at, move || Err(trouble.into())));
            let what = format!("{trouble} at {at}");
            assert_eq!(bench.in_doubt(&old, &what).await, trouble, "{what}");
        }
    }
    // Garbage in place of an answer: shorter than a status word, or longer than any.
    for answer in [vec![], vec![0x90], vec![0x00; 70_000]] {
        for at in 0..all {
            let answer = answer.clone();
            bench.spoil(once_at(at, move || Ok(answer.clone())));
            let (decision, seen) = bench.switch_on().await;
            let whole = decision.servers.len() == 1 && seen.0 == ["b"];
            assert!(whole || seen == old, "{at}: {decision}");
            if whole {
                // A detour led to all of it (another route, another try): the old state again, for the next one.
                bench.put(card(CardProfile::Uicc, ICCID, &document_of("a", "first")));
                bench.spoil(|_, _| None);
                (_, old) = bench.switch_on().await;
                assert_eq!(old.0, ["a"]);
                bench.put(card(CardProfile::Uicc, ICCID, &document_of("b", "second")));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_exchanged_between_two_commands_is_read_from_its_own_beginning() {
    let (bench, old) = Bench::new(CardProfile::Uicc).await;
    let first = bench.slot.0.lock().unwrap().card.clone();
    for at in 0..20 {
        // The same length: only the octets tell the cards apart.
        bench.put(card(CardProfile::Uicc, ICCID, &document_of("a", "first")));
        let second = card(CardProfile::Uicc, OTHER, &document_of("b", "other"));
        bench.hold(|held| held.swapped = Some(second));
        bench.spoil(once_at(at, || Err(TransportError::Reset)));
        let (decision, seen) = bench.switch_on().await;
        if bench.slot.0.lock().unwrap().swapped.is_some() {
            assert!(
                seen == old && at > 10,
                "read to its end before command {at}"
            );
            break;
        }
        assert_eq!(seen.0, ["b"], "{at}: {decision}");
        let identity = decision.readers[0].card.as_ref().unwrap().to_string();
        assert_eq!(identity, format!("iccid:{OTHER}"), "{at}");
        bench.put(first.clone());
        bench.spoil(|_, _| None);
        let (_, again) = bench.switch_on().await;
        assert_eq!(again.0, ["a"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_32767_octets_arrives_and_a_longer_file_is_doubt() {
    let (bench, _) = Bench::new(CardProfile::Uicc).await;
    let room = 32_767 - document_of("b", "").len();
    let longest = document_of("b", &"x".repeat(room));
    assert_eq!(longest.len(), 32_767);
    bench.put(card(CardProfile::Uicc, ICCID, &longest));
    let (decision, old) = bench.switch_on().await;
    assert_eq!(old.0, ["b"], "{decision}");
    let mut longer = card(CardProfile::Uicc, ICCID, b"[]");
    let mut content = document_of("c", &"x".repeat(room + 1));
    content.extend([0xFF; 10]);
    let held = file(&mut longer, 0x6432);
    held.text = Some(String::from_utf8_lossy(&content[..content.len() - 10]).into_owned());
    bench.put(longer);
    let trouble = bench.in_doubt(&old, "32768 octets").await;
    assert_eq!(trouble.code(), "content-too-long");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_bootstrap_is_refused_with_a_cause_and_changes_nothing() {
    let (bench, old) = Bench::new(CardProfile::Uicc).await;
    let mut of_nobody: Value = serde_json::from_slice(&document_of("b", "x")).unwrap();
    of_nobody[0]["MOData"]["DMAcc"]["SrvID"] = json!("");
    let mut plain: Value = serde_json::from_slice(&document_of("b", "x")).unwrap();
    plain[0]["MOData"]["DMAcc"]["SrvURI"] = json!("http://dm.example.com/");
    let mut nested = "[".repeat(5_000);
    nested.push_str(&"]".repeat(5_000));
    for content in [
        b"[{".to_vec(),
        b"{}".to_vec(),
        b"[{\"ClientURI\":\"urn:oma:mo:oma-dm-dmacc:1.2//\"}]".to_vec(),
        b"[{\"ClientURI\":\"urn:example:mo:unknown:1.0//\",\"MOData\":{\"X\":{}}}]".to_vec(),
        nested.into_bytes(),
        of_nobody.to_string().into_bytes(),
        plain.to_string().into_bytes(),
        [b"[\"".as_slice(), &[0xC3, 0x28], b"\"]"].concat(),
    ] {
        bench.put(card(CardProfile::Uicc, ICCID, &content));
        let (decision, seen) = bench.switch_on().await;
        let what = String::from_utf8_lossy(&content[..content.len().min(60)]).into_owned();
        assert!(seen == old && decision.is_in_doubt(), "{what}: {decision}");
        let EntryOutcome::Refused(refusal) = &decision.entries[0].outcome else {
            unreachable!("{what}: {decision}")
        };
        assert!(!refusal.cause.action().is_empty());
        let told = bench.client().last_refusal().unwrap().unwrap();
        assert_eq!(told.cause, refusal.cause.code(), "{what}");
    }
    // Foreign content is not even read as a document; that of DM 1.x is another generation's.
    bench.put(card(CardProfile::Uicc, ICCID, b"<wap-provisioningdoc/>"));
    let trouble = bench.in_doubt(&old, "XML").await;
    assert_eq!(trouble.code(), "unsupported-encoding");
    // Directories that are none.
    for (id, code) in [(0x5031, "odf-unparsable"), (0x6430, "dodf-unparsable")] {
        let mut spoilt = card(CardProfile::Uicc, ICCID, &document_of("b", "x"));
        let held = file(&mut spoilt, id);
        held.content = Some(omadm_card::test_card::HexText(vec![0xA7, 0x7F, 0x30, 0x04]));
        bench.put(spoilt);
        let trouble = bench.in_doubt(&old, code).await;
        assert_eq!(trouble.code(), code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_that_is_missing_wrong_low_or_blocked_leaves_everything_and_is_tried_once() {
    for profile in [CardProfile::Uicc, CardProfile::Sim2g] {
        let (bench, old) = Bench::new(profile).await;
        let guarded = |tries: u8| {
            let mut card = card(profile, ICCID, &document_of("b", "second"));
            card.pin = Some(SecretCode {
                value: "1234".to_owned(),
                tries,
                reference: None,
            });
            file(&mut card, 0x6432).read = CardAccess::Pin;
            card
        };
        let with = |digits: &str| {
            let pin = CardPin::new(Secret::from(digits.to_owned())).unwrap();
            bench.hold(|held| held.settings.pin = Some(pin));
        };
        bench.put(guarded(3));
        let code = async |what: &str| bench.in_doubt(&old, what).await.code();
        assert_eq!(code("missing").await, "pin-missing");
        with("9999");
        assert_eq!(code("wrong").await, "pin-wrong");
        let left = |bench: &Bench| {
            bench
                .slot
                .0
                .lock()
                .unwrap()
                .card
                .pin
                .as_ref()
                .unwrap()
                .tries
        };
        assert_eq!(left(&bench), 2, "tried once");
        assert_eq!(code("wrong again").await, "pin-wrong");
        assert_eq!(code("low").await, "pin-tries-low");
        assert_eq!(left(&bench), 1, "the last try is the holder's");
        bench.put(guarded(0));
        assert_eq!(code("blocked").await, "pin-blocked");
        bench.put(guarded(3));
        with("1234");
        let (decision, seen) = bench.switch_on().await;
        assert_eq!(seen.0, ["b"], "{decision}");
    }
}

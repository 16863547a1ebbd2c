//! All or nothing on the DM Client: SIGKILL at every step of a bootstrap leaves the old tree or the new one, and the completion arrives.
//! With `OMADM_TEST_NODES=2` each of the client's exchanges goes to the other one of two nodes than the one before.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it walked"
)]

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use omadm_client::Unobserved;
use omadm_tests::kill::{
    Device, DeviceState, Instants, PATIENCE, Site, Told, Victim, finish, finish_with_card,
    finish_with_push, wanted_site,
};
use omadm_tests::soak;

/// A bootstrap that is disturbed.
#[derive(Clone, Copy)]
struct Case {
    profile: &'static str,
    /// Whether the device has an account already, of an earlier bootstrap.
    again: bool,
    /// How it comes.
    by: By,
}

/// What brings a bootstrap.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Url,
    Image,
    Push,
    /// A card. Where the device has an account already, it is of this profile, by the same card before it was written anew.
    Card {
        former: &'static str,
    },
}

const FIRST: Case = Case {
    profile: "full",
    again: false,
    by: By::Url,
};
const AGAIN: Case = Case {
    profile: "full",
    again: true,
    by: By::Url,
};
const FIRST_MINIMAL: Case = Case {
    profile: "minimal",
    again: false,
    by: By::Url,
};
const IMAGE: Case = Case {
    profile: "full",
    again: false,
    by: By::Image,
};
const PUSH: Case = Case {
    profile: "full",
    again: false,
    by: By::Push,
};
const CARD: Case = Case {
    profile: "full",
    again: false,
    by: By::Card { former: "" },
};
const CARD_AGAIN: Case = Case {
    profile: "full",
    again: true,
    by: By::Card { former: "full" },
};
/// One server goes from the card and another one comes: removal and owed completion are of one transaction.
const CARD_EXCHANGED: Case = Case {
    profile: "minimal",
    again: true,
    by: By::Card { former: "full" },
};

/// The step at which the client asks for its document.
const BEGUN: &str = "Fetching";
/// The step before it plans and applies a document that somebody gave it.
const PLANNED: &str = "Delivered";
/// The step before it plans and applies what its cards hold.
const CARDS_PLANNED: &str = "clock";
/// The step before it clears what is owed.
const ANSWERED: &str = "AlertsDelivered";
/// About how long it then takes until the change is durable.
const CHANGE: Duration = Duration::from_millis(8);

/// What a killed client left behind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Found {
    Old,
    NewAndOwed,
    NewAndAcknowledged,
}

fn start(device: &Device, step: impl Display) -> Victim {
    Victim::start(env!("CARGO_BIN_EXE_kill_client"), device.arguments(&step)).unwrap()
}

impl Case {
    /// Bootstraps in this process, to the end.
    fn undisturbed(self, site: &dyn Site, device: &Device, former: &DeviceState) -> DeviceState {
        let client = site.client(device, Arc::new(Unobserved)).unwrap();
        let finished = async {
            match self.by {
                By::Card { .. } => finish_with_card(&client).await,
                By::Push => finish_with_push(&client).await,
                By::Url | By::Image => finish(&client, former.event_id()).await,
            }
        };
        let finished = async { tokio::time::timeout(PATIENCE, finished).await };
        site.runtime().block_on(finished).unwrap().unwrap();
        drop(client);
        device.state().unwrap()
    }

    /// A fresh device with the state it has before the bootstrap that is disturbed.
    fn prepare(self, site: &mut dyn Site) -> (Device, DeviceState) {
        let device = match self.by {
            By::Url => site.device(self.profile),
            By::Image => site.device_with_image(self.profile),
            By::Push => site.device_that_listens(),
            By::Card { former } if self.again => site.device_with_card(former),
            By::Card { .. } => site.device_with_card(self.profile),
        };
        let device = device.unwrap();
        let mut state = device.state().unwrap();
        assert!(state.accounts.is_empty() && state.instances.is_empty());
        if self.by == By::Push {
            // Tried again until the device listens.
            site.push(&device, self.profile).unwrap();
        }
        if self.again {
            state = self.undisturbed(site, &device, &state);
            if let By::Card { .. } = self.by {
                site.another_card(&device, self.profile).unwrap();
            }
        }
        (device, state)
    }

    /// The leaves that the document brings, as an undisturbed device has them.
    fn shape(self, site: &mut dyn Site) -> BTreeSet<String> {
        let (device, old) = self.prepare(site);
        let state = self.undisturbed(site, &device, &old);
        self.completed(site, &device, &state);
        state.shape()
    }

    fn completed(self, site: &dyn Site, device: &Device, state: &DeviceState) {
        let bootstraps = if self.again { 2 } else { 1 };
        site.assert_completed(device, state, bootstraps).unwrap();
    }

    /// Looks at what was left behind, starts the device again, and insists on the end.
    fn judge(
        self,
        site: &dyn Site,
        device: &Device,
        old: &DeviceState,
        shape: &BTreeSet<String>,
    ) -> Found {
        let left = device.state().unwrap();
        let found = match &left {
            left if left == old => Found::Old,
            left if left.owes() => Found::NewAndOwed,
            _ => Found::NewAndAcknowledged,
        };
        if found != Found::Old {
            assert_ne!(left.event_id(), old.event_id(), "neither old nor new");
            left.assert_whole(shape);
        }
        let last = self.undisturbed(site, device, old);
        last.assert_whole(shape);
        if found != Found::Old {
            assert!(left.settled() == last, "the same bootstrap, acknowledged");
        }
        self.completed(site, device, &last);
        found
    }

    /// Kills at step 1, 2, … until the client is done before; answers how many steps there were.
    fn walk(self) -> u64 {
        let mut site = wanted_site().unwrap();
        let site = site.as_mut();
        let shape = self.shape(site);
        let mut walked: Vec<(Found, String)> = Vec::new();
        for step in 1.. {
            let (device, old) = self.prepare(site);
            let victim = start(&device, step);
            let name = victim.until_halt().unwrap();
            let killed = victim.kill().unwrap();
            println!("step {step}: {name:?}");
            let found = self.judge(site, &device, &old, &shape);
            let Some(name) = name else {
                assert_eq!(found, Found::NewAndAcknowledged);
                break;
            };
            assert!(killed, "{name}: ended by SIGKILL");
            walked.push((found, name));
        }
        site.stop().unwrap();
        println!("{} steps walked: {walked:#?}", walked.len());
        assert!(walked.is_sorted_by_key(|(found, _)| *found), "{walked:?}");
        for found in [Found::Old, Found::NewAndOwed, Found::NewAndAcknowledged] {
            assert!(walked.iter().any(|(at, _)| *at == found), "{found:?}");
        }
        walked.len() as u64
    }

    /// Kills at random instants: between the first request and the end, and as often soon after each of the two moments before a durable change.
    fn at_random_instants(self, seed: u64) {
        let (mut instants, seed) = Instants::seeded(seed);
        let mut site = wanted_site().unwrap();
        let site = site.as_mut();
        let shape = self.shape(site);
        let (device, _) = self.prepare(site);
        let planned = match self.by {
            By::Card { .. } => CARDS_PLANNED,
            By::Url | By::Image | By::Push => PLANNED,
        };
        let begins = match self.by {
            By::Card { .. } | By::Push => planned,
            By::Url | By::Image => BEGUN,
        };
        let victim = start(&device, begins);
        assert_eq!(victim.told(PATIENCE).unwrap(), Told::At(begins.into()));
        let begun = Instant::now();
        assert_eq!(victim.told(PATIENCE).unwrap(), Told::Done);
        let span = begun.elapsed();
        println!("seed {seed}, a bootstrap takes {span:?}");
        let windows = [
            (begins, span),
            (planned, CHANGE),
            (begins, span),
            (ANSWERED, CHANGE),
        ];
        for (mark, window) in windows.into_iter().cycle().take(soak::size(200)) {
            let (device, old) = self.prepare(site);
            let victim = start(&device, mark);
            assert_eq!(victim.told(PATIENCE).unwrap(), Told::At(mark.into()));
            let instant = instants.before(window);
            std::thread::sleep(instant);
            victim.kill().unwrap();
            let found = self.judge(site, &device, &old, &shape);
            println!("{instant:?} after {mark}: {found:?}");
        }
        site.stop().unwrap();
    }
}

#[test]
fn a_first_bootstrap_is_all_or_nothing_at_every_step_of_the_client() {
    assert!(FIRST.walk() >= 13);
}

#[test]
fn a_pushed_bootstrap_is_all_or_nothing_at_every_step_of_the_client() {
    assert!(PUSH.walk() >= 10);
}

#[test]
fn a_minimal_bootstrap_is_all_or_nothing_at_every_step_of_the_client() {
    assert!(FIRST_MINIMAL.walk() >= 13);
}

#[test]
fn b_07_a_factory_bootstrap_is_all_or_nothing_at_every_step_of_the_client() {
    assert!(IMAGE.walk() >= 9);
}

#[test]
fn a_card_is_applied_all_or_nothing_at_every_step_of_the_client() {
    assert!(CARD.walk() >= 9);
}

#[test]
fn a_card_written_anew_is_applied_all_or_nothing_at_every_step_of_the_client() {
    assert!(CARD_AGAIN.walk() >= 9);
}

#[test]
fn b_06_one_server_goes_from_the_card_as_the_other_comes_at_every_step_of_the_client() {
    assert!(CARD_EXCHANGED.walk() >= 9);
}

#[test]
fn b_06_what_a_card_no_longer_has_goes_whole_at_every_step_of_the_client() {
    let mut site = wanted_site().unwrap();
    let site = site.as_mut();
    let mut walked = Vec::new();
    for step in 1.. {
        let device = site.device_with_card("full").unwrap();
        let fresh = device.state().unwrap();
        let old = CARD.undisturbed(site, &device, &fresh);
        CARD.completed(site, &device, &old);
        // In turn: the card is pulled, and it is there without a bootstrap.
        if step % 2 == 0 {
            std::fs::remove_file(Device::card(&device.folder)).unwrap();
        } else {
            Device::put_card(&device.folder, &[]).unwrap();
        }
        let victim = start(&device, step);
        let name = victim.until_halt().unwrap();
        let killed = victim.kill().unwrap();
        let left = device.state().unwrap();
        let gone = left.accounts.is_empty() && left.instances.is_empty();
        assert!(gone || left == old, "a mixture after {name:?}");
        assert!(CARD.undisturbed(site, &device, &left) == fresh);
        let Some(name) = name else {
            assert!(gone, "it was done");
            break;
        };
        assert!(killed, "{name}: ended by SIGKILL");
        walked.push((gone, name));
    }
    site.stop().unwrap();
    println!("{} steps walked: {walked:#?}", walked.len());
    assert!(walked.is_sorted_by_key(|(gone, _)| *gone), "{walked:?}");
    let both = walked.iter().any(|(gone, _)| *gone) && walked.iter().any(|(gone, _)| !*gone);
    assert!(both, "before and after it: {walked:?}");
}

#[test]
fn a_re_bootstrap_is_all_or_nothing_at_every_step_of_the_client() {
    assert!(AGAIN.walk() >= 13);
}

#[test]
fn soak_a_first_bootstrap_is_all_or_nothing_whenever_the_client_is_killed() {
    FIRST.at_random_instants(20_261_123);
}

#[test]
fn soak_a_pushed_bootstrap_is_all_or_nothing_whenever_the_client_is_killed() {
    PUSH.at_random_instants(20_261_125);
}

#[test]
fn soak_a_re_bootstrap_is_all_or_nothing_whenever_the_client_is_killed() {
    AGAIN.at_random_instants(32_112_620);
}

#[test]
fn soak_a_card_is_applied_all_or_nothing_whenever_the_client_is_killed() {
    CARD.at_random_instants(20_261_124);
}

#[test]
fn soak_one_server_goes_from_the_card_as_the_other_comes_whenever_the_client_is_killed() {
    CARD_EXCHANGED.at_random_instants(42_112_620);
}

//! What HGETs brought, for as long as the process lives: an object that did not change is not sent again (RFC 9110 §13.1.2).

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use omadm_mo::{Secret, ServerUri, SrvId};
use omadm_session::client::Fetched;

/// Octets that are kept at most, all together; the oldest go.
const MOST_OCTETS: usize = 1 << 20;
/// Objects that are kept at most.
const MOST_OBJECTS: usize = 32;
/// A longer ETag is not kept.
const MOST_ETAG: usize = 256;

/// Of one server an object by its URL: another server's is another's, whatever its ETag says.
#[derive(Default)]
pub(crate) struct FetchedObjects(Mutex<VecDeque<Entry>>);

struct Entry {
    server: SrvId,
    url: ServerUri,
    known: Known,
}

/// An object with its ETag. Has no `Debug`, since there may be secrets in it.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) etag: String,
    content_type: Option<String>,
    body: Secret,
}

impl Known {
    pub(super) fn new(etag: &str, fetched: &Fetched) -> Self {
        Self {
            etag: etag.to_owned(),
            content_type: fetched.content_type.clone(),
            body: Secret::new(fetched.body.clone()),
        }
    }

    pub(super) fn fetched(&self) -> Fetched {
        Fetched {
            content_type: self.content_type.clone(),
            body: self.body.expose().to_vec(),
        }
    }
}

impl FetchedObjects {
    /// What is at hand of this URL.
    pub(super) fn known(&self, server: &SrvId, url: &ServerUri) -> Option<Known> {
        let all = self.all();
        let mut all = all.iter();
        let found = all.find(|one| one.server == *server && one.url == *url);
        found.map(|one| one.known.clone())
    }

    /// Puts this in the place of what is at hand of the URL.
    pub(super) fn note(&self, server: &SrvId, url: &ServerUri, known: Option<Known>) {
        let mut all = self.all();
        all.retain(|one| one.server != *server || one.url != *url);
        let fits = |known: &Known| known.body.len() <= MOST_OCTETS && known.etag.len() <= MOST_ETAG;
        if let Some(known) = known.filter(fits) {
            let (server, url) = (server.clone(), url.clone());
            all.push_back(Entry { server, url, known });
        }
        let mut octets: usize = all.iter().map(|one| one.known.body.len()).sum();
        while octets > MOST_OCTETS || all.len() > MOST_OBJECTS {
            let Some(oldest) = all.pop_front() else {
                break;
            };
            octets -= oldest.known.body.len();
        }
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use omadm_mo::{ServerUri, SrvId};
    use omadm_session::client::Fetched;

    use super::{FetchedObjects, Known, MOST_ETAG, MOST_OBJECTS, MOST_OCTETS};

    fn object(octets: usize) -> Known {
        let fetched = Fetched {
            content_type: None,
            body: vec![7; octets],
        };
        Known::new("\"a\"", &fetched)
    }

    fn url(number: usize) -> ServerUri {
        ServerUri::parse(&format!("https://repo.example.com/{number}")).unwrap()
    }

    #[test]
    fn the_oldest_objects_go_where_number_or_octets_are_too_many() {
        let (all, server) = (FetchedObjects::default(), SrvId::parse("one").unwrap());
        let at_hand = |number| all.known(&server, &url(number)).is_some();
        for number in 0..=MOST_OBJECTS {
            all.note(&server, &url(number), Some(object(10)));
        }
        assert!(!at_hand(0) && at_hand(1) && at_hand(MOST_OBJECTS));
        all.note(&server, &url(100), Some(object(MOST_OCTETS - 15)));
        assert!(!at_hand(MOST_OBJECTS - 1) && at_hand(MOST_OBJECTS) && at_hand(100));
        // What is too much by itself takes nothing away but its own former version.
        all.note(&server, &url(MOST_OBJECTS), Some(object(MOST_OCTETS + 1)));
        assert!(!at_hand(MOST_OBJECTS) && at_hand(100));
        let long = Known {
            etag: "x".repeat(MOST_ETAG + 1),
            ..object(1)
        };
        all.note(&server, &url(100), Some(long));
        assert!(all.all().is_empty());
    }

    #[test]
    fn one_servers_objects_are_not_anothers() {
        let all = FetchedObjects::default();
        let [one, other] = ["one", "other"].map(|name| SrvId::parse(name).unwrap());
        all.note(&one, &url(1), Some(object(10)));
        assert!(all.known(&other, &url(1)).is_none());
        all.note(&other, &url(1), None);
        assert_eq!(all.known(&one, &url(1)).unwrap().fetched().body, [7; 10]);
    }
}

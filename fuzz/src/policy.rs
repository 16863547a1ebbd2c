//! The policy file of a DM Client.

use std::collections::BTreeSet;
use std::path::Path;

use omadm_client::policy::ClientPolicy;
use omadm_mo::Scheme;

/// A policy names each source once and fetches by TLS alone; what is wrong with one has its place in the file.
pub fn client_policy(octets: &[u8]) {
    let Ok(text) = str::from_utf8(octets) else {
        return;
    };
    match ClientPolicy::read(text, Path::new("/etc/omadm")) {
        Ok(policy) => {
            let ids: BTreeSet<_> = policy.sources.iter().map(|source| &source.id).collect();
            assert_eq!(ids.len(), policy.sources.len());
            for source in &policy.sources {
                assert_eq!(source.url.scheme(), Scheme::Https);
            }
        }
        Err(error) => {
            assert!(error.line >= 1 && error.line <= text.matches('\n').count() + 1);
            assert!(error.column >= 1);
            assert!(error.to_string().starts_with("line "));
        }
    }
}

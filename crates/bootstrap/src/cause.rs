use std::fmt;

use omadm_mo::Fault;

/// A refused bootstrap: why, and which part of the document it was. The tree is unchanged.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{cause}{}", Detail(.item.as_deref(), .uri.as_deref(), .detail.as_deref()))]
pub struct Refusal {
    /// Why.
    pub cause: BootstrapFailureCause,
    /// The item of the document, for example `$[0].MOData.DMAcc`.
    pub item: Option<String>,
    /// The node or the server concerned.
    pub uri: Option<String>,
    /// What exactly was found, without any value that could be secret.
    pub detail: Option<String>,
}

/// One row a cause: variant, stable code, fault, sentence, what to do.
macro_rules! causes {
    ($($variant:ident $code:literal $fault:ident $sentence:literal $action:literal;)*) => {
        /// Why a bootstrap did not complete. Public and append-only: codes are stable, stored and shown to people.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[non_exhaustive]
        pub enum BootstrapFailureCause {
            $(#[doc = $sentence] $variant,)*
        }

        impl BootstrapFailureCause {
            /// Every cause there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// Who has to act.
            #[must_use]
            pub const fn fault(self) -> Fault {
                match self { $(Self::$variant => Fault::$fault,)* }
            }

            /// What happened, as a sentence.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }

            /// What to do next.
            #[must_use]
            pub const fn action(self) -> &'static str {
                match self { $(Self::$variant => $action,)* }
            }
        }
    };
}

causes! {
    MethodDisabled "method-disabled" Policy "The device's policy turns this bootstrap method off."
        "Use another method, or turn this one on in the device's policy.";
    SourceNotTrusted "source-not-trusted" Policy "The source of the document is not one the device trusts."
        "Name the source in the device's policy, or send from a trusted one.";
    ChannelNotSecure "channel-not-secure" Policy "The document came over a channel that is not encrypted and authenticated end to end."
        "Send it over mutual TLS.";
    ConsentRefused "consent-refused" Policy "The user did not agree to the bootstrap."
        "Ask the user, then send the bootstrap again.";
    PermissionRefused "permission-refused" Policy "The document asks for MOIDs that the device's policy does not grant."
        "Shorten the profile's permission list, or widen `allowed_moids` in the device's policy.";
    TooManyAccounts "too-many-accounts" Policy "The device keeps no further DM Account."
        "Raise `max_accounts` in the device's policy, or remove an account first.";
    ForeignAccount "foreign-account" Policy "The document would replace an account that another source brought."
        "Bootstrap from the account's own source, from a card or image, or with the user's consent.";
    BootstrapCredentialGuard "bootstrap-credential-guard" Policy "Only the account's own bootstrap server may change its bootstrap credentials."
        "Leave `Auth/Bootstrap` out of the document, or let the account's bootstrap server send it.";
    Unparsable "unparsable" Content "The document is not well-formed JSON within the limits."
        "Build the document with `omadm bootstrap build`, or look at it with `omadm decode`.";
    NotMoSerialization "not-mo-serialization" Content "The document is JSON, but no MO serialization."
        "Build the document with `omadm bootstrap build`, or look at it with `omadm decode`.";
    UnknownNode "unknown-node" Content "The document has a node that the DDF of its MO does not describe."
        "Correct the profile, or give the device the DDF that describes the node.";
    WrongFormat "wrong-format" Content "A value of the document does not fit the format its DDF gives the node."
        "Correct the profile.";
    InvalidInstance "invalid-instance" Content "An instance of the document does not satisfy its DDF."
        "Correct the profile; `omadm bootstrap check` names the node.";
    InvalidAccount "invalid-account" Content "The DM Account of the document lacks a node or holds an unusable one."
        "Correct the profile; `omadm bootstrap check` names the node.";
    NoAccount "no-account" Content "The document holds no DM Account, and its source owns none on the device."
        "Add a DM Account to the profile.";
    MissingSrvUri "missing-srv-uri" Content "The DM Account has no SrvURI."
        "Give the profile's account a `srv_uri`.";
    InsecureSrvUri "insecure-srv-uri" Content "The DM Account's SrvURI is not an https address."
        "Give the profile's account an https `srv_uri`.";
    MissingPerm "missing-perm" Content "The DM Account has no permission list."
        "List at least one MOID under `perm` in the profile.";
    DuplicateSrvId "duplicate-srv-id" Content "Two DM Accounts of the document have one SrvID."
        "Give each account its own `srv_id`.";
    UnusableCredential "unusable-credential" Content "The document holds a credential of a kind this device cannot use."
        "Use an X.509 credential, or a client built with PSK.";
    ForeignInstance "foreign-instance" Content "The document would replace an instance that somebody else created."
        "Leave the MIID out of the item, or remove the other instance first.";
    NoRoom "no-room" Environment "The device has no room left to store the bootstrap."
        "Free storage on the device; the bootstrap is tried again.";
    StorageFailed "storage-failed" Environment "The device's storage failed."
        "Look at the device's log; the bootstrap is tried again.";
    ServerUnreachable "server-unreachable" Environment "The server could not be reached."
        "Check address, name and network; it is tried again.";
    ServerNotTrusted "server-not-trusted" Configuration "The server's certificate is not one the device trusts for this address."
        "Give the device the anchor of that server, in its policy or in the account's `Ext/Trust`.";
    HandshakeRefused "handshake-refused" Peer "The server refused the TLS handshake."
        "Check the credential of the device against the server's event log.";
    CredentialRefused "credential-refused" Peer "The server refused the device's credential."
        "Check the device's record on the server: its credential may be unknown, expired or revoked.";
    ServerRefused "server-refused" Peer "The server refused the request."
        "The server's event log tells the reason under the device's name.";
    ServerFailed "server-failed" Peer "The server failed to answer."
        "Look at the server's log; it is tried again.";
    PeerMisbehaved "peer-misbehaved" Peer "The server's answer is not what the protocol allows."
        "Check that the address is that of a DM 2.0 server; `curl -v` shows what it answers.";
    NothingForDevice "nothing-for-device" Configuration "The server has no bootstrap for this device."
        "Assign a profile to the device on the server.";
    DeviceUnknown "device-unknown" Policy "The server knows no device of this DevID."
        "Register the device with `omadm device add`.";
    CredentialUnknown "credential-unknown" Policy "The server knows no device with this credential."
        "Register the device's certificate with `omadm device add`.";
    CredentialExpired "credential-expired" Peer "The device's certificate is not valid at this time."
        "Issue a new certificate; check the clocks of both ends.";
    CredentialRevoked "credential-revoked" Policy "The device's credential was revoked."
        "Issue a new credential if the device is to be managed.";
    CredentialForeign "credential-foreign" Peer "The device's credential belongs to another DevID than the one it claims."
        "Compare DevInfo/DevID on the device with its record on the server.";
    CredentialMissing "credential-missing" Peer "The device proved its identity by no credential."
        "Give the device a certificate, or a bootstrap code.";
    Expired "expired" Policy "The bootstrap was not completed in time."
        "Start it again; raise its time if the device is slow to come.";
    Superseded "superseded" Policy "A newer bootstrap of the same account took its place."
        "Nothing; the newer one counts.";
    PskIdentityUnknown "psk-identity-unknown" Policy "A peer offered a pre-shared key of an identity that no device has."
        "If the identity is a device's, register its PSK with `omadm device add`; else nothing: it was kept out.";
    PskKeyWrong "psk-key-wrong" Peer "A peer named a device's PSK identity, but does not hold its key."
        "If it is the device, give both ends the same key again; else somebody tries its identity, and was kept out.";
    ImageUnreadable "image-unreadable" Environment "The bootstrap image could not be read."
        "Check the path under `[bootstrap] factory` in the device's policy, and that the file can be read.";
    DocumentTooBig "document-too-big" Content "The document has more octets than the device reads."
        "Deliver less, or raise `document_octets` in the device's policy.";
    WrongDevice "wrong-device" Content "The document was made for another device."
        "Give the device its own image: `omadm bootstrap inspect` tells whose one is.";
    SealBroken "seal-broken" Content "The sealed image is damaged."
        "Copy the image again, or build it again with `omadm bootstrap build --seal-to`.";
    CredentialReplaced "credential-replaced" Policy "A newer credential took the place of this one, and the device reports no bootstrap that brought it back."
        "If the device was reset or restored, let it come back with `omadm device accept`; else somebody may have its old secrets: revoke them.";
    DeviceUnreachable "device-unreachable" Environment "The device could not be reached where it is to be bootstrapped."
        "Check the address, and whether the device listens there: `[listen] bootstrap` in its policy; then send the bootstrap again.";
    DeviceNotTrusted "device-not-trusted" Configuration "Who answers at the address is not the device: it proved none of the device's certificates."
        "Check the address; make the certificate known that the device listens with: `omadm device add-credential`.";
    DeviceBusy "device-busy" Environment "The device is at work on another bootstrap."
        "Wait until that one is over, then send the bootstrap again.";
    DeviceMisbehaved "device-misbehaved" Peer "What answers at the address is no bootstrap listener of a device."
        "Check the address and its path; an omadm device takes pushed bootstraps at /bootstrap.";
    DeviceRefused "device-refused" Peer "The device refused the document and did not say why."
        "Look at the device's log.";
    NotificationUnanswered "notification-unanswered" Environment "The device was called to fetch its bootstrap, and did not come."
        "Check the address, and that the device knows this server as a bootstrap source with a secret for Notifications.";
    AwaitingApproval "awaiting-approval" Policy "The server holds the device until an operator decides."
        "Compare the fingerprint that `omadm device pending` shows with the device's, then `omadm device approve` or `omadm device reject` it.";
    AdmissionRejected "admission-rejected" Policy "An operator of the server rejected the device."
        "If that was a mistake, approve it with `omadm device approve`.";
    TooManyWaiting "too-many-waiting" Policy "As many devices wait for an operator as may."
        "Decide on those that `omadm device pending` shows, or raise `most` in the file of --admission.";
    PushUnproven "push-unproven" Peer "The pushed document carries no proof that this device can check."
        "Send it with SEC and MAC, by a number or PIN that the device's side knows.";
    NotDm1Document "not-dm1-document" Content "The document is no bootstrap of DM 1.x that this device can read."
        "Build it with `omadm bootstrap build --profile-format cp` or `dm`, or look at it with `omadm decode`.";
    Dm2AccountExists "dm2-account-exists" Policy "The server has a DM 2.0 account on the device, which wins over one of DM 1.x."
        "Nothing; remove the DM 2.0 account first if the device is to be managed by DM 1.x.";
    LessTrusted "less-trusted" Policy "The document would replace an account that came by a way that is trusted more."
        "Send it by that way again, or let the user agree to it.";
    Replayed "replayed" Peer "The pushed document was applied before, and a newer one since."
        "If the server means it, let it send new bytes; else somebody recorded it, and was kept out.";
}

impl BootstrapFailureCause {
    /// The cause of this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.code() == code)
    }

    /// A refusal for this cause.
    #[must_use]
    pub const fn refusal(self) -> Refusal {
        Refusal {
            cause: self,
            item: None,
            uri: None,
            detail: None,
        }
    }
}

impl Refusal {
    /// Names the item of the document.
    #[must_use]
    pub fn at(mut self, item: impl Into<String>) -> Self {
        self.item = Some(item.into());
        self
    }

    /// Names the node or server.
    #[must_use]
    pub fn on(mut self, uri: impl fmt::Display) -> Self {
        self.uri = Some(uri.to_string());
        self
    }

    /// Tells what was found.
    #[must_use]
    pub fn because(mut self, detail: impl fmt::Display) -> Self {
        self.detail = Some(detail.to_string());
        self
    }
}

impl fmt::Display for BootstrapFailureCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

struct Detail<'a>(Option<&'a str>, Option<&'a str>, Option<&'a str>);

impl fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(detail) = self.2 {
            write!(f, " {detail}")?;
        }
        match (self.0, self.1) {
            (None, None) => Ok(()),
            (Some(item), Some(uri)) => write!(f, " ({item}, {uri})"),
            (Some(one), None) | (None, Some(one)) => write!(f, " ({one})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::BootstrapFailureCause;

    #[test]
    fn codes_are_unique_and_each_leads_back_to_its_cause() {
        let codes: BTreeSet<_> = BootstrapFailureCause::ALL
            .iter()
            .map(|cause| cause.code())
            .collect();
        assert_eq!(codes.len(), BootstrapFailureCause::ALL.len());
        for cause in BootstrapFailureCause::ALL {
            assert_eq!(BootstrapFailureCause::from_code(cause.code()), Some(*cause));
            assert!(
                cause.sentence().ends_with('.') && cause.action().ends_with('.'),
                "{}",
                cause.code()
            );
        }
    }
}

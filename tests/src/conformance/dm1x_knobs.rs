//! The knobs of the items of DM 1.x.

use super::knob::Knob;

pub(super) const DM1X: &[Knob] = &[
    Knob {
        item: "B1-C-09",
        file: "crates/session/src/client/dm1/machine.rs",
        from: "StatusCode::OK | StatusCode::ACCEPTED => Some(CompletionState::Acked),",
        to: "StatusCode::OK | StatusCode::ACCEPTED => None,",
        package: "omadm-session",
        target: Some("client_dm1_session"),
        test: "b1_c_09_m27_the_event_is_settled_by_the_statuses_of_6_3_and_stays_owed_otherwise",
    },
    Knob {
        item: "DM-HLR-1",
        file: "crates/session/src/server/dm1/alerts.rs",
        from: "self.delta.bootstrap = Some(BootstrapReport { data, source });",
        to: "let _lost = BootstrapReport { data, source };",
        package: "omadm-session",
        target: Some("dm1_server"),
        test: "recovery::dm_hlr_1_dm_hlr_2_an_event_is_stored_once_and_acknowledged_as_often_as_it_comes",
    },
    Knob {
        item: "DM-HLR-2",
        file: "crates/session/src/server/dm1/alerts.rs",
        from: "Some(Ok((data, source))) => self.bootstrapped(data, source),",
        to: "Some(Ok((data, source))) => StatusCode(self.bootstrapped(data, source).0 + 1),",
        package: "omadm-session",
        target: Some("dm1_server"),
        test: "recovery::dm_hlr_1_dm_hlr_2_an_event_is_stored_once_and_acknowledged_as_often_as_it_comes",
    },
    Knob {
        item: "B1-S-03",
        file: "crates/session/src/server/dm1/alerts.rs",
        from: "None => self.received(alert, StatusCode::UNSUPPORTED_FORMAT),",
        to: "None => self.received(alert, StatusCode::OK),",
        package: "omadm-session",
        target: Some("dm1_server"),
        test: "recovery::b1_s_03_the_event_is_known_by_its_types_and_malformed_or_foreign_ones_have_their_status",
    },
    Knob {
        item: "B1-S-04",
        file: "crates/session/src/server/dm1/generations.rs",
        from: "NonceKind::Next | NonceKind::Package => Freshness::Stale,",
        to: "NonceKind::Next | NonceKind::Package => Freshness::Fresh,",
        package: "omadm-session",
        target: Some("dm1_server"),
        test: "recovery::b1_s_04_a_replaced_secret_with_its_event_is_recovered_on_a_fresh_challenge_and_replaced_again",
    },
    Knob {
        item: "B1-C-02",
        file: "crates/bootstrap/src/push_security.rs",
        from: "(Sec::NetwPin, _) => PushJudged::Dropped(PushFault::WrongMac),",
        to: "(Sec::NetwPin, _) => PushJudged::Proved(PushProof::NetworkId),",
        package: "omadm-bootstrap",
        target: None,
        test: "push_security::tests::b1_c_02_a_wrong_mac_or_none_drops_the_push_unread",
    },
    Knob {
        item: "B1-C-08",
        file: "crates/bootstrap/src/plan/dm1/bootstrap.rs",
        from: "[AclCommand::Get, AclCommand::Replace, AclCommand::Delete]",
        to: "[AclCommand::Replace, AclCommand::Delete]",
        package: "omadm-bootstrap",
        target: Some("dm1_device"),
        test: "dm_hlr_3_b1_c_08_b1_c_10_a_new_account_gets_its_rights_its_type_and_owes_the_event",
    },
];

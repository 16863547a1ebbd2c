//! Knobs: each breaks the implementation at one place, and the test that proves the item must then fail. They are turned in a copy of the workspace.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::found;

/// One knob.
#[derive(Clone, Copy, Debug)]
pub struct Knob {
    /// The item it breaks.
    pub item: &'static str,
    /// File from the root of the workspace.
    pub file: &'static str,
    /// Text that stands there once.
    pub from: &'static str,
    /// What stands in its place when the knob is turned; it compiles.
    pub to: &'static str,
    /// The package of the test.
    pub package: &'static str,
    /// Its test target; none for the library's own tests.
    pub target: Option<&'static str>,
    /// The test, with its modules where it is one of the library's own.
    pub test: &'static str,
}

/// Every knob; the first costs the least to turn.
pub const KNOBS: &[Knob] = &[
    Knob {
        item: "B-23",
        file: "crates/bootstrap/src/plan/bootstrap.rs",
        from: ".any(|account| account.srv_id == read.srv_id)",
        to: ".any(|account| account.srv_id != read.srv_id)",
        package: "omadm-bootstrap",
        target: Some("refused"),
        test: "b_23_two_accounts_of_one_srv_id_are_refused_together",
    },
    Knob {
        item: "B-13",
        file: "crates/bootstrap/src/plan/placement.rs",
        from: "next += 1;",
        to: "next += 2;",
        package: "omadm-bootstrap",
        target: Some("applied"),
        test: "b_13_an_account_is_added_with_a_counted_miid_as_an_hget_would",
    },
    Knob {
        item: "B-14",
        file: "crates/mo/src/serialization/write.rs",
        from: "\"MOData\".to_owned(),",
        to: "\"MoData\".to_owned(),",
        package: "omadm-bootstrap",
        target: None,
        test: "profile::tests::b_14_the_full_profile_comes_back_as_the_same_account_from_its_document",
    },
    Knob {
        item: "B-07",
        file: "crates/client/src/engine/factory.rs",
        from: "if !enabled || self.config.factory_image.is_none() {",
        to: "if enabled || self.config.factory_image.is_none() {",
        package: "omadm-client",
        target: Some("factory"),
        test: "b_07_after_a_factory_reset_the_image_is_applied_again_as_a_reset",
    },
    Knob {
        item: "DM-BOOT-003-C-O",
        file: "crates/client/src/store/tree_store.rs",
        from: "facts::write(&mut tables.facts, facts::FACTORY, hash.as_bytes())?;",
        to: "let _ = hash;",
        package: "omadm-client",
        target: Some("factory"),
        test: "b_07_dm_boot_003_c_o_the_image_is_applied_once_at_the_first_start_and_its_completion_reported",
    },
    Knob {
        item: "B-16",
        file: "crates/bootstrap/src/plan/bootstrap.rs",
        from: "if delivery.channel == ChannelSecurity::Open {",
        to: "if delivery.channel == ChannelSecurity::Open && delivery.consent {",
        package: "omadm-bootstrap",
        target: Some("refused"),
        test: "b_16_a_document_over_an_open_channel_is_refused_by_every_method",
    },
    Knob {
        item: "B-17",
        file: "crates/bootstrap/src/plan/bootstrap.rs",
        from: "Some(delivered) if delivered != guarded => {",
        to: "Some(delivered) if delivered != guarded && !self.delivery.consent => {",
        package: "omadm-bootstrap",
        target: Some("refused"),
        test: "b_17_only_the_bootstrap_server_changes_auth_bootstrap",
    },
    Knob {
        item: "B-20",
        file: "crates/bootstrap/src/plan/bootstrap.rs",
        from: "node.remove(&names::path(&[names::PERM]));",
        to: "",
        package: "omadm-bootstrap",
        target: Some("applied"),
        test: "b_20_perm_goes_to_protected_storage_and_never_into_the_tree",
    },
    Knob {
        item: "B-22",
        file: "crates/bootstrap/src/plan/account_item.rs",
        from: "Some(moid) => Err(Cause::PermissionRefused.refusal().at(at).on(moid)),",
        to: "Some(_) => Ok(drop(at)),",
        package: "omadm-bootstrap",
        target: Some("refused"),
        test: "b_22_a_permission_list_beyond_the_cap_is_refused_as_a_whole",
    },
    Knob {
        item: "B-25",
        file: "crates/bootstrap/src/plan/bootstrap.rs",
        from: "Some(account) => account.miid.clone(),",
        to: "Some(_) => self.new_miid(&moid, item.miid.as_ref())?,",
        package: "omadm-bootstrap",
        target: Some("again"),
        test: "b_25_the_same_server_again_keeps_its_miid_and_is_counted",
    },
    Knob {
        item: "B-26",
        file: "crates/bootstrap/src/plan/bootstrap.rs",
        from: "creator: Some(owner.clone()),",
        to: "creator: None,",
        package: "omadm-bootstrap",
        target: Some("applied"),
        test: "b_26_further_objects_belong_to_the_first_account_of_the_document",
    },
    Knob {
        item: "B-31",
        file: "crates/bootstrap/src/plan/bootstrap.rs",
        from: "put(names::METHOD, Value::chr(provenance.method.node_value()));",
        to: "put(names::METHOD, Value::chr(\"factory\"));",
        package: "omadm-bootstrap",
        target: Some("applied"),
        test: "b_31_the_bootstrap_type_stands_in_the_tree",
    },
    Knob {
        item: "B-33",
        file: "crates/bootstrap/src/plan/bootstrap.rs",
        from: "owed: Some(OwedCompletion::fresh()),",
        to: "owed: None,",
        package: "omadm-bootstrap",
        target: Some("applied"),
        test: "b_33_the_completion_is_owed_from_the_commit_that_brings_the_account",
    },
    Knob {
        item: "X-URI-001",
        file: "crates/mo/src/client_uri/resolve.rs",
        from: "let seen = stands && sight.sees(&self.moid, miid);",
        to: "let seen = stands && !sight.sees(&self.moid, miid);",
        package: "omadm-mo",
        target: None,
        test: "client_uri::resolve::tests::x_uri_001_published_examples_1_to_10_of_section_7_4",
    },
    Knob {
        item: "X-URI-002",
        file: "crates/mo/src/client_uri/resolve.rs",
        from: "if self.conditions_hold(*x, &root, tree, sight)? {",
        to: "if !self.conditions_hold(*x, &root, tree, sight)? {",
        package: "omadm-mo",
        target: None,
        test: "client_uri::resolve::tests::x_uri_002_further_vectors_of_section_7_4",
    },
    Knob {
        item: "X-URI-003",
        file: "crates/mo/src/server_uri.rs",
        from: "if authority.contains('@') {",
        to: "if authority.contains(\"@@\") {",
        package: "omadm-mo",
        target: None,
        test: "server_uri::tests::x_uri_003_what_is_no_server_uri_is_refused",
    },
    Knob {
        item: "X-MO-001",
        file: "crates/mo/src/standard/ddf/dm_devinfo-v1_2.ddf",
        from: "<NodeName>HwV</NodeName>",
        to: "<NodeName>HwVersion</NodeName>",
        package: "omadm-mo",
        target: None,
        test: "standard::tables::x_mo_001_dev_info_is_the_table_of_12_1_permanent_and_read_only",
    },
    Knob {
        item: "X-JSON-001",
        file: "crates/dm2/src/package2.rs",
        from: "Json::object([(\"CMD\", Json::Array(commands.collect()))])",
        to: "Json::object([(\"Cmd\", Json::Array(commands.collect()))])",
        package: "omadm-dm2",
        target: Some("vectors"),
        test: "x_json_001_every_package_is_written_as_it_was_read",
    },
    Knob {
        item: "B-15",
        file: "crates/dm2/src/alert.rs",
        from: "Self(Cow::Borrowed(\"urn:oma:at:dm:2.0:BootstrapComplete\"));",
        to: "Self(Cow::Borrowed(\"urn:oma:at:dm:2.0:BootstrapDone\"));",
        package: "omadm-session",
        target: Some("client_completion"),
        test: "b_15_x_boot_006_the_first_session_reports_bootstrap_complete_with_its_type_d27",
    },
    Knob {
        item: "X-BOOT-006",
        file: "crates/session/src/client/opening.rs",
        from: "let owed = account.owed.is_some() && reason != SessionReason::Repair;",
        to: "let owed = account.owed.is_none() && reason != SessionReason::Repair;",
        package: "omadm-session",
        target: Some("client_completion"),
        test: "b_15_x_boot_006_the_first_session_reports_bootstrap_complete_with_its_type_d27",
    },
    Knob {
        item: "B-21",
        file: "crates/bootstrap/src/access.rs",
        from: "self.perm.contains(moid)",
        to: "!self.perm.is_empty() || self.perm.contains(moid)",
        package: "omadm-session",
        target: Some("client_reads"),
        test: "b_21_a_moid_outside_the_perm_list_is_403_whether_it_exists_or_not",
    },
    Knob {
        item: "B-30",
        file: "crates/session/src/client/machine.rs",
        from: "self.acknowledge(view, package, 0);",
        to: "self.run(view, package);",
        package: "omadm-session",
        target: Some("client_completion"),
        test: "b_30_the_owed_flag_is_cleared_before_any_command_runs",
    },
    Knob {
        item: "X-FLOW-001",
        file: "crates/session/src/client/machine.rs",
        from: "self.send(media_type::PACKAGE3, &package.write());",
        to: "self.send(media_type::PACKAGE1, &package.write());",
        package: "omadm-session",
        target: Some("client_session"),
        test: "x_flow_001_packages_carry_their_media_types_and_go_to_srv_uri",
    },
    Knob {
        item: "B-18",
        file: "crates/client/src/engine/account_source.rs",
        from: "credential: Some(credential),",
        to: "credential: None,",
        package: "omadm-lab",
        target: Some("several_servers"),
        test: "b_18_a_further_fetch_proves_itself_with_auth_bootstrap_and_believes_its_key_alone",
    },
    Knob {
        item: "X-DAC-001",
        file: "crates/session/src/client/commands/dac.rs",
        from: "if !own.with(before).has(rights) {",
        to: "if own.with(before).is_none() {",
        package: "omadm-session",
        target: Some("client_delegation"),
        test: "x_dac_001_rights_are_passed_on_within_the_own_ones_only",
    },
    Knob {
        item: "X-CMD-001",
        file: "crates/session/src/client/commands/delete.rs",
        from: "for at in nodes {",
        to: "for at in nodes.into_iter().skip(1) {",
        package: "omadm-session",
        target: Some("client_commands"),
        test: "x_cmd_001_delete_takes_a_subtree_an_instance_or_all_that_is_named",
    },
    Knob {
        item: "X-ALRT-001",
        file: "crates/session/src/server/advance.rs",
        from: "others.filter(|alert| SessionCause::of(alert).is_none())",
        to: "others.filter(|alert| SessionCause::of(alert).is_some())",
        package: "omadm-session",
        target: None,
        test: "server::advance::tests::x_alrt_001_bootstrap_complete_dominates_and_other_alerts_are_reported_d04",
    },
    Knob {
        item: "B-29",
        file: "crates/bootstrap/src/completion.rs",
        from: "(\"EventId\", Json::text(provenance.event_id.as_str())),",
        to: "(\"EventId\", Json::text(\"\")),",
        package: "omadm-session",
        target: Some("pair_faults"),
        test: "b_29_the_repeated_report_names_the_same_event",
    },
    Knob {
        item: "B-19",
        file: "crates/server/src/bootstrap_service/document.rs",
        from: "CredentialSlot::Bootstrap => CredentialScope::Bootstrap,",
        to: "CredentialSlot::Bootstrap => CredentialScope::Session,",
        package: "omadm-server",
        target: Some("bootstrap"),
        test: "b_19_the_full_profile_brings_a_device_with_nothing_but_a_code_to_its_session",
    },
    Knob {
        item: "B-32",
        file: "crates/bootstrap/src/generation/decide.rs",
        from: "Generation::Boot if attempt.completion => Decision::Recover,",
        to: "Generation::Boot if !attempt.completion => Decision::Recover,",
        package: "omadm-server",
        target: Some("bootstrap"),
        test: "b_32_a_reset_device_comes_back_with_its_boot_credential_and_the_rotated_one_dies",
    },
    Knob {
        item: "X-NEGO-001",
        file: "crates/server/src/device/mod.rs",
        from: "StatusCode::UNSUPPORTED_MEDIA_TYPE,",
        to: "StatusCode::BAD_REQUEST,",
        package: "omadm-server",
        target: Some("answers"),
        test: "x_nego_001_a_content_type_that_is_no_package_is_415",
    },
    Knob {
        item: "B-27",
        file: "crates/client/src/policy/policy_file.rs",
        from: "ServerUri::parse(table.url.get_ref())",
        to: "ServerUri::parse(table.url.get_ref().split('#').next().unwrap_or_default())",
        package: "omadm-client",
        target: None,
        test: "policy::tests::b_27_the_bootstrap_url_of_a_source_is_a_server_uri",
    },
    Knob {
        item: "B-01",
        file: "crates/client/src/engine/fetch.rs",
        from: "200 if is_document(&response)",
        to: "299 if is_document(&response)",
        package: "omadm-lab",
        target: Some("client_initiated"),
        test: "b_01_b_08_dm_boot_001_c_m_dm_boot_004_c_o_a_client_fetches_its_bootstrap_from_a_known_url",
    },
    Knob {
        item: "B-08",
        file: "crates/client/src/engine/fetch.rs",
        from: "dev_id: Some(self.config.dev_id.clone()),",
        to: "dev_id: None,",
        package: "omadm-lab",
        target: Some("client_initiated"),
        test: "b_01_b_08_dm_boot_001_c_m_dm_boot_004_c_o_a_client_fetches_its_bootstrap_from_a_known_url",
    },
    Knob {
        item: "DM-BOOT-001-C-M",
        file: "crates/client/src/engine/fetch.rs",
        from: "own.or_else(|| self.config.identity.clone())",
        to: "own",
        package: "omadm-lab",
        target: Some("client_initiated"),
        test: "b_01_b_08_dm_boot_001_c_m_dm_boot_004_c_o_a_client_fetches_its_bootstrap_from_a_known_url",
    },
    Knob {
        item: "DM-BOOT-004-C-O",
        file: "crates/client/src/engine/client_initiated.rs",
        from: "self.bootstrap_from(source, known, method).await",
        to: "self.bootstrap_from(source, known, BootstrapMethod::Factory).await",
        package: "omadm-lab",
        target: Some("client_initiated"),
        test: "b_01_b_08_dm_boot_001_c_m_dm_boot_004_c_o_a_client_fetches_its_bootstrap_from_a_known_url",
    },
    Knob {
        item: "B-24",
        file: "crates/client/src/engine/account_target.rs",
        from: "Some(issued) => issued,",
        to: "Some(_) => config.identity.clone(),",
        package: "omadm-lab",
        target: Some("client_initiated"),
        test: "b_24_the_session_proves_itself_with_auth_trsp_and_not_with_the_device_identity",
    },
    Knob {
        item: "X-NOTI-001",
        file: "crates/dm2/src/package0/read.rs",
        from: "let said = (header >> 7) as u8 & 0x1F;",
        to: "let said = (header >> 8) as u8 & 0x0F;",
        package: "omadm-dm2",
        target: None,
        test: "package0::tests::x_noti_001_the_example_with_a_notification_id_of_section_11_7",
    },
    Knob {
        item: "X-NOTI-002",
        file: "crates/dm2/src/package0/mod.rs",
        from: "0x02 => Self::Wlan,",
        to: "0x02 => Self::Wireline,",
        package: "omadm-dm2",
        target: None,
        test: "package0::tests::x_noti_001_x_noti_002_x_noti_003_the_full_example_of_section_11_7",
    },
    Knob {
        item: "X-NOTI-003",
        file: "crates/dm2/src/package0/replay.rs",
        from: "let known = self.recent.contains(&id) || (!proven && self.unproven.contains(&id));",
        to: "let known = self.recent.front() == Some(&id) || (!proven && self.unproven.contains(&id));",
        package: "omadm-dm2",
        target: None,
        test: "package0::replay::tests::x_noti_003_a_notification_id_counts_once_among_the_last_32",
    },
    Knob {
        item: "X-CMD-002",
        file: "crates/session/src/client/commands/mod.rs",
        from: "Command::Show { .. } if !terms.browser => done(StatusCode::NOT_IMPLEMENTED),",
        to: "Command::Show { .. } if !terms.browser => done(StatusCode::OK),",
        package: "omadm-session",
        target: Some("client_commands"),
        test: "x_cmd_002_show_is_501_without_browser_and_500_where_it_does_not_start_d18",
    },
    Knob {
        item: "X-CMD-003",
        file: "crates/session/src/client/commands/subscribe.rs",
        from: ".retain(|one| one.client != client.as_str());",
        to: ".retain(|one| !one.client.starts_with(client.uri().moid.as_str()));",
        package: "omadm-session",
        target: Some("client_subscriptions"),
        test: "x_cmd_003_unsub_needs_the_very_text_of_the_same_server_d23",
    },
    Knob {
        item: "X-ASYN-001",
        file: "crates/session/src/client/commands/mod.rs",
        from: "let later = outcome == ExecOutcome::Later || server.is_some();",
        to: "let later = outcome == ExecOutcome::Later && server.is_some();",
        package: "omadm-session",
        target: Some("client_commands"),
        test: "x_asyn_001_exec_with_server_uri_is_202_even_where_it_is_done_at_once",
    },
    Knob {
        item: "X-CACHE-001",
        file: "crates/session/src/client/commands/read.rs",
        from: "Ok(validator.as_ref() == Some(cv))",
        to: "Ok(validator.as_ref() != Some(cv))",
        package: "omadm-session",
        target: Some("queued_commands"),
        test: "x_cache_001_an_instance_that_did_not_change_is_not_sent_again",
    },
    Knob {
        item: "X-SEC-001",
        file: "crates/dm2/src/http_auth/digest.rs",
        from: "Self::Sha256 => &<sha2::Sha256 as sha2::Digest>::digest(octets),",
        to: "Self::Sha256 => &<sha2::Sha512_256 as sha2::Digest>::digest(octets),",
        package: "omadm-dm2",
        target: None,
        test: "http_auth::digest::tests::x_sec_001_the_examples_of_rfc_7616_come_out",
    },
    Knob {
        item: "X-SEC-002",
        file: "crates/tls/src/psk_suite.rs",
        from: "Self::RsaPskCbc => \"RSA-PSK-AES128-CBC-SHA256\",",
        to: "Self::RsaPskCbc => \"RSA-PSK-AES128-GCM-SHA256\",",
        package: "omadm-tls",
        target: Some("openssl_suites"),
        test: "x_sec_002_every_psk_suite_of_the_standard_is_negotiated_with_openssl_s_client",
    },
    Knob {
        item: "B-02",
        file: "crates/bootstrap/src/plan/switch_on/check.rs",
        from: "if document.encoding() != DocumentEncoding::Json =>",
        to: "if document.encoding() == DocumentEncoding::Json =>",
        package: "omadm-client",
        target: Some("cards"),
        test: "b_02_b_04_a_card_is_read_applied_and_reported_as_smartcard_and_then_left_alone",
    },
    Knob {
        item: "B-03",
        file: "crates/client/src/engine/cards.rs",
        from: "self.cards.readers.clone().filter(|_| method.enabled)",
        to: "self.cards.readers.clone().filter(|_| !method.enabled)",
        package: "omadm-client",
        target: Some("cards"),
        test: "dm_boot_002_c_o_b_03_no_card_is_touched_where_policy_turns_the_method_off",
    },
    Knob {
        item: "B-04",
        file: "crates/bootstrap/src/plan/switch_on/mod.rs",
        from: "Tried::Decided(decision) => return Ok(*decision),",
        to: "Tried::Decided(_) => return Ok(SwitchOnDecision::nothing(view.version())),",
        package: "omadm-bootstrap",
        target: Some("switch_on"),
        test: "b_04_a_card_s_bootstrap_is_applied_at_switch_on_with_its_provenance",
    },
    Knob {
        item: "B-05",
        file: "crates/bootstrap/src/plan/switch_on/verdict.rs",
        from: "return Verdict::Gone;",
        to: "return Verdict::Kept;",
        package: "omadm-bootstrap",
        target: Some("switch_on"),
        test: "b_05_every_server_of_the_card_is_looked_for_and_b_06_the_one_that_is_gone_is_removed",
    },
    Knob {
        item: "B-06",
        file: "crates/bootstrap/src/plan/switch_on/removal.rs",
        from: "plan.removed_accounts.push(account.srv_id.clone());",
        to: "",
        package: "omadm-bootstrap",
        target: Some("switch_on"),
        test: "b_06_removal_covers_all_that_the_bootstrap_brought_d53",
    },
    Knob {
        item: "DM-BOOT-002-C-O",
        file: "crates/bootstrap/src/plan/switch_on/mod.rs",
        from: "if !policy.smartcard.enabled {",
        to: "if policy.smartcard.enabled {",
        package: "omadm-bootstrap",
        target: Some("switch_on"),
        test: "dm_boot_002_c_o_b_03_a_policy_that_turns_the_method_off_neither_applies_nor_removes_d1",
    },
    Knob {
        item: "B-28",
        file: "crates/server/src/operator/triggers.rs",
        from: "source: new.source.clone(),",
        to: "source: new.key.clone(),",
        package: "omadm-server",
        target: Some("triggers"),
        test: "b_28_a_trigger_of_each_source_makes_record_and_bootstrap_and_its_event_names_the_source",
    },
];

/// A copy of the workspace with a target folder of its own, kept from run to run so that little is built anew.
#[derive(Debug)]
pub struct Workshop {
    tree: PathBuf,
    target: PathBuf,
}

impl Workshop {
    /// Brings the copy up to date; files that did not change keep their time.
    ///
    /// # Errors
    /// When the workspace cannot be listed or copied.
    pub fn open(root: &Path, folder: &Path) -> io::Result<Self> {
        let workshop = Self {
            tree: folder.join("knobs/tree"),
            target: folder.join("knobs/target"),
        };
        for name in found::listed(root)? {
            let (from, to) = (root.join(&name), workshop.tree.join(&name));
            let content = fs::read(&from)?;
            if fs::read(&to).ok().as_ref() != Some(&content) {
                if let Some(parent) = to.parent() {
                    fs::create_dir_all(parent)?;
                }
                fs::write(&to, &content)?;
            }
        }
        Ok(workshop)
    }

    /// Turns a knob and runs its test; none when the test failed as it must, else what the run said.
    ///
    /// # Errors
    /// When the copy cannot be changed or cargo cannot be started.
    pub fn turn(&self, knob: &Knob) -> io::Result<Option<String>> {
        let file = self.tree.join(knob.file);
        let whole = fs::read_to_string(&file)?;
        fs::write(&file, whole.replacen(knob.from, knob.to, 1))?;
        let run = self.run(knob);
        fs::write(&file, whole)?;
        let output = run?;
        let failed = format!("test {} ... FAILED", knob.test);
        Ok((!output.contains(&failed)).then_some(output))
    }

    fn run(&self, knob: &Knob) -> io::Result<String> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args([
                "test",
                "--offline",
                "--locked",
                "--color=never",
                "--all-features",
                "-p",
                knob.package,
            ])
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_INCREMENTAL", "1")
            .current_dir(&self.tree);
        match knob.target {
            Some(target) => cargo.args(["--test", target]),
            None => cargo.arg("--lib"),
        };
        let output = cargo.args(["--", "--exact", knob.test]).output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok(String::from_utf8_lossy(&said).into_owned())
    }
}

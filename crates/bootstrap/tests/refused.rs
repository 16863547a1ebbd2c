//! What a device refuses, for which cause; whatever is refused leaves it as it was.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use omadm_bootstrap::BootstrapFailureCause as Cause;
use omadm_bootstrap::{BootstrapMethod, BootstrapSource, ChannelSecurity, Fault};
use omadm_mo::json::JsonLimits;
use omadm_mo::{Moid, Node, NodePath, Value as Leaf};
use serde_json::{Value, json};
use support::*;

const SRV: &str = "dms.example.com";

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut members = account(SRV);
    change(&mut members);
    json!([account_item(&members)])
}

fn without(member: &str) -> Value {
    with(|account| {
        account.as_object_mut().unwrap().remove(member);
    })
}

#[test]
fn a_method_that_is_turned_off_brings_nothing() {
    let methods = BootstrapMethod::ALL;
    for method in methods {
        let mut bench = Bench::new();
        let rules = match method {
            BootstrapMethod::Factory => &mut bench.policy.factory,
            BootstrapMethod::Smartcard => &mut bench.policy.smartcard,
            BootstrapMethod::ClientInitiated => &mut bench.policy.client_initiated,
            BootstrapMethod::ServerInitiated => &mut bench.policy.server_initiated,
        };
        rules.enabled = false;
        let bytes = minimal().to_string();
        let refusal = bench.refuses_as(bytes.as_bytes(), Cause::MethodDisabled, |d| {
            d.method = method;
        });
        assert_eq!(refusal.cause.fault(), Fault::Policy);
        for other in methods.into_iter().filter(|other| *other != method) {
            let mut delivery = fetched(bytes.as_bytes());
            delivery.method = other;
            assert!(bench.plan(&delivery).is_ok(), "{other}");
        }
    }
}

#[test]
fn b_16_a_document_over_an_open_channel_is_refused_by_every_method() {
    for method in BootstrapMethod::ALL {
        Bench::new().refuses_as(
            minimal().to_string().as_bytes(),
            Cause::ChannelNotSecure,
            |d| {
                d.method = method;
                d.channel = ChannelSecurity::Open;
            },
        );
    }
}

#[test]
fn where_a_person_has_to_agree_nothing_is_applied_before() {
    let mut bench = Bench::new();
    bench.policy.client_initiated.require_user_consent = true;
    bench.refuses(&minimal(), Cause::ConsentRefused);
    bench.apply_as(&minimal(), |d| d.consent = true);
}

#[test]
fn b_22_a_permission_list_beyond_the_cap_is_refused_as_a_whole() {
    let mut bench = Bench::new();
    let allowed = [DM_ACC, DEV_INFO].map(|moid| Moid::parse(moid).unwrap());
    bench.policy.allowed_moids = Some(allowed.to_vec());
    let refusal = bench.refuses(&minimal(), Cause::PermissionRefused);
    assert_eq!(refusal.uri.as_deref(), Some(GPS));
    assert_eq!(refusal.item.as_deref(), Some("$[0]"));
    let mut fits = account(SRV);
    fits["Perm"].as_object_mut().unwrap().remove("3");
    bench.apply(&json!([account_item(&fits)]));
}

#[test]
fn no_more_accounts_are_kept_than_the_policy_says() {
    let mut bench = Bench::new();
    bench.policy.max_accounts = 2;
    let item = |n: u8| account_item(&account(&format!("dms{n}.example.com")));
    bench.refuses(&json!([item(1), item(2), item(3)]), Cause::TooManyAccounts);
    bench.apply(&json!([item(1), item(2)]));
    bench.refuses(&json!([item(3)]), Cause::TooManyAccounts);
    bench.apply(&json!([item(2), item(1)]));
}

#[test]
fn the_account_of_another_source_is_not_replaced_without_consent_d58() {
    let mut bench = Bench::new();
    bench.apply(&minimal());
    let bytes = minimal().to_string();
    let foreign = server("https://elsewhere.example.com:443");
    let refusal = bench.refuses_as(bytes.as_bytes(), Cause::ForeignAccount, |d| {
        d.source = foreign.clone();
    });
    assert_eq!(refusal.uri.as_deref(), Some(SRV));
    bench.refuses_as(bytes.as_bytes(), Cause::ForeignAccount, |d| {
        d.source = foreign.clone();
        d.method = BootstrapMethod::ServerInitiated;
    });
    let seq = |bench: &Bench| bench.account(SRV).provenance.seq;
    bench.apply_as(&minimal(), |d| {
        d.source = foreign.clone();
        d.consent = true;
    });
    assert_eq!(seq(&bench), 2);
    bench.apply_as(&minimal(), |d| {
        d.source = BootstrapSource::Card("8949".to_owned());
        d.method = BootstrapMethod::Smartcard;
        d.channel = ChannelSecurity::Local;
    });
    assert_eq!(seq(&bench), 3);
}

#[test]
fn b_17_only_the_bootstrap_server_changes_auth_bootstrap() {
    let mut bench = Bench::new();
    let manager = "https://manager.example.com:443";
    let first = json!([account_item(&account_with_bootstrap(
        SRV,
        "https://boot.example.com"
    ))]);
    bench.apply_as(&first, |d| d.source = server(manager));
    let mut changed = account_with_bootstrap(SRV, "https://boot.example.com");
    changed["Auth"]["Bootstrap"]["ServerPubKey"] = json!("b3RoZXI=");
    let changed = json!([account_item(&changed)]);
    let bytes = changed.to_string();
    // The account's own source, but not its bootstrap server; a person's consent changes nothing.
    for consent in [false, true] {
        bench.refuses_as(bytes.as_bytes(), Cause::BootstrapCredentialGuard, |d| {
            d.source = server(manager);
            d.consent = consent;
        });
    }
    bench.apply_as(&changed, |d| {
        d.source = server(BOOT_SERVER);
        d.consent = true;
    });
    let key = [&["Auth", "Bootstrap", "ServerPubKey"][..]].concat();
    let now = bench.account_node(SRV);
    assert_eq!(
        now.find(&key).and_then(Node::value),
        Some(&Leaf::bin(*b"other"))
    );
}

#[test]
fn b_17_a_server_that_leaves_auth_bootstrap_out_keeps_it() {
    let manager = "https://manager.example.com:443";
    for members in [account(SRV), {
        let mut with_auth = account(SRV);
        with_auth["Auth"] = json!({"Trsp": {"Data": CERT, "Secret": KEY}});
        with_auth
    }] {
        let mut bench = Bench::new();
        let first = account_with_bootstrap(SRV, "https://boot.example.com");
        bench.apply_as(&json!([account_item(&first)]), |d| {
            d.source = server(manager);
        });
        let guarded = bench
            .account_node(SRV)
            .find(&["Auth", "Bootstrap"])
            .cloned();
        assert!(guarded.is_some());
        bench.apply_as(&json!([account_item(&members)]), |d| {
            d.source = server(manager);
        });
        let now = bench
            .account_node(SRV)
            .find(&["Auth", "Bootstrap"])
            .cloned();
        assert_eq!(now, guarded);
    }
}

#[test]
fn what_is_not_json_within_the_limits_is_refused() {
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    let whole = minimal().to_string();
    for document in [
        "",
        "DMAcc",
        &whole[..whole.len() - 1],
        &deep,
        r#"[{"MOData":{},"MOData":{}}]"#,
    ] {
        let refusal = Bench::new().refuses_as(document.as_bytes(), Cause::Unparsable, |_| {});
        assert!(refusal.detail.is_some());
    }
    Bench::new().refuses_as(whole.as_bytes(), Cause::Unparsable, |d| {
        d.limits = JsonLimits {
            octets: whole.len() - 1,
            ..JsonLimits::default()
        };
    });
    Bench::new().refuses_as(b"\xff\xfe", Cause::Unparsable, |_| {});
}

#[test]
fn b_14_json_that_is_no_mo_serialization_is_refused_with_its_place() {
    for (document, at) in [
        (json!(7), "$"),
        (json!([7]), "$[0]"),
        (
            json!([account_item(&account(SRV)), {"ClientURI": "urn:a//"}]),
            "$[1]",
        ),
        (json!([{"MOData": {"DMAcc": account(SRV)}}]), "$[0]"),
        (
            json!([{"ClientURI": "no uri", "MOData": {}}]),
            "$[0].ClientURI",
        ),
        (
            json!([{"ClientURI": format!("{DM_ACC}//Name"), "MOData": {"Name": "x"}}]),
            "$[0]",
        ),
        (
            json!([{"ClientURI": format!("{DM_ACC}/*/"), "MOData": {"DMAcc": account(SRV)}}]),
            "$[0]",
        ),
    ] {
        let refusal = Bench::new().refuses(&document, Cause::NotMoSerialization);
        assert_eq!(refusal.item.as_deref(), Some(at), "{document}");
    }
}

#[test]
fn a_node_the_ddf_does_not_have_is_refused_outside_ext_d87() {
    let refusal = Bench::new().refuses(
        &with(|account| account["Colour"] = json!("red")),
        Cause::UnknownNode,
    );
    assert_eq!(refusal.uri, Some(format!("{DM_ACC}/Colour")));
    let document = json!([
        account_item(&account(SRV)),
        item(GPS, "", "GPS", &json!({"ID": "a", "Hue": 1}))
    ]);
    let refusal = Bench::new().refuses(&document, Cause::UnknownNode);
    assert_eq!(refusal.item.as_deref(), Some("$[1]"));
}

#[test]
fn a_value_of_the_wrong_format_is_refused_and_not_repeated_in_the_refusal() {
    let document =
        with(|account| account["Auth"] = json!({"Trsp": {"Data": "*s3cr3t*", "Secret": KEY}}));
    let refusal = Bench::new().refuses(&document, Cause::WrongFormat);
    assert_eq!(refusal.uri, Some(format!("{DM_ACC}/Auth/Trsp/Data")));
    assert!(!refusal.to_string().contains("s3cr3t"));
}

#[test]
fn an_instance_that_lacks_what_its_ddf_requires_is_refused() {
    let document = json!([
        account_item(&account(SRV)),
        item(GPS, "", "GPS", &json!({"Rate": 1}))
    ]);
    let refusal = Bench::new().refuses(&document, Cause::InvalidInstance);
    assert_eq!(refusal.uri, Some(format!("{GPS}//")));
}

#[test]
fn an_object_that_occurs_once_does_not_come_twice() {
    let clock = || item(CLOCK, "", "Clock", &json!({"ID": "c"}));
    let document = json!([account_item(&account(SRV)), clock(), clock()]);
    let refusal = Bench::new().refuses(&document, Cause::InvalidInstance);
    assert_eq!(refusal.item.as_deref(), Some("$[2]"));
}

#[test]
fn a_document_without_an_account_needs_a_source_that_owns_one_d57() {
    let only_gps = json!([gps("", "a")]);
    let mut bench = Bench::new();
    bench.refuses(&only_gps, Cause::NoAccount);
    bench.refuses(&json!([]), Cause::NoAccount);
    bench.apply(&minimal());
    let bytes = only_gps.to_string();
    bench.refuses_as(bytes.as_bytes(), Cause::NoAccount, |d| {
        d.source = server("https://elsewhere.example.com:443");
    });
    bench.refuses(&json!([]), Cause::NoAccount);
}

#[test]
fn an_account_needs_an_https_address_and_a_permission_list() {
    let http = |account: &mut Value| account["SrvURI"] = json!("http://dms.example.com/");
    for (document, cause, uri) in [
        (without("SrvURI"), Cause::MissingSrvUri, "SrvURI"),
        (with(http), Cause::InsecureSrvUri, "SrvURI"),
        (without("Perm"), Cause::MissingPerm, "Perm"),
        (with(|a| a["Perm"] = json!({})), Cause::MissingPerm, "Perm"),
        (without("SrvID"), Cause::InvalidAccount, "SrvID"),
        (without("Name"), Cause::InvalidAccount, "Name"),
        (
            with(|a| a["SrvURI"] = json!("ftp://x/")),
            Cause::InvalidAccount,
            "SrvURI",
        ),
        (
            with(|a| a["Perm"] = json!({"1": {"MOID": "a b"}})),
            Cause::InvalidAccount,
            "Perm/1/MOID",
        ),
    ] {
        let refusal = Bench::new().refuses(&document, cause);
        assert_eq!(refusal.uri, Some(format!("{DM_ACC}/{uri}")), "{cause:?}");
        assert_eq!(refusal.cause.fault(), Fault::Content);
    }
    let mut plain = account_with_bootstrap(SRV, "http://boot.example.com");
    plain["Name"] = json!("x");
    Bench::new().refuses(&json!([account_item(&plain)]), Cause::InvalidAccount);
}

#[test]
fn b_23_two_accounts_of_one_srv_id_are_refused_together() {
    let item = || account_item(&account(SRV));
    let mut bench = Bench::new();
    let refusal = bench.refuses(&json!([item(), item()]), Cause::DuplicateSrvId);
    assert_eq!(refusal.item.as_deref(), Some("$[1]"));
    bench.apply(&minimal());
    bench.refuses(&json!([item(), item()]), Cause::DuplicateSrvId);
}

#[test]
fn a_credential_this_device_cannot_use_makes_the_document_invalid_d87() {
    let bootstrap = |member: &str, value: &str| {
        let mut account = account_with_bootstrap(SRV, "https://boot.example.com");
        account["Auth"]["Bootstrap"][member] = json!(value);
        json!([account_item(&account)])
    };
    let trsp = |cert: &str, key: &str| {
        with(|account| account["Auth"] = json!({"Trsp": {"Data": cert, "Secret": key}}))
    };
    for document in [
        bootstrap("SecMode", "AA=="),
        bootstrap("SecMode", "/w=="),
        bootstrap("ClientPubKey", "YWFh"),
        bootstrap("ClientSecretKey", "YWFh"),
        trsp(CERT, "YWFh"),
        trsp("YWFh", KEY),
        trsp(PSK, "YWFh"),
        bootstrap("ClientPubKey", PSK),
    ] {
        let refusal = Bench::new().refuses(&document, Cause::UnusableCredential);
        assert!(!refusal.to_string().contains("aaa"));
    }
    Bench::new().apply(&trsp(CERT, KEY));
    Bench::new().apply(&trsp(PSK, KEY));
    let mut by_psk = account_with_bootstrap(SRV, "https://boot.example.com");
    by_psk["Auth"]["Bootstrap"]["SecMode"] = json!("AA==");
    by_psk["Auth"]["Bootstrap"]["ClientPubKey"] = json!(PSK);
    Bench::new().apply(&json!([account_item(&by_psk)]));
}

#[test]
fn an_instance_somebody_else_created_is_not_replaced_d75() {
    let mut bench = Bench::new();
    let mut node = Node::empty();
    node.put(&NodePath::of("ID").unwrap(), Leaf::chr("ours").into());
    bench.own_instance(GPS, "own", &node);
    bench.own_instance(CLOCK, "1", &node);
    let clock = item(CLOCK, "", "Clock", &json!({"ID": "theirs"}));
    for item in [gps("own", "theirs"), clock] {
        let document = json!([account_item(&account(SRV)), item]);
        let refusal = bench.refuses(&document, Cause::ForeignInstance);
        assert_eq!(refusal.item.as_deref(), Some("$[1]"));
    }
}

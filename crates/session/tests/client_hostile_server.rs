//! What a server that means harm gets from a device that other servers manage too (`dm20.md` §13, D69, D74, D85).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use omadm_bootstrap::plan::{RightsChange, TreePlan};
use omadm_bootstrap::{DeviceView as _, GovernedInstance, PayloadHash};
use omadm_mo::{ClientUri, MemoryTree, Rights, SrvId, TreeView as _};
use omadm_session::client::change_report;
use serde_json::{Value, json};
use support::*;

/// Everything on the device but its version, as far as it can be compared.
fn state(
    bench: &Bench,
) -> (
    Vec<omadm_bootstrap::Account>,
    Vec<Option<omadm_mo::Node>>,
    String,
) {
    let device = &bench.pair.end.device;
    let tree: &MemoryTree = device.tree();
    let nodes = tree.all_instances().into_iter().map(|(moid, miid)| {
        let root = omadm_mo::NodeAddress::root(moid, miid);
        device.subtree(&root).unwrap()
    });
    let rights = format!("{:?}", device.governed().unwrap());
    (device.accounts().unwrap(), nodes.collect(), rights)
}

/// Everything that the device told in a session.
fn told(run: &Run) -> String {
    let texts = run.requests.iter();
    texts
        .map(|request| String::from_utf8_lossy(&request.body).into_owned())
        .collect()
}

#[test]
fn b_20_b_21_no_read_of_a_server_finds_another_ones_account() {
    let mut bench = Bench::new();
    let cv = bench.validator(DM_ACC, "1");
    for uri in [
        format!("{DM_ACC}/1/"),
        format!("{DM_ACC}/1/SrvID"),
        format!("{DM_ACC}/1/?cv={cv}"),
        format!("{DM_ACC}/(x)/?nv=(x)/SrvID:{SRV}"),
        format!("{DM_ACC}/(x)/Auth/Trsp/Data?nv=(x)/Name:Example%20DM&nv=(x)/SrvID:{SRV}"),
        format!("{GPS}/left/"),
        format!("{GPS}/*/"),
        format!("{GPS}/(x)/?nv=(x)/ID:a"),
        format!("{DAC}/(x)/?nv=(x)/Owner:{SRV}"),
        format!("{DAC}/(x)/?nv=(x)/MIID:left"),
        format!("{DAC}/*/Servers/1"),
    ] {
        for command in [
            json!(["GET", uri]),
            json!(["HPUT", REPO, uri]),
            json!(["HPOST", REPO, uri]),
        ] {
            let code = bench.code_as(OTHER, command.clone());
            assert_eq!(code, 404, "{command}");
        }
    }
    assert!(bench.pair.end.repository.uploads.is_empty());
    // What it finds is its own alone.
    for uri in [DM_ACC, DAC, DEV_INFO].map(|moid| format!("{moid}/*/")) {
        let (run, statuses) = bench.run_as(OTHER, json!([["GET", uri]]));
        assert_eq!(statuses[0].code.get(), 200, "{uri}");
        let told = told(&run);
        assert!(told.contains(OTHER) || uri.starts_with(DEV_INFO), "{told}");
        assert!(!told.contains(SRV), "{told}");
        for secret in SECRETS {
            assert!(!told.contains(secret), "{told}");
        }
        assert!(!told.contains("Perm"), "{told}");
    }
}

#[test]
fn b_21_the_list_of_mos_names_no_instance_of_another_server() {
    let mut bench = Bench::owing();
    let run = bench.session(OTHER, |_, _| answer(200, ""));
    let package = body(&run.requests[0]);
    let mos = package["MOS"].as_array().unwrap().iter();
    let mos: Vec<_> = mos
        .map(|mo| (mo["MOID"].clone(), mo["MIID"].clone()))
        .collect();
    assert!(mos.contains(&(json!(GPS), json!([]))), "{mos:?}");
    assert!(mos.contains(&(json!(DM_ACC), json!(["2"]))), "{mos:?}");
    assert!(!told(&run).contains(SRV));
}

#[test]
fn b_17_no_write_of_a_server_reaches_another_ones_account_or_its_own_kept_parts() {
    let mut bench = Bench::new();
    let before = state(&bench);
    let stolen = |srv_id: &str| {
        json!([item(
            &format!("{DM_ACC}//"),
            "DMAcc",
            &json!({"SrvID": srv_id, "SrvURI": "https://evil.example.com/dm", "Name": "Evil"})
        )])
    };
    // Replaced by SrvID, added under a new one.
    for srv_id in [SRV, "evil.example.com"] {
        assert_eq!(bench.hget_as(OTHER, "", &stolen(srv_id)), 403, "{srv_id}");
        let at = format!("{DM_ACC}/2/");
        assert_eq!(bench.hget_as(OTHER, &at, &stolen(srv_id)), 403, "{srv_id}");
    }
    for at in [format!("{DM_ACC}/1/"), format!("{DM_ACC}/9/")] {
        assert_eq!(bench.hget_as(OTHER, &at, &stolen(SRV)), 403, "{at}");
    }
    let leaf = |name: &str, value: Value| json!([{"MOData": {name: value}}]);
    for (path, name, value) in [
        ("1/SrvURI", "SrvURI", json!("https://evil.example.com/")),
        (
            "1/Auth/Bootstrap/ServerURI",
            "ServerURI",
            json!("https://evil.example.com/"),
        ),
        ("2/SrvID", "SrvID", json!(SRV)),
        (
            "2/Auth/Bootstrap/ServerPubKey",
            "ServerPubKey",
            json!("AA=="),
        ),
        (
            "2/Auth/Bootstrap",
            "Bootstrap",
            account(OTHER)["Auth"]["Bootstrap"].clone(),
        ),
        ("2/Ext/Bootstrap/State", "State", json!("acked")),
        ("2/Perm/1/MOID", "MOID", json!(PRIVATE)),
        ("2/Perm", "Perm", json!({"1": {"MOID": PRIVATE}})),
    ] {
        let at = format!("{DM_ACC}/{path}");
        let code = bench.hget_as(OTHER, &at, &leaf(name, value));
        assert!(matches!(code, 403 | 404), "{path}: {code}");
        let code = bench.code_as(OTHER, json!(["DELETE", at]));
        assert!(matches!(code, 403 | 404), "{path}: {code}");
    }
    for at in ["1/", "2/", "*/", "(x)/?nv=(x)/Name:Example%20DM"] {
        let code = bench.code_as(OTHER, json!(["DELETE", format!("{DM_ACC}/{at}")]));
        assert!(matches!(code, 403 | 404), "{at}: {code}");
    }
    // Outside the Perm list nothing is there at all.
    let private = json!([item(&format!("{PRIVATE}//"), "Private", &gps("p"))]);
    assert_eq!(bench.hget_as(OTHER, "", &private), 403);
    for verb in ["GET", "DELETE", "EXEC"] {
        assert_eq!(
            bench.code_as(OTHER, json!([verb, format!("{PRIVATE}/1/")])),
            403
        );
    }
    assert!(state(&bench) == before);
}

/// The report of a subscription of this server, where it may have one.
fn reported(bench: &Bench, server: &str, uri: &str) -> Result<(String, PayloadHash), u16> {
    let device = &bench.pair.end.device;
    let account = device.account(&SrvId::parse(server).unwrap());
    let uri = ClientUri::parse(uri).unwrap();
    let report = change_report(device, &account.unwrap().unwrap(), &registry(), &uri);
    let report = report.map_err(|code| code.get())?;
    Ok((String::from_utf8(report.body).unwrap(), report.hash))
}

#[test]
fn b_20_b_21_a_report_of_changes_shows_no_secret_and_of_other_servers_nothing() {
    let mut bench = Bench::new();
    for uri in [
        format!("{DM_ACC}/*/"),
        format!("{DAC}/*/"),
        format!("{GPS}/*/"),
    ] {
        let body = reported(&bench, OTHER, &uri).map_or_else(|_| String::new(), |(body, _)| body);
        assert!(!body.contains(SRV), "{uri}: {body}");
        for secret in SECRETS {
            assert!(!body.contains(secret), "{uri}: {body}");
        }
    }
    let private = reported(&bench, OTHER, &format!("{PRIVATE}/1/"));
    assert_eq!(private.err(), Some(403));

    // What it may read of the DAC MO is what a GET shows, and a change of rights is a change.
    let all = format!("{DAC}/*/");
    let before = reported(&bench, OTHER, &all).ok();
    let mine = json!([item(&format!("{GPS}//"), "GPS", &gps("mine"))]);
    assert_eq!(bench.hget_as(OTHER, "", &mine), 200);
    let (body, hash) = reported(&bench, OTHER, &all).unwrap();
    assert!(body.contains(OTHER) && !body.contains(SRV), "{body}");
    assert!(before.is_none_or(|(_, before)| before != hash));
    let device = &mut bench.pair.end.device;
    let governed = device.governed().unwrap();
    let other = SrvId::parse(OTHER).unwrap();
    let owned = |one: &&GovernedInstance| {
        one.moid.as_str() == GPS && one.access.rights(&other).has(Rights::WRITE)
    };
    let mut given = governed.iter().find(owned).unwrap().clone();
    let srv = SrvId::parse(SRV).unwrap();
    given.access.allow(&srv, Rights::READ);
    let mut plan = TreePlan::at(device.version());
    plan.rights.push(RightsChange {
        moid: given.moid,
        miid: given.miid,
        access: given.access,
    });
    device.apply(&plan).unwrap();
    assert_ne!(reported(&bench, OTHER, &all).unwrap().1, hash);
}

#[test]
fn results_of_one_package_together_stay_within_the_limit_of_one_body() {
    let mut bench = Bench::new();
    bench.limits.octets = 4096;
    let get = json!(["GET", format!("{DEV_INFO}/*/")]);
    let (run, statuses) = bench.run_as(SRV, json!(vec![get; 40]));
    let codes: Vec<_> = statuses.iter().map(|status| status.code.get()).collect();
    let (taken, refused): (Vec<u16>, Vec<u16>) = codes.iter().partition(|code| **code == 200);
    assert!(taken.len() > 3 && refused.len() > 10, "{codes:?}");
    assert!(refused.iter().all(|code| *code == 413), "{codes:?}");
    let longest = run.requests.iter().map(|request| request.body.len()).max();
    assert!(longest.unwrap() < 4096 + 40 * 20);
}

#[test]
fn x_dac_001_one_foreign_item_spoils_a_whole_delivery_d16() {
    let mut bench = Bench::new();
    let before = state(&bench);
    let document = json!([
        item(&format!("{GPS}//"), "GPS", &gps("mine")),
        item(&format!("{GPS}/left/"), "GPS", &gps("stolen")),
    ]);
    assert_eq!(bench.hget_as(OTHER, "", &document), 403);
    assert!(state(&bench) == before);
}

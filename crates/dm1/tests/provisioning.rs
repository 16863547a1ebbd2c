//! Client provisioning documents: the account that a w7 describes, in every spelling that is met, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::provisioning::{
    AddrType, AppAddr, AppAuth, AuthLevel, Characteristic, Parm, ProvisioningDocument,
    ProvisioningFault, W7, W7Fault,
};
use omadm_dm1::syncml::Encoding;
use proptest::prelude::*;

const LIMITS: MarkupLimits = MarkupLimits::UNPROVEN_BOOTSTRAP;

fn document(application: &str) -> ProvisioningDocument {
    let xml = format!(
        "<wap-provisioningdoc version='1.1'><characteristic type='NAPDEF'><parm name='NAPID' value='i'/></characteristic>\n\
         <characteristic type='APPLICATION'><parm name='APPID' value='w4'/></characteristic>\
         <characteristic type='APPLICATION'>{application}</characteristic></wap-provisioningdoc>"
    );
    ProvisioningDocument::decode(xml.as_bytes(), Encoding::Xml, LIMITS).unwrap()
}

fn w7(more: &str) -> Result<W7, W7Fault> {
    let application = format!(
        "<parm name='APPID' value='w7'/><parm name='PROVIDER-ID' value='dm.example'/>{more}"
    );
    W7::of_document(&document(&application)).map(|accounts| accounts.into_iter().next().unwrap())
}

const ADDRESS: &str = "<parm name='ADDR' value='https://a/dm'/>";

#[test]
fn an_account_is_read_and_written_again() {
    let account = w7(
        "<parm name='NAME' value='Example &amp; Co'/><parm name='TO-NAPID' value='i'/><parm name='INIT'/>\
         <characteristic type='APPADDR'><parm name='ADDR' value='https://a/dm'/><parm name='ADDRTYPE' value='URI'/>\
         <characteristic type='PORT'><parm name='PORTNBR' value='8443'/></characteristic></characteristic>\
         <characteristic type='APPAUTH'><parm name='AAUTHLEVEL' value='CLIENT'/><parm name='AAUTHTYPE' value='DIGEST'/>\
         <parm name='AAUTHNAME' value='dm.example'/><parm name='AAUTHSECRET' value='pw2'/><parm name='AAUTHDATA' value='Tm9uY2U='/></characteristic>\
         <characteristic type='APPAUTH'><parm name='AAUTHLEVEL' value='APPSRV'/><parm name='AAUTHTYPE' value='HMAC'/>\
         <parm name='AAUTHNAME' value='dev'/><parm name='AAUTHSECRET' value='pw1'/></characteristic>",
    )
    .unwrap();
    assert_eq!(account.provider_id, "dm.example");
    assert_eq!(account.name.as_deref(), Some("Example & Co"));
    assert_eq!(
        account.addresses,
        [AppAddr {
            addr: "https://a/dm".into(),
            addr_type: AddrType::Uri,
            ports: vec![8443],
        }]
    );
    assert!(account.init);
    let levels: Vec<_> = account
        .auths
        .iter()
        .map(|auth| (auth.level, auth.r#type.as_str()))
        .collect();
    assert_eq!(
        levels,
        [(AuthLevel::Client, "DIGEST"), (AuthLevel::AppSrv, "HMAC")]
    );
    assert_eq!(account.auths[0].nonce.as_ref().unwrap().octets(), b"Nonce");
    let again = ProvisioningDocument {
        version: "1.0".into(),
        characteristics: vec![account.characteristic()],
    };
    for encoding in [Encoding::Xml, Encoding::Wbxml] {
        let octets = again.encode(encoding).unwrap();
        let read = ProvisioningDocument::decode(&octets, encoding, LIMITS).unwrap();
        assert_eq!(read, again);
        assert_eq!(
            W7::of_document(&read).unwrap()[0].characteristic(),
            account.characteristic()
        );
    }
}

#[test]
fn bare_addresses_and_former_spellings_are_read_as_what_they_mean() {
    let account = w7(
        "<parm name='ADDR' value='https://a/dm'/><parm name='ADDR' value='https://b/dm'/><characteristic type='APPADDR'/>\
         <characteristic type='APPAUTH'><parm name='AAUTHTYPE' value='DIGEST,MD5'/><parm name='AAUTHDATA' value=''/></characteristic>\
         <characteristic type='APPAUTH'><parm name='AAUTHLEVEL' value='CLIENT'/></characteristic>\
         <characteristic type='APPAUTH'><parm name='AAUTHTYPE' value='DIGEST,BASIC'/></characteristic>",
    )
    .unwrap();
    let addresses: Vec<_> = account
        .addresses
        .iter()
        .map(|address| address.addr.as_str())
        .collect();
    assert_eq!(addresses, ["https://a/dm", "https://b/dm"]);
    let auths: Vec<_> = account
        .auths
        .iter()
        .map(|auth: &AppAuth| (auth.level, auth.r#type.as_str()))
        .collect();
    assert_eq!(
        auths,
        [
            (AuthLevel::AppSrv, "DIGEST"),
            (AuthLevel::Client, "DIGEST"),
            (AuthLevel::AppSrv, "BASIC")
        ]
    );
    assert!(account.auths[0].nonce.is_none());
}

#[test]
fn what_makes_an_account_useless_is_named() {
    let fault = |more: &str| w7(more).err().unwrap();
    assert_eq!(fault(""), W7Fault::NoAddress);
    let address = |inner: &str| {
        format!(
            "<characteristic type='APPADDR'><parm name='ADDR' value='a'/>{inner}</characteristic>"
        )
    };
    assert_eq!(
        fault(&address("<parm name='ADDRTYPE' value='E164'/>")),
        W7Fault::AddrType("E164".into())
    );
    assert_eq!(
        fault(&address(
            "<characteristic type='PORT'><parm name='PORTNBR' value='70000'/></characteristic>"
        )),
        W7Fault::Port("70000".into())
    );
    let auth =
        |inner: &str| format!("{ADDRESS}<characteristic type='APPAUTH'>{inner}</characteristic>");
    assert_eq!(
        fault(&auth("<parm name='AAUTHLEVEL' value='SERVER'/>")),
        W7Fault::AuthLevel("SERVER".into())
    );
    assert!(matches!(
        fault(&auth("<parm name='AAUTHDATA' value='*'/>")),
        W7Fault::Nonce(_)
    ));
    let nobody = document(&format!("<parm name='APPID' value='w7'/>{ADDRESS}"));
    assert_eq!(W7::of_document(&nobody).err(), Some(W7Fault::NoProviderId));
}

#[test]
fn what_is_no_provisioning_document_is_refused() {
    let fault = |xml: &str| {
        ProvisioningDocument::decode(xml.as_bytes(), Encoding::Xml, LIMITS).unwrap_err()
    };
    assert_eq!(fault("<SyncML/>"), ProvisioningFault::NotProvisioning);
    assert!(matches!(
        fault("<wap-provisioningdoc>"),
        ProvisioningFault::Markup(_)
    ));
    let many = format!(
        "<wap-provisioningdoc>{}</wap-provisioningdoc>",
        "<parm/>".repeat(2049)
    );
    assert_eq!(fault(&many), ProvisioningFault::TooMany);
}

#[test]
fn debug_shows_no_value() {
    let parm = Parm::new("AAUTHSECRET", "hunter2");
    assert_eq!(format!("{parm:?}"), "Parm(AAUTHSECRET, Some(7) octets)");
}

fn characteristics() -> impl Strategy<Value = Characteristic> {
    let name = prop::sample::select(vec![
        "APPID",
        "NAME",
        "ADDR",
        "PROVIDER-ID",
        "NAP-ADDRESS",
        "X-VENDOR",
        "INIT",
    ]);
    let value = prop_oneof![
        "[ -~äß€\\t\\r\\n]{0,12}".prop_map(Some),
        prop::sample::select(vec![
            "IPV4",
            "APPSRV",
            "HTTP-DIGEST",
            "TRETRA-SDS",
            "AAA",
            "GSM-GPRS"
        ])
        .prop_map(|text| Some(text.to_owned())),
        Just(None),
    ];
    let parms = prop::collection::vec(
        (name, value).prop_map(|(name, value)| Parm {
            name: name.into(),
            value,
        }),
        0..5,
    );
    let r#type = prop::sample::select(vec![
        "APPLICATION",
        "PORT",
        "PXLOGICAL",
        "VENDORCONFIG",
        "X-OTHER",
    ]);
    let leaf = (r#type.clone(), parms.clone())
        .prop_map(|(r#type, parms)| Characteristic::new(r#type, parms));
    leaf.prop_recursive(3, 12, 3, move |inner| {
        (
            r#type.clone(),
            parms.clone(),
            prop::collection::vec(inner, 0..3),
        )
            .prop_map(|(r#type, parms, characteristics)| Characteristic {
                characteristics,
                ..Characteristic::new(r#type, parms)
            })
    })
}

proptest! {
    #[test]
    fn a_document_is_read_as_it_was_written(characteristic in characteristics(), version in "1\\.[01]") {
        let document = ProvisioningDocument { version, characteristics: vec![characteristic] };
        for encoding in [Encoding::Wbxml, Encoding::Xml] {
            let octets = document.encode(encoding).unwrap();
            prop_assert_eq!(&ProvisioningDocument::decode(&octets, encoding, LIMITS).unwrap(), &document);
        }
    }
}

//! The worked bytes of §6, read and written.

use omadm_mo::Secret;
use proptest::prelude::*;

use super::*;
use crate::path::FileSlice;
use crate::reading::DocumentEncoding;
use crate::{CardDocument, CardOid, hexadecimal};

fn octets(digits: &str) -> Vec<u8> {
    hexadecimal::read(digits).expect("hexadecimal")
}

fn with_filling(digits: &str) -> Vec<u8> {
    let mut octets = octets(digits);
    octets.resize(octets.len() + 20, 0xFF);
    octets
}

fn entry(form: ObjectForm, files: &[u16]) -> DataObject {
    DataObject::in_file(
        form,
        "OMA DM Bootstrap".to_owned(),
        CardOid::DM_BOOTSTRAP,
        Pkcs15Path::new(files),
    )
}

fn objects(digits: &str) -> Vec<DataObject> {
    let of = |item| match item {
        DodfItem::Object(object) => object,
        DodfItem::Unparsable(error) => panic!("{digits}: {error}"),
    };
    read_dodf(&with_filling(digits))
        .into_iter()
        .map(of)
        .collect()
}

const V5: &str = "302430120C104F4D4120444D20426F6F74737472617030060604672B0701A106300404026432";
const V6: &str =
    "302830120C104F4D4120444D20426F6F74737472617030060604672B0701A10A300804063F007F506432";
const V7: &str = "303A30160C104F4D4120444D20426F6F74737472617003020780300E0C066F6D612D646D0604672B0701A110300E04063F007F506432020100800159";
const V8: &str = "A126300030120C104F4D4120444D20426F6F747374726170A10E300C0604672B0701300404026432";
const V8A: &str =
    "A12A300030120C104F4D4120444D20426F6F747374726170A11230100604672B0701300804063F007F506432";
const V9: &str =
    "302930120C104F4D4120444D20426F6F74737472617030060604672B0701A10BA00904077B2261223A317D";
const V10_WAP: &str =
    "3025300F0C0D57415020626F6F74737472617030060604672B0501A10A300804063F007F506433";
const V12: &str =
    "A127300030110C0F4C774D324D20426F6F747374726170A110300E06060604672B0901300404026432";
/// The two codings of dm20.md §15.3.
const DM20_OID_DO: &str =
    "A1223000300E0C0C444D20426F6F747374726170A10E300C0604672B0701300404026432";
const DM20_OPAQUE_DO: &str = "3020300E0C0C444D20426F6F74737472617030060604672B0701A106300404026432";

#[test]
fn v1_and_v2_are_the_application_template_with_and_without_a_label() {
    for (digits, label) in [
        (
            "611C4F0CA000000063504B43532D313550064F4D412D444D51043F007F50",
            Some("OMA-DM"),
        ),
        ("61144F0CA000000063504B43532D313551043F007F50", None),
    ] {
        let template = ApplicationTemplate {
            aid: PKCS15_AID.to_vec(),
            label: label.map(str::to_owned),
            path: Some(vec![0x3F00, 0x7F50]),
        };
        assert!(template.is_pkcs15() && !template.is_usim());
        assert_eq!(template.write(), octets(digits));
        assert_eq!(read_dir(&with_filling(digits)), Ok(vec![template]));
    }
}

#[test]
fn a_padded_aid_is_that_of_the_application_and_templates_follow_each_other() {
    let padded = "61144F10A000000063504B43532D31350000000050004F00";
    let usim = "61094F07A0000000871002";
    let templates = read_dir(&octets(&format!("{usim}{padded}"))).expect("two templates");
    assert_eq!(
        templates
            .iter()
            .map(ApplicationTemplate::is_usim)
            .collect::<Vec<_>>(),
        [true, false]
    );
    assert!(
        templates
            .last()
            .is_some_and(|last| last.is_pkcs15() && last.path.is_none())
    );
}

#[test]
fn v3_and_v4_are_the_odf_with_a_relative_and_an_absolute_path() {
    for (digits, files) in [
        ("A706300404026430", &[0x6430][..]),
        ("A70A300804063F007F506430", &[0x3F00, 0x7F50, 0x6430]),
    ] {
        let path = Pkcs15Path::new(files);
        assert_eq!(OdfItem::write(std::slice::from_ref(&path)), octets(digits));
        assert_eq!(
            read_odf(&with_filling(digits)),
            Ok(vec![OdfItem::Dodf(path)])
        );
    }
}

#[test]
fn odf_keeps_the_order_of_dodfs_and_skips_what_is_not_about_data_objects() {
    let odf = octets(&format!(
        "A006300404024401{}A806300404024402{}",
        "A706300404026431", "A706300404026430"
    ));
    let files: Vec<_> = read_odf(&odf).expect("an ODF").into_iter().collect();
    assert_eq!(
        files,
        [0x6431, 0x6430].map(|file| OdfItem::Dodf(Pkcs15Path::new(&[file])))
    );
    let inline = octets(&format!("A728A026{V5}"));
    let [OdfItem::Objects(items)] = &read_odf(&inline).expect("an ODF")[..] else {
        panic!("the objects stand in the ODF");
    };
    assert_eq!(
        items,
        &[DodfItem::Object(entry(ObjectForm::OpaqueDo, &[0x6432]))]
    );
}

#[test]
fn v5_v6_v8_and_v8a_are_the_entry_in_both_forms_with_both_paths() {
    let absolute = &[0x3F00, 0x7F50, 0x6432][..];
    for (digits, form, files) in [
        (V5, ObjectForm::OpaqueDo, &[0x6432][..]),
        (V6, ObjectForm::OpaqueDo, absolute),
        (V8, ObjectForm::OidDo, &[0x6432]),
        (V8A, ObjectForm::OidDo, absolute),
    ] {
        let entry = entry(form, files);
        assert_eq!(objects(digits), std::slice::from_ref(&entry));
        assert_eq!(DataObject::write_all(&[entry]), octets(digits));
    }
}

#[test]
fn both_codings_of_dm20_are_read() {
    for (digits, form) in [
        (DM20_OID_DO, ObjectForm::OidDo),
        (DM20_OPAQUE_DO, ObjectForm::OpaqueDo),
    ] {
        let mut entry = entry(form, &[0x6432]);
        entry.label = Some("DM Bootstrap".to_owned());
        assert_eq!(objects(digits), [entry]);
    }
}

#[test]
fn v7_has_a_flag_and_a_slice() {
    let [object] = &objects(V7)[..] else {
        panic!("one entry")
    };
    assert!(object.private && !object.modifiable);
    assert_eq!(object.oid, Some(CardOid::DM_BOOTSTRAP));
    let slice = Some(FileSlice {
        offset: 0,
        length: 89,
    });
    assert_eq!(
        object.value,
        DataValue::Path(Pkcs15Path {
            files: vec![0x3F00, 0x7F50, 0x6432],
            slice
        })
    );
}

#[test]
fn v9_is_a_direct_value() {
    let [object] = &objects(V9)[..] else {
        panic!("one entry")
    };
    assert_eq!(
        object.value,
        DataValue::Direct(Secret::new(br#"{"a":1}"#.to_vec()))
    );
    assert_eq!(
        DataObject::write_all(std::slice::from_ref(object)),
        octets(V9)
    );
    assert!(format!("{object:?}").contains("Direct(7 octets)"));
}

#[test]
fn v10_is_two_entries_of_which_one_is_of_client_provisioning() {
    let oids: Vec<_> = objects(&format!("{V6}{V10_WAP}"))
        .into_iter()
        .map(|object| object.oid)
        .collect();
    assert_eq!(
        oids,
        [Some(CardOid::DM_BOOTSTRAP), Some(CardOid::CP_BOOTSTRAP)]
    );
}

#[test]
fn v11_is_a_token_info() {
    let digits =
        "3029020100040801020304050607080C047465737480104F4D4120444D2074657374206361726403020780";
    let info = TokenInfo {
        serial: vec![1, 2, 3, 4, 5, 6, 7, 8],
        manufacturer: Some("test".to_owned()),
        label: Some("OMA DM test card".to_owned()),
    };
    assert_eq!(info.write(), octets(digits));
    assert_eq!(TokenInfo::read(&with_filling(digits)), Ok(info));
}

#[test]
fn v12_has_a_doubly_wrapped_oid_that_is_another_enablers() {
    let [object] = &objects(V12)[..] else {
        panic!("one entry")
    };
    assert_eq!(object.oid, Some(CardOid::LWM2M_BOOTSTRAP));
    let ours = V12.replace("672B09", "672B07");
    assert_eq!(objects(&ours)[0].oid, Some(CardOid::DM_BOOTSTRAP));
}

const V13: &str = "7B22444D416363223A7B225365727665724944223A22636F6D2E6578616D706C652E646D222C224E616D65223A224578616D706C65222C2241646472223A2268747470733A2F2F646D2E6578616D706C652E636F6D2F227D7D";
/// A small valid DM 2.0 document.
const V14: &str = r#"[{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2//","MOData":{"DMAcc":{"SrvID":"dm1","SrvURI":"https://dm1.example.com/dm/2.0","Name":"DM","Perm":{"1":{"MOID":"urn:oma:mo:oma-dm-dmacc:1.2"},"2":{"MOID":"urn:oma:mo:oma-dm-devinfo:1.2"}}}}}]"#;

/// The document of a file that holds these octets and filling.
fn document(content: &[u8]) -> CardDocument {
    let mut file = content.to_vec();
    file.resize(content.len() + 67, 0xFF);
    let document = CardDocument::from_file(&file, false).expect("an encoding we know");
    document.expect("a document")
}

#[test]
fn v13_is_a_payload_of_89_octets() {
    let payload = octets(V13);
    assert_eq!(payload.len(), 89);
    assert_eq!(document(&payload).bytes(), payload);
    // V7 names it by its length: the slice is the same document.
    let sliced = CardDocument::from_file(&payload, true).expect("an encoding we know");
    assert_eq!(
        sliced.map(|one| one.sha256),
        Some(document(&payload).sha256)
    );
}

#[test]
fn v14_is_a_document_of_233_octets_with_its_hash() {
    let read = document(V14.as_bytes());
    assert_eq!(read.bytes().len(), 233);
    assert_eq!(read.encoding(), DocumentEncoding::Json);
    assert_eq!(
        hexadecimal::lower(&read.sha256),
        "3180be3ca65237ddb2a8da8d5a4abc4bc9460b9e773f271982b01888f70b8c9a"
    );
}

#[test]
fn a_broken_entry_does_not_stop_the_next_one_and_a_cut_off_one_is_the_last() {
    let broken = "30053000A1FF00";
    let items = read_dodf(&octets(&format!("{broken}{V6}")));
    assert!(
        matches!(&items[..], [DodfItem::Unparsable(_), DodfItem::Object(_)]),
        "{items:?}"
    );
    let items = read_dodf(&octets(&format!("{V6}30FF")));
    assert!(
        matches!(
            &items[..],
            [
                DodfItem::Object(_),
                DodfItem::Unparsable(TlvError::LongLength)
            ]
        ),
        "{items:?}"
    );
    // externalIDO and what nobody knows are left out.
    assert_eq!(
        read_dodf(&octets(&format!("A0023000{}{V6}", "5F2D02656E"))).len(),
        1
    );
}

#[test]
fn a_url_is_not_read() {
    let url = "301A300030060604672B0701A10E130C68747470733A2F2F782E792F";
    let [object] = &objects(url)[..] else {
        panic!("one entry")
    };
    assert_eq!(object.value, DataValue::Elsewhere);
}

#[test]
fn an_offset_without_a_length_and_half_a_file_identifier_are_no_path() {
    for odf in ["A7093007040264300201 05", "A705300304013F", "A7043002 0400"] {
        assert!(read_odf(&octets(odf)).is_err(), "{odf}");
    }
}

proptest! {
    #[test]
    fn an_entry_that_is_written_is_read_as_the_same(
        opaque in any::<bool>(), private in any::<bool>(), modifiable in any::<bool>(),
        label in "[ -~]{0,200}",
        files in proptest::collection::vec(any::<u16>(), 1..6),
        slice in proptest::option::of((any::<u16>(), any::<u16>())),
        direct in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
    ) {
        let form = if opaque { ObjectForm::OpaqueDo } else { ObjectForm::OidDo };
        let slice = slice.map(|(offset, length)| FileSlice { offset, length });
        let value = match direct {
            Some(octets) => DataValue::Direct(Secret::new(octets)),
            None => DataValue::Path(Pkcs15Path { files, slice }),
        };
        let object = DataObject { form, label: Some(label), oid: Some(CardOid::DM_BOOTSTRAP), private, modifiable, value };
        let written = DataObject::write_all(&[object.clone(), object.clone()]);
        prop_assert_eq!(read_dodf(&written), [DodfItem::Object(object.clone()), DodfItem::Object(object)]);
    }

    #[test]
    fn any_octets_give_a_list_or_an_error(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _list = read_dir(&octets);
        let _list = read_odf(&octets);
        let _list = TokenInfo::read(&octets);
        prop_assert!(read_dodf(&octets).len() <= 257);
    }

    #[test]
    fn a_real_dodf_with_one_octet_changed_is_read_to_its_end(at in 0_usize..40, octet in any::<u8>()) {
        let mut dodf = octets(&format!("{V8A}{V6}"));
        dodf[at] = octet;
        prop_assert!(read_dodf(&dodf).len() <= 8);
    }
}

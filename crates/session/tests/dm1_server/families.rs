//! Dialogues as families of clients hold them, composed from what the digest says of each; none is a recording.

use omadm_dm1::credential::UserHash;
use omadm_dm1::syncml::{Command, Encoding};
use omadm_session::server::dm1::{DeviceModel, Dm1Event, Outcome};

use crate::bed::{Answer, Bed, DEVICE, get, nonce, proven, secret};

fn model(text: &str) -> DeviceModel {
    toml::from_str(text).unwrap()
}

/// A message with a credential on this nonce, where there is one. Header and body are the client's own words.
fn say(
    bed: &mut Bed,
    token: Option<&str>,
    proof: Option<&omadm_dm1::credential::Nonce>,
    text: &str,
) -> Answer {
    let cred = proof.map(|nonce| {
        let data = UserHash::new(DEVICE, &secret("client boot")).md5(nonce);
        format!("<Cred><Meta><Format xmlns=\"syncml:metinf\">b64</Format><Type xmlns=\"syncml:metinf\">syncml:auth-md5</Type></Meta><Data>{data}</Data></Cred>")
    });
    let text = text.replace("{cred}", &cred.unwrap_or_default());
    bed.post(text.as_bytes(), token, None)
}

#[test]
fn windows_is_challenged_reports_its_events_and_answers_a_get() {
    let mut bed = Bed::new(Encoding::Xml);
    bed.account.model = model(include_str!("../../../../profiles/models/windows.toml"));
    bed.want("1", get("./DevDetail/SwV"));
    // §9: VerProto DM/1.2, decimal SessionID; 1201, then 1224 with com.microsoft/MDM/LoginStatus, then DevInfo with DmV 1.3.
    let package1 = |msg_id: u32| {
        format!(
            r#"<SyncML xmlns="SYNCML:SYNCML1.2"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>165</SessionID><MsgID>{msg_id}</MsgID>
            <Target><LocURI>https://dm.example.com/dm/1.x?mode=Maintenance</LocURI></Target><Source><LocURI>{DEVICE}</LocURI><LocName>{DEVICE}</LocName></Source>{{cred}}</SyncHdr><SyncBody>
            <Alert><CmdID>2</CmdID><Data>1201</Data></Alert>
            <Alert><CmdID>3</CmdID><Data>1224</Data><Item><Meta><Type xmlns="syncml:metinf">com.microsoft/MDM/LoginStatus</Type></Meta><Data>user</Data></Item></Alert>
            <Replace><CmdID>4</CmdID><Item><Source><LocURI>./DevInfo/DevId</LocURI></Source><Data>{DEVICE}</Data></Item>
            <Item><Source><LocURI>./DevInfo/Man</LocURI></Source><Data>Microsoft Corporation</Data></Item>
            <Item><Source><LocURI>./DevInfo/DmV</LocURI></Source><Data>1.3</Data></Item></Replace><Final/></SyncBody></SyncML>"#
        )
    };
    let challenged = say(&mut bed, None, None, &package1(1));
    assert_eq!((challenged.code(), challenged.codes()), (407, vec![407; 3]));
    let next = challenged.next_nonce();
    let answer = say(
        &mut bed,
        Some(&challenged.token()),
        Some(&next),
        &package1(2),
    );
    assert_eq!((answer.code(), answer.codes()), (212, vec![200; 3]));
    assert!(bed.events.iter().any(|event| matches!(event,
        Dm1Event::Alert(alert) if alert.code == 1224 && alert.r#type.ends_with("LoginStatus"))));
    assert_eq!(bed.delta.dev_info.as_ref().unwrap()["DmV"], "1.3");
    let cmd = answer.commands()[0].cmd_id().unwrap().as_str().to_owned();
    // §9: Results carries Cmd; Status carries no TargetRef.
    let package3 = format!(
        r#"<SyncML xmlns="SYNCML:SYNCML1.2"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>165</SessionID><MsgID>3</MsgID>
        <Target><LocURI>https://dm.example.com/dm/1.x</LocURI></Target><Source><LocURI>{DEVICE}</LocURI></Source></SyncHdr><SyncBody>
        <Status><CmdID>1</CmdID><MsgRef>2</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>212</Data></Status>
        <Status><CmdID>2</CmdID><MsgRef>2</MsgRef><CmdRef>{cmd}</CmdRef><Cmd>Get</Cmd><Data>200</Data></Status>
        <Results><CmdID>3</CmdID><MsgRef>2</MsgRef><CmdRef>{cmd}</CmdRef><Cmd>Get</Cmd><Item><Source><LocURI>./DevDetail/SwV</LocURI></Source><Data>10.0.26200.1</Data></Item></Results>
        <Final/></SyncBody></SyncML>"#
    );
    let end = say(&mut bed, Some(&answer.token()), None, &package3);
    assert!(end.commands().is_empty());
    let Some(Outcome::Answered { results, .. }) = bed.outcome("1") else {
        panic!("{:?}", bed.events);
    };
    assert_eq!(results[0].data.text(), Some("10.0.26200.1"));
}

#[test]
fn a_hotspot_station_names_its_operation_leaves_cmd_ref_out_and_reconnects() {
    let mut bed = Bed::new(Encoding::Xml);
    bed.account.model = model(include_str!("../../../../profiles/models/hotspot-2.0.toml"));
    bed.want("1", get("./DevDetail/SwV"));
    // §6.1: a generic alert between 1201 and DevInfo, with its prefix and a blank; §10.17: `Chr`.
    let first = format!(
        r#"<SyncML><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID><MsgID>1</MsgID>
        <Target><LocURI>https://dm.example.com/dm/1.x</LocURI></Target><Source><LocURI>{DEVICE}</LocURI></Source>{{cred}}</SyncHdr><SyncBody>
        <Alert><CmdID>1</CmdID><Data>1201</Data></Alert>
        <Alert><CmdID>2</CmdID><Data>1226</Data><Item><Meta><Type>Reversed-Domain-Name: org.wi-fi.hotspot2dot0.SubscriptionRemediation</Type><Format>Chr</Format></Meta><Data>x</Data></Item></Alert>
        <Replace><CmdID>3</CmdID><Item><Source><LocURI>./DevInfo/DevId</LocURI></Source><Data>{DEVICE}</Data></Item></Replace><Final/></SyncBody></SyncML>"#
    );
    let answer = say(&mut bed, None, Some(&nonce("client package nonce")), &first);
    assert_eq!((answer.code(), answer.codes()), (200, vec![200; 3]));
    assert!(bed.events.iter().any(|event| matches!(event,
        Dm1Event::Alert(alert) if alert.format == "chr" && alert.r#type.contains("hotspot2dot0"))));
    // §10.7: no CmdRef for the header; §10.22: a new connection, no RespURI.
    let cmd = answer.commands()[0].cmd_id().unwrap().as_str().to_owned();
    let next = format!(
        r#"<SyncML><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID><MsgID>2</MsgID>
        <Target><LocURI>https://dm.example.com/dm/1.x</LocURI></Target><Source><LocURI>{DEVICE}</LocURI></Source>{{cred}}</SyncHdr><SyncBody>
        <Status><CmdID>1</CmdID><MsgRef>1</MsgRef><Cmd>SyncHdr</Cmd><Data>212</Data></Status>
        <Status><CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>{cmd}</CmdRef><Cmd>Get</Cmd><Data>404</Data></Status><Final/></SyncBody></SyncML>"#
    );
    let nonce = answer.next_nonce();
    let end = say(&mut bed, None, Some(&nonce), &next);
    assert_eq!(end.code(), 200);
    assert!(bed.has(&Dm1Event::Ended) && bed.outcome("1").is_some());
}

#[test]
fn a_feature_phone_gets_a_sequence_and_answers_the_container_after_its_members() {
    let mut bed = Bed::new(Encoding::Wbxml);
    bed.account.model = model(include_str!(
        "../../../../profiles/models/feature-phone.toml"
    ));
    let group = omadm_dm1::syncml::Group {
        members: vec![
            crate::bed::replace("./A", "1"),
            crate::bed::replace("./B", "2"),
        ],
        ..Default::default()
    };
    bed.want("1", Command::Atomic(group));
    let answer = proven(&mut bed, "2A", "client boot", |say| say);
    // §1.8: no Atomic; M04: libdmclient puts the container after its members.
    let [sequence @ Command::Sequence(group)] = answer.commands()[..] else {
        panic!("{:?}", answer.commands());
    };
    let package3 = crate::bed::Say::new("2A", 3)
        .header(&answer, 212, None)
        .of(&answer, &group.members[0], 200)
        .of(&answer, &group.members[1], 200)
        .status(&answer, sequence.cmd_id(), "Sequence", 200);
    bed.say(&package3, Some(&answer.token()));
    assert!(
        matches!(bed.outcome("1"), Some(Outcome::Answered { members, .. }) if members.iter().all(Option::is_some))
    );
}

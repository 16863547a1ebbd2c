//! Bad input to the server of DM 1.x over the wire, in XML and in WBXML: each has its answer, none has an effect, and the honest session afterwards works.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use http::Method;
use omadm_dm1::credential::Nonce;
use omadm_dm1::syncml::{Command, Encoding, Message};
use omadm_server::operator::types::Dm1AccountAdded;
use support::dm1::{
    Client, NAME, PACKAGE1, SW_V, account, codes, commands, in_encoding, status, words,
};
use support::{Answer, DEVICE, Rig};

const BOTH: [Encoding; 2] = [Encoding::Xml, Encoding::Wbxml];

/// A server with an account, and what its operator wants of the device.
async fn rig() -> (Rig, Dm1AccountAdded) {
    let rig = Rig::one_node(|_| {}, |server| server).await;
    let added = account(&rig).await;
    (rig, added)
}

/// A session that was opened, with the server's first commands.
async fn opened(rig: &Rig, added: &Dm1AccountAdded, encoding: Encoding) -> (Client, Message) {
    let mut client = Client::new(added, encoding);
    client.begin();
    client.nonce = Some(Nonce::of_base64(&added.client_nonce).unwrap());
    let message = client.exchange(rig, PACKAGE1).await;
    assert_eq!(codes(&message)[0], 212);
    (client, message)
}

/// The device's own session afterwards: nothing is in its way.
async fn honest(rig: &Rig, client: &mut Client) {
    client.begin();
    client.nonce = None;
    client.exchange(rig, PACKAGE1).await;
    let opened = client.exchange(rig, PACKAGE1).await;
    assert_eq!(codes(&opened)[0], 212);
}

/// Octets as they are, to the endpoint.
async fn raw(rig: &Rig, client: &Client, body: impl Into<Vec<u8>>) -> Answer {
    client.post(rig, body.into()).await
}

async fn nothing_is_stored(rig: &Rig) {
    let detail = rig.api.device(DEVICE).await.unwrap();
    assert_eq!(detail.device.dev_info, None);
}

#[tokio::test]
async fn malformed_xml_and_wbxml_are_refused_by_http_and_behind_a_good_header_by_400_and_1223() {
    for encoding in BOTH {
        let (rig, added) = rig().await;
        let mut client = Client::new(&added, encoding);
        let bodies: [&[u8]; 5] = match encoding {
            Encoding::Xml => [
                b"",
                b"nonsense",
                b"<SyncML><SyncHdr>",
                b"<SyncML><SyncHdr></SyncBody></SyncML>",
                b"<SyncML \xff/>",
            ],
            // Nothing; a header alone; a string without end; a token that is none; a length beyond the document.
            Encoding::Wbxml => [
                b"",
                b"\x02\xa4\x01\x6a\x00",
                b"\x02\xa4\x01\x6a\x00\x6d\x6c\x03abc",
                b"\x02\xa4\x01\x6a\x00\x6d\x3f\x01",
                b"\x02\xa4\x01\x6a\x00\x6d\x6c\xc3\x8f\xff\xff\x7f",
            ],
        };
        for body in bodies {
            // A POST of nothing has no length either, as hyper writes it.
            let due = if body.is_empty() { 411 } else { 400 };
            assert_eq!(raw(&rig, &client, body).await.status, due, "{body:?}");
        }
        client.begin();
        client.nonce = Some(Nonce::of_base64(&added.client_nonce).unwrap());
        let mut broken = client.message(PACKAGE1);
        match encoding {
            Encoding::Xml => {
                let text = String::from_utf8(broken).unwrap();
                broken = text.replacen("<SyncBody>", "<SyncBody><Alert", 1).into();
            }
            Encoding::Wbxml => broken.truncate(broken.len() - 3),
        }
        let answer = raw(&rig, &client, broken).await;
        let message = client.receive(&answer);
        assert_eq!(codes(&message), [400]);
        assert_eq!(client.alerts(&message), [1223]);
        nothing_is_stored(&rig).await;
        honest(&rig, &mut client).await;
    }
}

#[tokio::test]
async fn a_wrong_dtd_is_505_and_a_wrong_protocol_513_and_nothing_of_the_message_counts() {
    for encoding in BOTH {
        let (rig, added) = rig().await;
        let mut client = Client::new(&added, encoding);
        for (from, to, code) in [
            ("<VerDTD>1.2", "<VerDTD>1.0", 505),
            ("<VerDTD>1.2", "<VerDTD>2.0", 505),
            ("DM/1.2", "DM/2.0", 513),
            ("DM/1.2", "SyncML/1.2", 513),
        ] {
            client.begin();
            client.nonce = Some(Nonce::of_base64(&added.client_nonce).unwrap());
            let text = client.text(PACKAGE1).replace(from, to);
            let answer = raw(&rig, &client, in_encoding(&text, encoding)).await;
            let message = client.receive(&answer);
            assert_eq!(codes(&message), [code], "{to}");
            assert!(message.r#final && commands(&message).is_empty());
            nothing_is_stored(&rig).await;
        }
        honest(&rig, &mut client).await;
    }
}

#[tokio::test]
async fn unknown_commands_are_501_left_out_ones_406_and_one_without_cmd_id_400() {
    for encoding in BOTH {
        let (rig, added) = rig().await;
        let mut client = Client::new(&added, encoding);
        client.begin();
        client.nonce = Some(Nonce::of_base64(&added.client_nonce).unwrap());
        let item = "<Item><Target><LocURI>./A</LocURI></Target><Data>x</Data></Item>";
        // WBXML has no token for a name that nobody knows, and our writer no literals.
        let mut rows = vec![
            (format!("<Sync><CmdID>7</CmdID>{item}</Sync>"), 406),
            (format!("<Map><CmdID>8</CmdID>{item}</Map>"), 406),
            (format!("<Search><CmdID>9</CmdID>{item}</Search>"), 406),
            (format!("<Get><CmdID>10</CmdID>{item}</Get>"), 406),
            (format!("<Get>{item}</Get>"), 400),
            ("<Alert><Data>1224</Data></Alert>".to_owned(), 400),
            ("<Alert><CmdID>11</CmdID></Alert>".to_owned(), 412),
            ("<Replace><CmdID>12</CmdID></Replace>".to_owned(), 412),
            (format!("<Replace><CmdID>13</CmdID>{item}</Replace>"), 405),
        ];
        if encoding == Encoding::Xml {
            rows.push((
                format!("<Frobnicate><CmdID>14</CmdID>{item}</Frobnicate>"),
                501,
            ));
        }
        let strange: String = rows.iter().map(|(command, _)| command.as_str()).collect();
        let text = client.text(&format!("{PACKAGE1}{strange}"));
        let answer = raw(&rig, &client, in_encoding(&text, encoding)).await;
        let message = client.receive(&answer);
        let expected: Vec<u16> = rows.iter().map(|(_, code)| *code).collect();
        assert_eq!(codes(&message)[3..], expected);
        let detail = rig.api.device(DEVICE).await.unwrap();
        let info = serde_json::to_string(&detail.device.dev_info).unwrap();
        assert!(info.contains("Acme") && !info.contains('A'.to_string().repeat(2).as_str()));
    }
}

#[tokio::test]
async fn an_atomic_or_one_within_another_is_none_that_a_client_sends() {
    for encoding in BOTH {
        let (rig, added) = rig().await;
        let mut client = Client::new(&added, encoding);
        let replace = "<Replace><CmdID>22</CmdID><Item><Source><LocURI>./DevInfo/Man</LocURI></Source><Data>Evil</Data></Item></Replace>";
        let atomic = format!(
            "<Atomic><CmdID>20</CmdID><Atomic><CmdID>21</CmdID>{replace}</Atomic></Atomic><Sequence><CmdID>23</CmdID>{replace}</Sequence>"
        );
        client.begin();
        let message = client.exchange(&rig, &format!("{PACKAGE1}{atomic}")).await;
        assert_eq!(
            codes(&message),
            [407; 5],
            "of nobody it is not even looked at"
        );
        let message = client.exchange(&rig, &format!("{PACKAGE1}{atomic}")).await;
        assert_eq!(codes(&message), [212, 200, 200, 406, 406]);
        let detail = rig.api.device(DEVICE).await.unwrap();
        let info = serde_json::to_string(&detail.device.dev_info).unwrap();
        assert!(!info.contains("Evil"), "{info}");
    }
}

#[tokio::test]
async fn an_atomic_of_ours_that_the_client_rolled_back_is_told_as_failed() {
    for encoding in BOTH {
        let (rig, added) = rig().await;
        let raw = "<Atomic><CmdID>1</CmdID><Replace><CmdID>2</CmdID><Item><Target><LocURI>./A</LocURI></Target><Data>x</Data></Item></Replace>\
             <Replace><CmdID>3</CmdID><Item><Target><LocURI>./B</LocURI></Target><Data>y</Data></Item></Replace></Atomic>";
        let queued = rig.api.queue_commands(DEVICE, vec![words(&["raw", raw])]);
        let queued = queued.await.unwrap().commands;
        let (mut client, first) = opened(&rig, &added, encoding).await;
        let Some(Command::Atomic(group)) = first
            .commands
            .iter()
            .find(|command| matches!(command, Command::Atomic(_)))
        else {
            panic!("{first:?}");
        };
        let msg = first.header.msg_id;
        let id = |command: &Command| command.cmd_id().unwrap().as_str().to_owned();
        let rolled_back = [
            status(msg, "0", "SyncHdr", 212, 1),
            status(
                msg,
                group.cmd_id.as_ref().unwrap().as_str(),
                "Atomic",
                507,
                2,
            ),
            status(msg, &id(&group.members[0]), "Replace", 216, 3),
            status(msg, &id(&group.members[1]), "Replace", 404, 4),
        ];
        client.exchange(&rig, &rolled_back.concat()).await;
        let told = rig.api.command(DEVICE, &queued[0].id).await.unwrap();
        assert_eq!((told.state.as_str(), told.status), ("answered", Some(507)));
    }
}

#[tokio::test]
async fn a_wrong_order_of_msg_ids_ends_the_session_and_a_gap_does_not() {
    for encoding in BOTH {
        let (rig, added) = rig().await;
        let queued = vec![words(&["read", SW_V]), words(&["read", NAME])];
        rig.api.queue_commands(DEVICE, queued).await.unwrap();
        let (mut client, first) = opened(&rig, &added, encoding).await;
        let msg = first.header.msg_id;
        // 5 behind 1: a gap.
        client.msg_id = 4;
        let header = status(msg, "0", "SyncHdr", 212, 1);
        let got = status(msg, commands(&first)[0].1, "Get", 404, 2);
        let message = client.unfinished(&rig, &(header + &got)).await;
        assert_eq!(codes(&message)[0], 200);
        assert_eq!(client.alerts(&message), [1222]);
        // 3 behind 5, with another body.
        client.msg_id = 2;
        let back = client
            .exchange(&rig, &status(msg, "0", "SyncHdr", 212, 1))
            .await;
        assert_eq!(codes(&back)[0], 400);
        assert_eq!(client.alerts(&back), [1223]);
        honest(&rig, &mut client).await;
    }
}

#[tokio::test]
async fn a_message_over_the_size_that_was_announced_is_413() {
    for encoding in BOTH {
        let (rig, added) = rig().await;
        let (mut client, first) = opened(&rig, &added, encoding).await;
        let announced = first.header.meta.max_msg_size.unwrap();
        let mut body = client.message("");
        body.resize(usize::try_from(announced).unwrap() + 1, b' ');
        assert_eq!(raw(&rig, &client, body).await.status, 413);
        honest(&rig, &mut client).await;
    }
}

#[tokio::test]
async fn entities_are_not_expanded_external_ones_not_fetched_and_deep_nesting_is_refused() {
    let (rig, added) = rig().await;
    let client = Client::new(&added, Encoding::Xml);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let external = format!(
        "<!DOCTYPE SyncML [<!ENTITY x SYSTEM \"http://{}/x\">]><SyncML><SyncHdr>&x;</SyncHdr></SyncML>",
        listener.local_addr().unwrap()
    );
    let laughs = "<!DOCTYPE a [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]><SyncML>&b;</SyncML>";
    let deep = format!("{}{}", "<SyncML>".repeat(5000), "</SyncML>".repeat(5000));
    for body in [external.as_str(), laughs, &deep] {
        assert_eq!(raw(&rig, &client, body).await.status, 400);
    }
    let fetched = tokio::time::timeout(std::time::Duration::from_millis(200), listener.accept());
    assert!(fetched.await.is_err(), "nothing was fetched");
    // The same in WBXML: tags within tags, with content.
    let client = Client::new(&added, Encoding::Wbxml);
    let deep = [b"\x02\xa4\x01\x6a\x00".as_slice(), &[0x6d; 5000]].concat();
    assert_eq!(raw(&rig, &client, deep).await.status, 400);
    nothing_is_stored(&rig).await;
}

#[tokio::test]
async fn ten_thousand_items_in_one_message_are_not_carried_out() {
    for encoding in BOTH {
        let (rig, added) = rig().await;
        let mut client = Client::new(&added, encoding);
        let item = "<Item><Source><LocURI>./DevInfo/X</LocURI></Source></Item>";
        let many = format!("<Replace><CmdID>9</CmdID>{}</Replace>", item.repeat(10_000));
        client.begin();
        client.nonce = Some(Nonce::of_base64(&added.client_nonce).unwrap());
        let text = client.text(&format!("{PACKAGE1}{many}"));
        let body = in_encoding(&text, encoding);
        let answer = raw(&rig, &client, body).await;
        // In XML it is too long as well.
        if answer.status == 200 {
            let message = client.receive(&answer);
            assert_eq!(
                (codes(&message), client.alerts(&message)),
                (vec![400], vec![1223])
            );
        } else {
            assert_eq!(answer.status, 413);
        }
        nothing_is_stored(&rig).await;
        honest(&rig, &mut client).await;
    }
}

#[tokio::test]
async fn endless_more_data_is_stopped_by_the_size_that_was_announced() {
    for encoding in BOTH {
        let (rig, added) = rig().await;
        let queued = vec![words(&["read", SW_V])];
        let queued = rig
            .api
            .queue_commands(DEVICE, queued)
            .await
            .unwrap()
            .commands;
        let (mut client, first) = opened(&rig, &added, encoding).await;
        let most = first.header.meta.max_obj_size.unwrap();
        let (msg, get) = (first.header.msg_id, commands(&first)[0].1.to_owned());
        let piece = "x".repeat(400_000);
        let mut said = Vec::new();
        for n in 0..5 {
            let open = if n == 0 {
                status(msg, "0", "SyncHdr", 212, 1) + &status(msg, &get, "Get", 200, 2)
            } else {
                String::new()
            };
            let chunk = format!(
                "{open}<Results><CmdID>3</CmdID><MsgRef>{msg}</MsgRef><CmdRef>{get}</CmdRef><Item><Source><LocURI>./DevDetail/SwV</LocURI></Source>\
                 <Data>{piece}</Data><MoreData/></Item></Results>"
            );
            let message = client.unfinished(&rig, &chunk).await;
            said.extend(codes(&message).into_iter().skip(1));
            if client.alerts(&message).contains(&1223) {
                break;
            }
        }
        assert!(most < 5 * 400_000 && said.contains(&413), "{said:?}");
        let told = rig.api.command(DEVICE, &queued[0].id).await.unwrap();
        assert!(told.result.is_none(), "nothing of it is kept");
        honest(&rig, &mut client).await;
    }
}

#[tokio::test]
async fn a_client_that_never_sends_final_is_asked_for_more_and_then_left() {
    for encoding in BOTH {
        let (rig, added) = rig().await;
        let (mut client, first) = opened(&rig, &added, encoding).await;
        let header = status(first.header.msg_id, "0", "SyncHdr", 212, 1);
        // Sessions end where the server has nothing to say: it has something.
        assert!(commands(&first).is_empty());
        client.begin();
        client.nonce = None;
        client.exchange(&rig, PACKAGE1).await;
        let mut message = client.unfinished(&rig, PACKAGE1).await;
        assert_eq!(codes(&message)[0], 212);
        let mut count = 0;
        while client.alerts(&message) == [1222] {
            count += 1;
            assert!(count < 1000, "it goes on for ever");
            message = client.unfinished(&rig, &header).await;
        }
        assert_eq!(client.alerts(&message), [1223]);
        honest(&rig, &mut client).await;
    }
}

#[tokio::test]
async fn a_wrong_digest_is_401_three_times_and_then_the_session_is_over() {
    for encoding in BOTH {
        let (rig, added) = rig().await;
        let mut wrong = added.clone();
        wrong.client_secret = "guessed".to_owned();
        let mut stranger = Client::new(&wrong, encoding);
        stranger.begin();
        stranger.nonce = Some(Nonce::of_base64(&added.client_nonce).unwrap());
        let mut nonces = Vec::new();
        for attempt in 0..3 {
            let message = stranger.exchange(&rig, PACKAGE1).await;
            assert_eq!(codes(&message), [401; 3], "{attempt}");
            assert!(commands(&message).iter().all(|(name, _)| *name == "Alert"));
            nonces.extend(stranger.nonce.as_ref().map(Nonce::base64));
        }
        let message = stranger.exchange(&rig, PACKAGE1).await;
        assert_eq!(codes(&message)[0], 401);
        nothing_is_stored(&rig).await;
        let detail = serde_json::to_string(&rig.api.device(DEVICE).await.unwrap()).unwrap();
        assert!(!detail.contains("Acme"));
        honest(&rig, &mut Client::new(&added, encoding)).await;
    }
}

#[tokio::test]
async fn a_replayed_message_of_an_older_session_opens_nothing() {
    for encoding in BOTH {
        let (rig, added) = rig().await;
        let mut client = Client::new(&added, encoding);
        client.begin();
        client.nonce = Some(Nonce::of_base64(&added.client_nonce).unwrap());
        let opening = client.message(PACKAGE1);
        let answer = raw(&rig, &client, opening.clone()).await;
        assert_eq!(codes(&client.receive(&answer))[0], 212);
        let again = raw(&rig, &Client::new(&added, encoding), opening.clone()).await;
        assert_eq!(
            again.body, answer.body,
            "at once: the same answer, nothing twice (M03)"
        );
        // Another session came in between, so the answer is not kept any more.
        honest(&rig, &mut client).await;
        let queued = vec![words(&["read", SW_V])];
        rig.api.queue_commands(DEVICE, queued).await.unwrap();
        let mut replayer = Client::new(&added, encoding);
        let later = raw(&rig, &replayer, opening).await;
        let message = replayer.receive(&later);
        assert_eq!(codes(&message), [401; 3], "its nonce is used up");
        assert!(commands(&message).is_empty());
    }
}

#[tokio::test]
async fn a_changed_dev_id_is_not_let_in_with_another_devices_credential() {
    for encoding in BOTH {
        let (rig, added) = rig().await;
        let queued = vec![words(&["read", SW_V])];
        rig.api.queue_commands(DEVICE, queued).await.unwrap();
        let mut client = Client::new(&added, encoding);
        "IMEI:1".clone_into(&mut client.dev_id);
        client.begin();
        client.nonce = Some(Nonce::of_base64(&added.client_nonce).unwrap());
        let message = client
            .exchange(&rig, &PACKAGE1.replace(DEVICE, "IMEI:1"))
            .await;
        assert!(
            commands(&message).iter().all(|(name, _)| *name == "Alert"),
            "{message:?}"
        );
        assert_ne!(codes(&message)[0], 212);
        nothing_is_stored(&rig).await;
        // In the midst of a session that another DevId opened.
        let (mut client, first) = opened(&rig, &added, encoding).await;
        "IMEI:2".clone_into(&mut client.dev_id);
        let header = status(first.header.msg_id, "0", "SyncHdr", 212, 1);
        let got = status(first.header.msg_id, commands(&first)[0].1, "Get", 200, 2);
        let message = client.exchange(&rig, &(header + &got)).await;
        assert!(codes(&message)[0] >= 400, "{message:?}");
        let commands = rig.api.commands(DEVICE, None).await.unwrap().commands;
        assert_ne!(commands[0].status, Some(200));
    }
}

#[tokio::test]
async fn methods_codings_and_media_types_that_are_none_of_dm_1_x() {
    let (rig, added) = rig().await;
    let client = Client::new(&added, Encoding::Xml);
    let mut wire = rig.connect(None).await;
    for (method, headers, expected) in [
        (Method::PUT, vec![], 405),
        (
            Method::POST,
            vec![("Content-Type", "application/json")],
            415,
        ),
        (
            Method::POST,
            vec![
                ("Content-Type", Encoding::Xml.media_type()),
                ("Content-Encoding", "gzip"),
            ],
            415,
        ),
    ] {
        let answer = wire.send(method, &client.path, &headers, "<SyncML/>").await;
        assert_eq!(answer.status, expected, "{headers:?}");
    }
}

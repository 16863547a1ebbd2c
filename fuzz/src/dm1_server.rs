//! The server's end of a DM 1.x session against clients that say anything.

use omadm_bootstrap::Utc;
use omadm_bootstrap::generation::{Generation, GenerationPolicy, Standing};
use omadm_dm1::credential::{CredentialType, Nonce, UserHash};
use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::syncml::{Command, Cred, Data, Encoding, Item, Message, Meta, NodeCommand};
use omadm_mo::Secret;
use omadm_session::server::dm1::{
    AccountFacts, Channel, ClientNonces, Dm1Limits, Dm1SessionState, KeptSecret, MessageIn,
    ServerFacts, ServerSide, WantedCommand1, advance, identify,
};

use crate::parts;

const DEVICE: &str = "IMEI:1";
const ENDPOINT: &str = "https://a/";
/// Small bounds, so that inputs of a few octets reach them.
const LIMITS: Dm1Limits = Dm1Limits {
    markup: MarkupLimits {
        octets: 1 << 14,
        depth: 16,
    },
    max_obj_size: 256,
    commands: 3,
    messages: 8,
};
/// A state holds the last answer and what is put together of chunks, both in base64, and its commands.
const STATE: usize = 1 << 19;

/// Whatever comes: an answer that is a message, a state of bounded size that is read as written, and nothing is believed without a proof on a nonce that was
/// given and not used yet. The first octet of each part says what the harness adds: the token, a right Cred on the newest nonce, the time that passed.
pub fn dm1_server_session(octets: &[u8]) {
    let server = server();
    let mut account = account();
    let mut state: Option<Dm1SessionState> = None;
    let mut token = None;
    let mut given: Vec<Nonce> = account.client_nonces.package.iter().cloned().collect();
    let mut now = Utc(1_700_000_000_000);
    for (n, part) in parts(octets).enumerate() {
        let Some((how, body)) = part.split_first() else {
            continue;
        };
        let encoding = Encoding::of_body(body).unwrap_or(Encoding::Wbxml);
        let body = match given.last().filter(|_| how & 1 != 0) {
            Some(nonce) => with_cred(body, encoding, nonce),
            None => body.to_vec(),
        };
        now = now.plus_secs(i64::from(how >> 4) * 30);
        let Ok(identified) = identify(&body, encoding, LIMITS.markup) else {
            continue;
        };
        let token_given = token.as_deref().filter(|_| how & 2 != 0);
        let was_open = token_given.is_some() && state.as_ref().is_some_and(|state| !state.ended);
        let message = MessageIn {
            body: &body,
            identified: &identified,
            mac: None,
            token: token_given,
            channel: Channel {
                encrypted: how & 4 != 0,
                ..Channel::default()
            },
        };
        let known = (how & 8 == 0).then_some(&account);
        let step = advance(now, &[n as u8; 32], &server, state.take(), known, message);
        if step.delta.proven && !was_open {
            let used = prover(&account, &body, encoding, &given);
            let used = used.expect("believed without a proof on a nonce that was given");
            given.remove(used);
        }
        if !step.delta.proven {
            assert!(step.delta.client_secrets.is_none() && step.delta.bootstrap.is_none());
            assert!(step.delta.dev_info.is_none() && step.delta.client_nonces.is_none());
        }
        let reply = Message::decode(&step.reply.body, step.reply.encoding, MarkupLimits::MESSAGE);
        let reply = reply.expect("the server writes messages");
        let uri = reply.header.resp_uri.as_deref();
        token = uri
            .and_then(|uri| uri.split_once("?s="))
            .map(|(_, token)| token.to_owned())
            .or(token);
        if let Some(Command::Status(status)) = reply.commands.first()
            && let Some(chal) = &status.chal
            && let Some(text) = &chal.meta.next_nonce
        {
            let nonce = Nonce::of_base64(text).expect("a nonce of ours");
            given.retain(|known| *known != nonce);
            given.push(nonce);
        }
        account.apply(&step.delta);
        if let Some(kept) = &step.state {
            let text = kept.to_text();
            assert!(text.len() < STATE, "{} octets of state", text.len());
            assert_eq!(Dm1SessionState::from_text(text.expose()).as_ref(), Ok(kept));
        }
        state = step.state;
    }
}

fn server() -> ServerFacts {
    ServerFacts {
        key: Secret::new(vec![7; 32]),
        endpoint: ENDPOINT.to_owned(),
        limits: LIMITS,
        event_types: vec!["org.example.dm.bootstrap".to_owned()],
        keep_alerts: true,
        policy: GenerationPolicy::default(),
    }
}

fn account() -> AccountFacts {
    let kept = |text: &str, generation| KeptSecret {
        secret: Secret::from(text.to_owned()),
        standing: Standing {
            generation,
            escrowed: generation == Generation::Boot,
            revoked: false,
            coming: false,
        },
        previous: false,
        brought: None,
    };
    let nonce = Nonce::new(b"package".to_vec()).expect("a nonce");
    let item = Item {
        data: Some(Data::Text("x".repeat(6000))),
        ..Item::at("./A")
    };
    let wanted = [
        Command::Get(NodeCommand {
            items: vec![Item::at("./B")],
            ..NodeCommand::default()
        }),
        Command::Replace(NodeCommand {
            items: vec![item],
            ..NodeCommand::default()
        }),
    ];
    AccountFacts {
        dev_id: Some(DEVICE.to_owned()),
        client_secrets: vec![
            kept("boot", Generation::Boot),
            kept("current", Generation::Current),
        ],
        client_nonces: ClientNonces {
            package: Some(nonce.clone()),
            ..ClientNonces::default()
        },
        server: Some(ServerSide {
            credential: CredentialType::Md5,
            user: "s".to_owned(),
            secrets: vec![kept("server", Generation::Current)],
            nonce: Some(nonce.clone()),
            boot_nonce: Some(nonce),
        }),
        account_uri: Some("./DMAcc/1".to_owned()),
        rotate: true,
        wanted: (0..)
            .zip(wanted)
            .map(|(id, command): (u32, _)| WantedCommand1 {
                id: id.to_string(),
                command,
            })
            .collect(),
        ..AccountFacts::new(DEVICE, "s")
    }
}

/// The message with a right Cred on this nonce, where it is a message.
fn with_cred(body: &[u8], encoding: Encoding, nonce: &Nonce) -> Vec<u8> {
    let Ok(mut message) = Message::decode(body, encoding, LIMITS.markup) else {
        return body.to_vec();
    };
    let secret = if message.header.msg_id % 4 == 3 {
        "boot"
    } else {
        "current"
    };
    let hash = UserHash::new(DEVICE, &Secret::from(secret.to_owned()));
    message.header.cred = Some(Cred {
        meta: Meta::default(),
        data: Data::Text(hash.md5(nonce)),
    });
    message.encode(encoding).unwrap_or_else(|_| body.to_vec())
}

/// Which of the nonces the message's Cred was made with.
fn prover(
    account: &AccountFacts,
    body: &[u8],
    encoding: Encoding,
    given: &[Nonce],
) -> Option<usize> {
    let message = Message::decode(body, encoding, LIMITS.markup).ok()?;
    let cred = message.header.cred?;
    let data = cred.data.text()?;
    let proves = |nonce: &Nonce| {
        let mut secrets = account.client_secrets.iter();
        secrets.any(|kept| UserHash::new(DEVICE, &kept.secret).md5_matches(nonce, data))
    };
    given.iter().position(proves)
}

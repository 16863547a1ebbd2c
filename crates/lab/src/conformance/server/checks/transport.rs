//! What the server speaks below HTTP (`dm20.md` §16.2).

use std::time::Duration;

use omadm_dm2::media_type::PACKAGE1;
use omadm_mo::ServerUri;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::super::ServerKit;
use super::super::device::{CLIENT_INITIATED, initiation};
use super::super::subject::Who;
use super::ServerStep;
use crate::conformance::check::step;
use crate::conformance::hello::{Hello, PSK, SSL_3, TLS_1_2, X509, ask};
use crate::conformance::verdict::{Judged, Level, Verdict, expect};
use crate::conformance::wire::{dial, target};

pub(super) const STEPS: &[ServerStep] = &[
    step(
        "sec-https",
        &["X-SEC-001"],
        Level::Must,
        ("§16.2", "There is no session without TLS."),
        |kit| Box::pin(https(kit)),
    ),
    step(
        "sec-not-below-tls",
        &["X-SEC-001"],
        Level::Must,
        ("§16.2", "SSL 3.0 is refused."),
        |kit| Box::pin(not_below_tls(kit)),
    ),
    step(
        "sec-x509-suite",
        &["X-SEC-002"],
        Level::Must,
        (
            "§16.2",
            "TLS 1.2 is spoken with at least one suite of the X.509 list.",
        ),
        |kit| Box::pin(x509_suite(kit)),
    ),
    step(
        "sec-x509-suites",
        &["X-SEC-002"],
        Level::Must,
        (
            "§16.2",
            "TLS 1.2 is spoken with every suite of the X.509 list.",
        ),
        |kit| Box::pin(x509_suites(kit)),
    ),
    step(
        "sec-psk-suites",
        &["X-SEC-002"],
        Level::Must,
        (
            "§16.2",
            "TLS 1.2 is spoken with every suite of the PSK list.",
        ),
        |kit| Box::pin(psk_suites(kit)),
    ),
    step(
        "sec-psk",
        &["X-SEC-002"],
        Level::Must,
        ("§16.2", "A pre-shared key authenticates the device."),
        |kit| Box::pin(psk_session(kit)),
    ),
];

async fn https(kit: &mut ServerKit) -> Judged {
    let origin = kit.subject.url.origin();
    let limit = kit.subject.limit;
    let mut stream = dial(&origin, limit).await.map_err(Verdict::inconclusive)?;
    let body = initiation(CLIENT_INITIATED);
    let request = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nOMADM-DevID: {}\r\nContent-Type: application/vnd.oma.dm.initiation+json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        target(&kit.subject.url),
        origin.host,
        kit.subject.dev_id,
        body.len(),
    );
    let _refused = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    // A server that says nothing and keeps the connection open has not answered either.
    let silence = limit.min(Duration::from_secs(3));
    let _ended = tokio::time::timeout(silence, stream.read_to_end(&mut answer)).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let ok = text.starts_with("HTTP/1.")
        && text
            .split(' ')
            .nth(1)
            .is_some_and(|code| code.starts_with('2'));
    expect(!ok, "no session", || {
        text.lines().next().unwrap_or_default().to_owned()
    })
}

async fn hello(
    kit: &ServerKit,
    at: &ServerUri,
    version: u16,
    suite: u16,
) -> Result<Hello, Verdict> {
    let origin = at.origin();
    let said = ask(&origin, version, suite, kit.subject.limit).await;
    let said = said.map_err(Verdict::inconclusive)?;
    kit.transcript.note(format!(
        "ClientHello to {}:{}: version {version:04x}, suite {suite:04x}: {said}",
        origin.host, origin.port
    ));
    Ok(said)
}

async fn not_below_tls(kit: &mut ServerKit) -> Judged {
    const RSA_AES_128_CBC_SHA: u16 = 0x002F;
    let said = hello(kit, &kit.subject.url, SSL_3, RSA_AES_128_CBC_SHA).await?;
    let spoken = matches!(said, Hello::Accepted(0x0300, _));
    expect(!spoken, "an alert", || {
        "a ServerHello of SSL 3.0".to_owned()
    })
}

/// The suites of the list that are refused there.
async fn refused(
    kit: &ServerKit,
    at: &ServerUri,
    list: &[(u16, &'static str)],
) -> Result<Vec<&'static str>, Verdict> {
    let mut refused = Vec::new();
    for (suite, name) in list {
        let said = hello(kit, at, TLS_1_2, *suite).await?;
        if said != Hello::Accepted(TLS_1_2, *suite) {
            refused.push(*name);
        }
    }
    Ok(refused)
}

async fn psk_suites(kit: &mut ServerKit) -> Judged {
    let Some(at) = &kit.subject.psk_url else {
        return Err(Verdict::not_tested(
            "needs --psk-url, a listener of the server for PSK",
        ));
    };
    let refused = refused(kit, at, &PSK).await?;
    expect(refused.is_empty(), "all of the list", || {
        format!("refused: {}", refused.join(", "))
    })
}

async fn x509_suite(kit: &mut ServerKit) -> Judged {
    let refused = refused(kit, &kit.subject.url, &X509).await?;
    expect(refused.len() < X509.len(), "one of the list", || {
        format!("refused: {}", refused.join(", "))
    })
}

async fn psk_session(kit: &mut ServerKit) -> Judged {
    let (Some(at), Some(_)) = (&kit.subject.psk_url, &kit.subject.psk) else {
        return Err(Verdict::not_tested(
            "needs --psk-url, a listener of the server for PSK, with --psk-identity and --psk-file of the device",
        ));
    };
    let expected = "a session with the device's pre-shared key";
    let wire = kit.connect_to(&at.origin(), Who::Psk).await;
    let mut wire = wire.map_err(|why| Verdict::failed(expected, why))?;
    let mut ask = kit.anonymous(PACKAGE1, initiation(CLIENT_INITIATED));
    ask.target = target(at);
    let answer = kit.tell(&mut wire, ask).await?;
    expect(answer.status == 200, expected, || answer.shown())
}

async fn x509_suites(kit: &mut ServerKit) -> Judged {
    let at = kit.subject.suites_url.as_ref();
    let refused = refused(kit, at.unwrap_or(&kit.subject.url), &X509).await?;
    if at.is_none() && !kit.subject.every_suite && !refused.is_empty() {
        return Err(Verdict::not_tested(format!(
            "needs --suites-url, a listener of the server for older suites, or --every-suite: today's advice (RFC 9325) forbids most of the list (D66); refused were {}",
            refused.join(", ")
        )));
    }
    expect(refused.is_empty(), "all of the list", || {
        format!("refused: {}", refused.join(", "))
    })
}

//! What the server speaks below HTTP (`dm20.md` §16.2).

use std::time::Duration;

use omadm_mo::ServerUri;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::super::ServerKit;
use super::super::device::{CLIENT_INITIATED, initiation};
use super::super::hello::{Hello, Version, ask};
use super::ServerStep;
use crate::conformance::check::step;
use crate::conformance::verdict::{Judged, Level, Verdict, expect};
use crate::conformance::wire::dial;

/// The X.509 suites of §16.2 that everybody may still offer, then those that RFC 9325 advises against.
const X509: [(u16, &str); 6] = [
    (0xC02B, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    (0x009E, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0x009C, "TLS_RSA_WITH_AES_128_GCM_SHA256"),
    (0xC023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
    (0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0x003C, "TLS_RSA_WITH_AES_128_CBC_SHA256"),
];

/// The PSK suites of §16.2.
const PSK: [(u16, &str); 7] = [
    (0x00A8, "TLS_PSK_WITH_AES_128_GCM_SHA256"),
    (0x00AA, "TLS_DHE_PSK_WITH_AES_128_GCM_SHA256"),
    (0x00AC, "TLS_RSA_PSK_WITH_AES_128_GCM_SHA256"),
    (0x00AE, "TLS_PSK_WITH_AES_128_CBC_SHA256"),
    (0x00B2, "TLS_DHE_PSK_WITH_AES_128_CBC_SHA256"),
    (0x00B6, "TLS_RSA_PSK_WITH_AES_128_CBC_SHA256"),
    (0xC037, "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256"),
];

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
];

async fn https(kit: &mut ServerKit) -> Judged {
    let origin = kit.subject.url.origin();
    let limit = kit.subject.limit;
    let mut stream = dial(&origin, limit).await.map_err(Verdict::inconclusive)?;
    let body = initiation(CLIENT_INITIATED);
    let request = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nOMADM-DevID: {}\r\nContent-Type: application/vnd.oma.dm.initiation+json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        crate::conformance::wire::target(&kit.subject.url),
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
    version: Version,
    suite: u16,
) -> Result<Hello, Verdict> {
    let said = ask(&at.origin(), version, suite, kit.subject.limit).await;
    said.map_err(Verdict::inconclusive)
}

async fn not_below_tls(kit: &mut ServerKit) -> Judged {
    const RSA_AES_128_CBC_SHA: u16 = 0x002F;
    let said = hello(kit, &kit.subject.url, Version::Ssl3, RSA_AES_128_CBC_SHA).await?;
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
        let said = hello(kit, at, Version::Tls12, *suite).await?;
        if said != Hello::Accepted(Version::Tls12 as u16, *suite) {
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

async fn x509_suites(kit: &mut ServerKit) -> Judged {
    let refused = refused(kit, &kit.subject.url, &X509).await?;
    if !kit.subject.every_suite && !refused.is_empty() {
        return Err(Verdict::not_tested(format!(
            "needs --every-suite, since today's advice (RFC 9325) forbids most of the list (D66); refused were {}",
            refused.join(", ")
        )));
    }
    expect(refused.is_empty(), "all of the list", || {
        format!("refused: {}", refused.join(", "))
    })
}

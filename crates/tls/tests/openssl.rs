//! OpenSSL as the independent judge of what is issued here, and as the other end of the wire.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::process::{Command, Output, Stdio};

use omadm_tls::pem::{PemKind, encode};
use omadm_tls::{
    AcceptError, CertificateRequest, CertificateRequestError, ConnectError, DeviceKey, Identity,
    PeerAlert, Revocation, Verdict,
};
use support::openssl_program::{Files, MISSING, SServer, said};
use support::{DEVICE, Server, between, ca, days, dev_id, device, now};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[test]
fn openssl_verifies_every_kind_of_certificate_strictly_and_sees_the_revocation() {
    let files = Files::new();
    let ca = ca("test CA");
    let (issued, _) = device(&ca, between(-1, 9));
    let (good, _) = device(&ca, between(-1, 9));
    let server = ca
        .issue_server(&["localhost", "127.0.0.1", "::1"], between(-1, 9))
        .unwrap();
    files.put("ca.pem", ca.certificate_pem());
    files.put("device.pem", issued.to_pem());
    files.put("good.pem", good.to_pem());
    files.put("server.pem", server.chain_pem());
    let crl = ca
        .crl(
            &[Revocation {
                serial: issued.serial.clone(),
                at: days(-1),
            }],
            5,
            now(),
            days(9),
        )
        .unwrap();
    files.put("ca.crl", encode(PemKind::CertificateRevocationList, &crl));

    files.agrees("verify -x509_strict -CAfile ca.pem ca.pem");
    files.agrees("verify -x509_strict -purpose sslclient -CAfile ca.pem device.pem");
    files.agrees("verify -x509_strict -purpose sslserver -verify_hostname localhost -CAfile ca.pem server.pem");
    files.agrees("verify -x509_strict -purpose sslserver -verify_ip ::1 -CAfile ca.pem server.pem");
    assert!(
        !files
            .openssl("verify -purpose sslserver -CAfile ca.pem device.pem")
            .status
            .success()
    );
    assert!(
        files
            .agrees("crl -in ca.crl -CAfile ca.pem -noout -crlnumber")
            .contains("verify OK")
    );
    files.agrees("verify -x509_strict -crl_check -CRLfile ca.crl -CAfile ca.pem good.pem");
    let revoked = files.openssl("verify -crl_check -CRLfile ca.crl -CAfile ca.pem device.pem");
    assert!(
        !revoked.status.success() && said(&revoked).contains("certificate revoked"),
        "{}",
        said(&revoked)
    );

    let printed =
        files.agrees("x509 -in device.pem -noout -fingerprint -sha256 -serial -ext subjectAltName");
    assert!(
        printed.contains(&format!("={}", issued.fingerprint)),
        "{printed}"
    );
    assert!(
        printed.contains(&format!("serial={}", issued.serial)),
        "{printed}"
    );
    assert!(printed.contains(&format!("URI:{DEVICE}")), "{printed}");
}

#[test]
fn requests_go_both_ways_between_openssl_and_here() {
    let files = Files::new();
    let ca = ca("test CA");
    files.put("ca.pem", ca.certificate_pem());
    let key = DeviceKey::generate().unwrap();
    files.put(
        "ours.csr",
        key.certificate_request(&dev_id()).unwrap().to_pem(),
    );
    files.agrees("req -in ours.csr -verify -noout");
    files.put("ours.key", key.to_pem().expose());
    files.agrees("pkey -in ours.key -check -noout");

    for kind in [
        "rsa:2048",
        "ec -pkeyopt ec_paramgen_curve:P-256",
        "ec -pkeyopt ec_paramgen_curve:P-384",
        "ed25519",
    ] {
        files.agrees(&format!(
            "req -new -newkey {kind} -nodes -keyout theirs.key -out theirs.csr -subj /CN=claimed -addext subjectKeyIdentifier=hash"
        ));
        let request = CertificateRequest::from_pem(
            &std::fs::read_to_string(files.0.path().join("theirs.csr")).unwrap(),
        );
        let issued = ca
            .issue_from_csr(&request.unwrap(), &dev_id(), between(-1, 9))
            .unwrap();
        files.put("theirs.pem", issued.to_pem());
        files.agrees("verify -x509_strict -purpose sslclient -CAfile ca.pem theirs.pem");
    }
    files.agrees("req -new -newkey rsa:1024 -nodes -keyout weak.key -out weak.csr -subj /CN=weak");
    let weak = CertificateRequest::from_pem(
        &std::fs::read_to_string(files.0.path().join("weak.csr")).unwrap(),
    );
    assert!(matches!(weak, Err(CertificateRequestError::KeyNotAccepted)));
}

/// `openssl s_client` against the acceptor, which writes one line to those it accepts.
async fn s_client(
    server: &Server,
    files: &Files,
    options: &str,
) -> (Result<Verdict, AcceptError>, Output) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let arguments = format!(
        "s_client -connect {} -servername localhost -CAfile ca.pem -verify_return_error -ign_eof {options}",
        listener.local_addr().unwrap()
    );
    let directory = files.0.path().to_owned();
    let client = tokio::task::spawn_blocking(move || {
        Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(directory)
            .stdin(Stdio::null())
            .output()
            .expect(MISSING)
    });
    let (socket, _) = listener.accept().await.unwrap();
    let verdict = match server.acceptor.accept(socket).await {
        Err(refused) => Err(refused),
        Ok(mut accepted) => {
            accepted.stream.write_all(b"accepted\n").await.unwrap();
            accepted.stream.shutdown().await.unwrap();
            Ok(accepted.peer.verdict().clone())
        }
    };
    (verdict, client.await.unwrap())
}

#[tokio::test]
async fn openssl_clients_are_judged_in_both_versions_and_with_the_suite_of_the_standard() {
    let server = Server::new();
    let files = Files::new();
    files.put("ca.pem", server.ca.certificate_pem());
    files.put_identity("device", &device(&server.ca, between(-1, 9)).1);
    files.put_identity("stranger", &device(&ca("test CA"), between(-1, 9)).1);
    let suite = "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256 -alpn http/1.1";
    for version in ["-tls1_3", suite] {
        for (credential, expected) in [
            ("-cert device.pem -key device.key", "trusted"),
            ("-cert stranger.pem -key stranger.key", "unknown_issuer"),
            ("", "no_certificate"),
        ] {
            let (verdict, output) =
                s_client(&server, &files, &format!("{version} {credential}")).await;
            assert_eq!(verdict.unwrap().code(), expected);
            assert!(said(&output).contains("accepted"), "{}", said(&output));
        }
    }
}

#[tokio::test]
async fn openssl_clients_with_nothing_in_common_are_refused_by_name() {
    let server = Server::new();
    let files = Files::new();
    files.put("ca.pem", server.ca.certificate_pem());
    let (refused, output) = s_client(&server, &files, "-tls1_1 -cipher ALL:@SECLEVEL=0").await;
    assert!(
        matches!(refused, Err(AcceptError::VersionTooOld)),
        "{refused:?}"
    );
    assert!(
        said(&output).contains("alert handshake failure"),
        "{}",
        said(&output)
    );
    for suite in [
        "AES128-GCM-SHA256",
        "DHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-SHA256",
    ] {
        let (refused, output) =
            s_client(&server, &files, &format!("-tls1_2 -cipher {suite}")).await;
        assert!(
            matches!(refused, Err(AcceptError::Incompatible(_))),
            "{suite}: {refused:?}"
        );
        assert!(
            said(&output).contains("alert handshake failure"),
            "{}",
            said(&output)
        );
    }
}

#[tokio::test]
async fn an_openssl_server_that_insists_on_a_certificate_is_understood_in_both_versions() {
    let server = Server::new();
    let files = Files::new();
    files.put("ca.pem", server.ca.certificate_pem());
    files.put_identity("server", &server.identity);
    let (_, known) = device(&server.ca, between(-1, 9));
    let (_, unknown) = device(&ca("another CA"), between(-1, 9));
    for version in ["-tls1_2", "-tls1_3"] {
        let other = SServer::start(
            files.0.path(),
            &format!(
                "-cert server.pem -key server.key -Verify 1 -verify_return_error -www {version}"
            ),
        );
        let connect = async |identity: Option<&Identity>| {
            let socket = TcpStream::connect(&other.1).await.unwrap();
            server
                .connector(identity)
                .connect(socket, "localhost")
                .await
        };
        let mut stream = connect(Some(&known)).await.unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let mut page = String::new();
        let _closed_without_notify = stream.read_to_string(&mut page).await;
        assert!(page.to_ascii_lowercase().contains("200 ok"), "{page}");
        // It serves one connection at a time.
        drop(stream);

        for (identity, expected) in [
            (
                None,
                if version == "-tls1_2" {
                    "handshake_failure"
                } else {
                    "certificate_required"
                },
            ),
            (Some(&unknown), "unknown_ca"),
        ] {
            let alert = match connect(identity).await {
                Err(ConnectError::RefusedByPeer(alert)) => alert,
                Err(other) => panic!("{other}"),
                Ok(mut stream) => {
                    PeerAlert::in_io_error(&stream.read_u8().await.unwrap_err()).unwrap()
                }
            };
            assert_eq!(alert.name(), expected, "{version}");
        }
    }
}

#[tokio::test]
async fn an_openssl_server_below_tls_1_2_or_with_other_suites_is_refused() {
    let server = Server::new();
    let files = Files::new();
    files.put("ca.pem", server.ca.certificate_pem());
    files.put_identity("server", &server.identity);
    for (options, expected) in [
        ("-tls1_1 -cipher ALL:@SECLEVEL=0", "protocol_version"),
        (
            "-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305",
            "handshake_failure",
        ),
    ] {
        let other = SServer::start(
            files.0.path(),
            &format!("-cert server.pem -key server.key {options}"),
        );
        let socket = TcpStream::connect(&other.1).await.unwrap();
        match server.connector(None).connect(socket, "localhost").await {
            Err(ConnectError::RefusedByPeer(alert)) => assert_eq!(alert.name(), expected),
            refused => panic!("{refused:?}"),
        }
    }
}

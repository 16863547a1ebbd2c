//! What a device asks over its connection, and what it reads of an answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};

use super::{Answer, Wire};

impl Wire {
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    pub(crate) async fn try_send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, hyper::Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("Host", "127.0.0.1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let node = self.turn % self.senders.len();
        self.turn += 1;
        let sender = &mut self.senders[node];
        sender.ready().await?;
        let (head, body) = sender
            .send_request(request.body(Full::new(body.into())).unwrap())
            .await?
            .into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        })
    }

    pub(crate) async fn fetch(&mut self, dev_id: &str) -> Answer {
        self.send(Method::GET, "/bootstrap", &[("OMADM-DevID", dev_id)], "")
            .await
    }

    pub(crate) async fn fetch_with_code(&mut self, dev_id: &str, code: &str) -> Answer {
        let basic = format!("Basic {}", STANDARD.encode(format!("{dev_id}:{code}")));
        self.send(
            Method::GET,
            "/bootstrap/new",
            &[("OMADM-DevID", dev_id), ("Authorization", &basic)],
            "",
        )
        .await
    }

    pub(crate) async fn package(
        &mut self,
        dev_id: &str,
        content_type: &str,
        body: impl Into<Bytes>,
    ) -> Answer {
        self.send(
            Method::POST,
            "/dm/2.0",
            &[("OMADM-DevID", dev_id), ("Content-Type", content_type)],
            body,
        )
        .await
    }
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn cause(&self) -> String {
        self.json()["cause"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

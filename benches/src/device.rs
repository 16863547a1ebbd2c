//! A device of the load: what it does in each arm.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use http::{HeaderMap, Request};
use http_body_util::Full;
use omadm_bootstrap::plan::{BootstrapPlan, Delivery, plan_bootstrap};
use omadm_bootstrap::{
    BootstrapMethod, BootstrapSource, ChannelSecurity, DeviceView as _, EventId, Utc,
};
use omadm_client::DevInfoObject;
use omadm_dm2::{header, media_type};
use omadm_mo::standard::DevInfo;
use omadm_mo::{DevId, SrvId};
use omadm_server::BOOTSTRAP_PATH;
use omadm_session::client::{
    ClientSession, Effect, Input, Opening, Outcome, Request as Package, Response, SessionReason,
};
use omadm_session::pair::DeviceEnd;
use omadm_tls::{CertificateDer, Identity};

use crate::wire::{self, Wire};
use crate::{Broken, Unexpected};

/// A registered device with an empty tree.
pub(crate) struct Device {
    pub(crate) dev_id: DevId,
    pub(crate) identity: Identity,
    number: u64,
    end: DeviceEnd,
}

impl Device {
    /// The `number`th device, which proves itself with this certificate.
    pub(crate) fn new(number: u64, dev_id: DevId, identity: Identity) -> Self {
        let mut end = DeviceEnd::new();
        end.plug_in(DevInfoObject::new(&DevInfo {
            dev_id: dev_id.clone(),
            man: "Example".to_owned(),
            mod_: "Bench".to_owned(),
            dm_v: "2.0".to_owned(),
            lang: "en".to_owned(),
            dev_type: "sensor".to_owned(),
            oem: "Example".to_owned(),
            fw_v: "1.0".to_owned(),
            sw_v: "1.0".to_owned(),
            hw_v: "A".to_owned(),
        }));
        Self {
            dev_id,
            identity,
            number,
            end,
        }
    }

    /// A bootstrap and its session on one connection. `after` is called after each exchange.
    pub(crate) async fn bootstrap(
        mut self,
        address: SocketAddr,
        anchor: &CertificateDer<'static>,
        after: &mut (dyn FnMut(&DevId) + Send),
    ) -> Result<(), Broken> {
        let mut wire = Wire::open(address, anchor, self.identity.clone()).await?;
        let authority = format!("{}:{}", wire::HOST, address.port());
        let fetch = Request::get(BOOTSTRAP_PATH)
            .header(HOST, &authority)
            .header(ACCEPT, media_type::MO_READ.join(", "))
            .header(header::DEV_ID, self.dev_id.as_str())
            .body(Full::default())?;
        let document = wire.exchange(fetch).await?.into_body();
        after(&self.dev_id);
        for server in self.apply(&document, &authority)? {
            self.session(&mut wire, &server, after).await?;
        }
        if self
            .end
            .device
            .accounts()?
            .iter()
            .any(|account| account.owed.is_some())
        {
            return Err(Unexpected::StillOwed.into());
        }
        wire.close().await
    }

    fn apply(&mut self, document: &[u8], authority: &str) -> Result<Vec<SrvId>, Broken> {
        let delivery = Delivery {
            document,
            method: BootstrapMethod::ClientInitiated,
            source: BootstrapSource::Server(format!("https://{authority}")),
            channel: ChannelSecurity::MutualTls,
            at: Some(now()),
            event_id: EventId::of(u128::from(self.number).to_be_bytes()),
            consent: false,
            after_reset: false,
            limits: self.end.limits,
        };
        let end = &self.end;
        match plan_bootstrap(&end.device, &end.registry, &end.policy, end, &delivery) {
            Ok(BootstrapPlan::Apply(planned)) => {
                self.end.device.apply(&planned.plan)?;
                Ok(planned.servers)
            }
            Ok(BootstrapPlan::AlreadyApplied) => {
                Err(Unexpected::NotApplied("applied before".to_owned()).into())
            }
            Err(refusal) => Err(Unexpected::NotApplied(refusal.to_string()).into()),
        }
    }

    async fn session(
        &mut self,
        wire: &mut Wire,
        server: &SrvId,
        after: &mut (dyn FnMut(&DevId) + Send),
    ) -> Result<(), Broken> {
        let opening = Opening {
            reason: SessionReason::Client,
            to: None,
            server: server.clone(),
            alerts: Vec::new(),
            report_type: true,
            browser: false,
            live: self.end.live(),
            limits: self.end.limits,
        };
        let mut session =
            ClientSession::start(opening, self.end.registry.clone(), &self.end.device);
        while let Some(effect) = session.poll_effect() {
            let input = match effect {
                Effect::Finish(Outcome::Ended) => return Ok(()),
                Effect::Finish(other) => {
                    return Err(Unexpected::Session(format!("{other:?}")).into());
                }
                Effect::Send(package) => {
                    let answer = wire.exchange(post(&self.dev_id, package)?).await?;
                    after(&self.dev_id);
                    Some(Input::Response(response(answer)))
                }
                effect => self.end.perform(effect),
            };
            if let Some(input) = input {
                session.handle_input(&self.end.device, input);
            }
        }
        Err(Unexpected::Session("nothing more to do".to_owned()).into())
    }
}

/// What the floor does in place of a bootstrap: as many exchanges, all empty.
pub(crate) async fn empty_exchanges(
    identity: Identity,
    address: SocketAddr,
    anchor: &CertificateDer<'static>,
    exchanges: u32,
) -> Result<(), Broken> {
    let mut wire = Wire::open(address, anchor, identity).await?;
    for _ in 0..exchanges {
        let request = Request::post("/")
            .header(HOST, wire::HOST)
            .body(Full::default())?;
        wire.exchange(request).await?;
    }
    wire.close().await
}

fn post(dev_id: &DevId, package: Package) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut request = Request::post(package.to.path_and_query())
        .header(HOST, package.to.authority())
        .header(header::DEV_ID, dev_id.as_str())
        .header(CONTENT_TYPE, package.content_type)
        .header(ACCEPT, package.accept);
    if let Some(cookie) = package.cookie {
        request = request.header(COOKIE, format!("{}={cookie}", header::SESSION_COOKIE));
    }
    request.body(Full::new(Bytes::from(package.body)))
}

fn response(answer: http::Response<Bytes>) -> Response {
    let (head, body) = answer.into_parts();
    let text = |name| {
        head.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    Response {
        status: head.status.as_u16(),
        set_cookie: session_cookie(&head.headers),
        location: None,
        retry_after: None,
        content_type: text(CONTENT_TYPE),
        omadm_accept: None,
        body: body.to_vec(),
    }
}

fn session_cookie(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(SET_COOKIE).iter();
    cookies
        .filter_map(|value| {
            value
                .to_str()
                .ok()?
                .split(';')
                .next()?
                .trim()
                .split_once('=')
        })
        .find(|(name, _)| *name == header::SESSION_COOKIE)
        .map(|(_, value)| value.to_owned())
}

fn now() -> Utc {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Utc(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

use omadm_mo::Secret;

use super::{Characteristic, Parm, ProvisioningDocument};
use crate::credential::{Nonce, NonceError};

/// The DM account that an `APPLICATION` with `APPID` `w7` describes (§5.3).
#[derive(Clone)]
pub struct W7 {
    /// `PROVIDER-ID`: the `ServerID`, by which an account is found again.
    pub provider_id: String,
    /// `NAME`
    pub name: Option<String>,
    /// Where the server is reached, best first.
    pub addresses: Vec<AppAddr>,
    /// Connectivity to use, best first.
    pub connectivity: Vec<Connectivity>,
    /// How both ends prove themselves.
    pub auths: Vec<AppAuth>,
    /// `INIT`: the server wants a session at once.
    pub init: bool,
}

/// Connectivity by its name in this document, or on the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connectivity {
    /// `TO-NAPID`: the `NAPID` of a `NAPDEF`.
    Nap(String),
    /// `TO-PROXY`: the `PROXY-ID` of a `PXLOGICAL`.
    Proxy(String),
}

/// `APPADDR`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppAddr {
    /// `ADDR`
    pub addr: String,
    /// `ADDRTYPE`
    pub addr_type: AddrType,
    /// `PORT/PORTNBR`
    pub ports: Vec<u16>,
}

/// `ADDRTYPE`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddrType {
    /// `URI`, or none given.
    #[default]
    Uri,
    /// `IPV4`
    Ipv4,
    /// `IPV6`
    Ipv6,
}

/// `APPAUTH`
#[derive(Clone)]
pub struct AppAuth {
    /// Who proves itself to whom.
    pub level: AuthLevel,
    /// `AAUTHTYPE`; `DIGEST` where it is absent. Former spellings are read as what they mean.
    pub r#type: String,
    /// `AAUTHNAME`
    pub name: Option<String>,
    /// `AAUTHSECRET`
    pub secret: Option<Secret>,
    /// `AAUTHDATA`: the first nonce.
    pub nonce: Option<Nonce>,
}

/// `AAUTHLEVEL`: which layer, and which end proves itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthLevel {
    /// `APPSRV`: the client proves itself to the server; `CLCRED` of a DM account.
    AppSrv,
    /// `CLIENT`: the server proves itself to the client; `SRVCRED`.
    Client,
    /// `OBEX`
    Obex,
    /// `HTTP`
    Http,
}

/// What makes a `w7` useless.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum W7Fault {
    /// No `PROVIDER-ID`: nobody would get rights (§5.3).
    #[error("w7 has no PROVIDER-ID")]
    NoProviderId,
    /// No address.
    #[error("w7 has no ADDR")]
    NoAddress,
    /// An address type that nobody knows.
    #[error("ADDRTYPE `{0}` is none of URI, IPV4 and IPV6")]
    AddrType(Box<str>),
    /// A port that is none.
    #[error("PORTNBR `{0}` is no port")]
    Port(Box<str>),
    /// An authentication level that nobody knows.
    #[error("AAUTHLEVEL `{0}` is none of APPSRV, CLIENT, OBEX and HTTP")]
    AuthLevel(Box<str>),
    /// A nonce that is none.
    #[error("AAUTHDATA: {0}")]
    Nonce(#[from] NonceError),
}

impl W7 {
    /// The DM accounts of a document, in its order.
    ///
    /// # Errors
    ///
    /// The first [`W7Fault`].
    pub fn of_document(document: &ProvisioningDocument) -> Result<Vec<Self>, W7Fault> {
        document
            .of_type("APPLICATION")
            .filter(|application| application.value("APPID") == Some("w7"))
            .map(Self::read)
            .collect()
    }

    /// The `APPLICATION` as we write it: the order of working servers, `CLIENT` before `APPSRV` being theirs to choose by [`W7::auths`].
    #[must_use]
    pub fn characteristic(&self) -> Characteristic {
        let mut parms = vec![
            Parm::new("APPID", "w7"),
            Parm::new("PROVIDER-ID", self.provider_id.as_str()),
        ];
        parms.extend(self.name.as_deref().map(|name| Parm::new("NAME", name)));
        parms.extend(
            self.connectivity
                .iter()
                .map(|one| Parm::new(one.parm(), one.name())),
        );
        if self.init {
            parms.push(Parm::bare("INIT"));
        }
        Characteristic {
            r#type: "APPLICATION".into(),
            parms,
            characteristics: self
                .addresses
                .iter()
                .map(AppAddr::characteristic)
                .chain(self.auths.iter().map(AppAuth::characteristic))
                .collect(),
        }
    }

    fn read(application: &Characteristic) -> Result<Self, W7Fault> {
        let provider_id = application
            .value("PROVIDER-ID")
            .filter(|id| !id.trim().is_empty())
            .ok_or(W7Fault::NoProviderId)?;
        // Real documents use a bare ADDR too (hazard 16).
        let bare = application.values("ADDR").map(|addr| {
            Ok(AppAddr {
                addr: addr.to_owned(),
                addr_type: AddrType::Uri,
                ports: Vec::new(),
            })
        });
        let addresses = bare
            .chain(application.of_type("APPADDR").filter_map(AppAddr::read))
            .collect::<Result<Vec<_>, _>>()?;
        if addresses.is_empty() {
            return Err(W7Fault::NoAddress);
        }
        Ok(Self {
            provider_id: provider_id.to_owned(),
            name: application.value("NAME").map(str::to_owned),
            addresses,
            connectivity: application
                .parms
                .iter()
                .filter_map(Connectivity::read)
                .collect(),
            auths: application
                .of_type("APPAUTH")
                .map(AppAuth::read)
                .collect::<Result<_, _>>()?,
            init: application.has("INIT"),
        })
    }
}

impl Connectivity {
    fn read(parm: &Parm) -> Option<Self> {
        let name = parm.value.as_ref()?.clone();
        match &*parm.name {
            "TO-NAPID" => Some(Self::Nap(name)),
            "TO-PROXY" => Some(Self::Proxy(name)),
            _ => None,
        }
    }

    const fn parm(&self) -> &'static str {
        match self {
            Self::Nap(_) => "TO-NAPID",
            Self::Proxy(_) => "TO-PROXY",
        }
    }

    /// The name that it has.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Nap(name) | Self::Proxy(name) => name,
        }
    }
}

impl AppAddr {
    /// `None` for an `APPADDR` without `ADDR`.
    fn read(appaddr: &Characteristic) -> Option<Result<Self, W7Fault>> {
        let addr = appaddr.value("ADDR")?.to_owned();
        let addr_type = match appaddr.value("ADDRTYPE") {
            None | Some("URI") => Ok(AddrType::Uri),
            Some("IPV4" | "IPv4") => Ok(AddrType::Ipv4),
            Some("IPV6" | "IPv6") => Ok(AddrType::Ipv6),
            Some(other) => Err(W7Fault::AddrType(other.into())),
        };
        let ports = appaddr
            .of_type("PORT")
            .flat_map(|port| port.values("PORTNBR"))
            .map(|port| port.parse().map_err(|_| W7Fault::Port(port.into())))
            .collect::<Result<_, _>>();
        Some(addr_type.and_then(|addr_type| {
            Ok(Self {
                addr,
                addr_type,
                ports: ports?,
            })
        }))
    }

    fn characteristic(&self) -> Characteristic {
        let addr_type = match self.addr_type {
            AddrType::Uri => "URI",
            AddrType::Ipv4 => "IPV4",
            AddrType::Ipv6 => "IPV6",
        };
        Characteristic {
            r#type: "APPADDR".into(),
            parms: vec![
                Parm::new("ADDR", self.addr.as_str()),
                Parm::new("ADDRTYPE", addr_type),
            ],
            characteristics: self
                .ports
                .iter()
                .map(|port| {
                    Characteristic::new("PORT", vec![Parm::new("PORTNBR", port.to_string())])
                })
                .collect(),
        }
    }
}

impl AppAuth {
    fn read(appauth: &Characteristic) -> Result<Self, W7Fault> {
        let level = match appauth.value("AAUTHLEVEL").unwrap_or("APPSRV") {
            "APPSRV" => AuthLevel::AppSrv,
            "CLIENT" => AuthLevel::Client,
            "OBEX" => AuthLevel::Obex,
            "HTTP" => AuthLevel::Http,
            other => return Err(W7Fault::AuthLevel(other.into())),
        };
        let r#type = match appauth.value("AAUTHTYPE") {
            None | Some("DIGEST,MD5") => "DIGEST",
            Some("DIGEST,BASIC") => "BASIC",
            Some(other) => other,
        };
        Ok(Self {
            level,
            r#type: r#type.to_owned(),
            name: appauth.value("AAUTHNAME").map(str::to_owned),
            secret: appauth
                .value("AAUTHSECRET")
                .map(|secret| Secret::from(secret.to_owned())),
            nonce: appauth
                .value("AAUTHDATA")
                .filter(|data| !data.trim().is_empty())
                .map(Nonce::of_base64)
                .transpose()?,
        })
    }

    fn characteristic(&self) -> Characteristic {
        let level = match self.level {
            AuthLevel::AppSrv => "APPSRV",
            AuthLevel::Client => "CLIENT",
            AuthLevel::Obex => "OBEX",
            AuthLevel::Http => "HTTP",
        };
        let secret = self
            .secret
            .as_ref()
            .and_then(|secret| std::str::from_utf8(secret.expose()).ok());
        let parms = [
            Some(Parm::new("AAUTHLEVEL", level)),
            Some(Parm::new("AAUTHTYPE", self.r#type.as_str())),
            self.name
                .as_deref()
                .map(|name| Parm::new("AAUTHNAME", name)),
            secret.map(|secret| Parm::new("AAUTHSECRET", secret)),
            self.nonce
                .as_ref()
                .map(|nonce| Parm::new("AAUTHDATA", nonce.base64())),
        ];
        Characteristic::new("APPAUTH", parms.into_iter().flatten().collect())
    }
}

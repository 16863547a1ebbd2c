//! HTTP Basic (RFC 7617) and Digest (RFC 7616, `qop=auth`) as both ends speak them: challenges, the `Authorization` that answers one, and the
//! calculation. Realms, nonces and counters are the caller's.

mod authorization;
mod challenge;
mod digest;
mod parameters;

pub use authorization::{Authorization, AuthorizationError, BasicPair, basic};
pub use challenge::Challenge;
pub use digest::{DigestAlgorithm, DigestChallenge, DigestResponse};

//! The DM Server: device and operator listeners, stores, bootstrap and session services.

pub mod admission;
pub mod config;
pub mod model;
pub mod operator;
pub mod seal;
pub mod smsc;
pub mod state_dir;
pub mod store;

mod bootstrap_service;
mod capacity;
mod carrier;
mod clock;
mod crl;
mod deployment;
mod device;
mod device_listeners;
mod dm1_service;
mod entropy;
mod exchange;
mod generations;
mod housekeeping;
mod identity;
mod listener;
mod node;
mod notification_service;
mod observer;
mod problem;
mod profiles;
mod psk_book;
mod push_service;
mod refusal_throttle;
mod repository;
mod server;
mod session_service;
mod store_trouble;
mod write_stall;

pub use clock::{Clock, SystemClock};
pub use crl::CrlError;
pub use dm1_service::models as device_models;
pub use entropy::NoRandomness;
pub use exchange::{BOOTSTRAP_PATH, DM1_PATH, REPOSITORY_PATH, SESSION_PATH};
pub use observer::{ExchangeObserver, ObservedExchange};
pub use problem::ProblemBody;
pub use profiles::ProfileLibraryError;
pub use server::{DmServer, Running, StartError, TrafficCounts};

//! Both ends of DM 1.x: the rows of `dm1x.md` §6.6, in XML and in WBXML. Each row with the test that is it; `bootstrap` stands for
//! `crates/bootstrap/tests/dm1_device.rs`, where the delivery alone decides, `server` for `crates/session/tests/dm1_server`, which has a client that ours is not.
//!
//! | row | test |
//! |---|---|
//! | first boot, each method × profile | `rows::a_first_bootstrap_by_each_method_and_profile_…` |
//! | re-boot unrotated | `sessions::a_re_bootstrap_whose_secrets_were_never_replaced_…` |
//! | re-boot client-rotated, server-rotated | `rows::a_device_of_which_one_direction_was_replaced_…` |
//! | re-boot both rotated | `sessions::b1_s_04_a_device_that_was_reset_…` |
//! | nonce stale | `rows::a_stale_nonce_of_either_direction_…` |
//! | replayed package 1 | `rows::a_replayed_package_1_…` |
//! | unknown user with event | `sessions::an_unknown_account_…`, `server::proof::m19_an_unknown_account_…` |
//! | event twice (same id) | `rows::an_event_that_comes_twice_…` |
//! | server answering 415, 406, 202, nothing | `rows::an_event_is_settled_by_415_406_and_202_…` |
//! | session abort before ack | `rows::a_session_that_is_aborted_before_the_event_is_acknowledged_…` |
//! | card content unchanged at power-on | `rows::a_card_that_is_unchanged_at_power_on_…` |
//! | card removed | `crates/bootstrap/tests/switch_on_dm1.rs`: `b1_c_07_the_whole_table_of_9_…`; over PC/SC `tests/tests/dm1x_card.rs` |
//! | card for other ServerID | `rows::a_card_for_another_server_…` |
//! | changed DevId | `sessions::a_device_of_another_dev_id_…` |
//! | rotation lost before final message, lost 212 answer, lost package 3 with the new SRVCRED nonce | `faults::m21_…`, each request and each answer lost in turn |
//! | attempts exhausted, then honest device | `sessions::attempts_are_exhausted_…`, `rows::an_account_that_is_let_alone_…` |
//! | two parallel sessions | `server::proof::m16_of_two_parallel_sessions_…`, `server::flow::m11_…` |
//! | RespURI ignored, other connection | `server::flow::m02_…` |
//! | repeated message | `faults`, each request doubled in turn; `server::flow::m03_…` |
//! | server challenged, Statuses repeated | `rows::a_stale_nonce_of_either_direction_…`, `server::flow::m06_…` |
//! | old push replayed | `rows::an_old_push_…` |
//! | fallback to the shadow | `fallback::m25_…`, `bootstrap::m25_…` |
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::panic, reason = "a test fails by panicking")]

mod bed;
mod fallback;
mod faults;
mod rows;
mod sessions;
mod sizes;

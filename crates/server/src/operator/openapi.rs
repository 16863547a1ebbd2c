//! The OpenAPI document of `/api/v1`.

use axum::Json;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{
    admissions, allow_list, bootstraps, commands, credentials, devices, dm1, events, generations,
    notifications, notify_at, objects, profiles, triggers,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "omadm operator API", description = "Devices, bootstraps and events of a DM Server. Errors are application/problem+json."),
    paths(
        devices::list,
        devices::add,
        devices::show,
        credentials::add,
        credentials::revoke,
        dm1::add,
        dm1::show,
        dm1::rotate,
        dm1::revoke,
        dm1::reject,
        generations::rotate,
        generations::revoke,
        generations::accept,
        commands::queue,
        commands::list,
        commands::show,
        commands::cancel,
        commands::release,
        notifications::send,
        notify_at::set,
        objects::list,
        objects::put,
        objects::get,
        objects::remove,
        bootstraps::list,
        bootstraps::start,
        bootstraps::show,
        bootstraps::document,
        admissions::list,
        admissions::approve,
        admissions::reject,
        allow_list::list,
        allow_list::add,
        allow_list::remove,
        triggers::take,
        events::list,
        profiles::list,
        document,
    ),
    modifiers(&Token)
)]
struct Api;

struct Token;

impl Modify for Token {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme =
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        api.components
            .get_or_insert_default()
            .add_security_scheme("token", scheme);
        api.security = Some(vec![SecurityRequirement::new(
            "token",
            Vec::<String>::new(),
        )]);
    }
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "api", responses((status = 200, description = "OpenAPI 3.1")))]
pub(super) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Api::openapi())
}

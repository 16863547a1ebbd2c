use std::path::Path;

use omadm_server::device_models;
use omadm_session::server::dm1::DeviceModel;

use crate::command::read_text;
use crate::failure::{Explain as _, Failure};

/// Refuses a file, which a server could not keep a device to: it knows models by their names.
pub(super) fn named_alone(name: &str) -> Result<(), Failure> {
    if device_models::named(name).is_none() && Path::new(name).exists() {
        return Err(Failure::new(
            "nothing was built",
            format!("{name:?} is a file, and the server knows models by their names"),
            "name one that comes with the server, or leave --from-server out",
        ));
    }
    Ok(())
}

/// A model by its name, or its file.
pub(super) fn read(name: &str) -> Result<DeviceModel, Failure> {
    if let Some(model) = device_models::named(name) {
        return Ok(model.clone());
    }
    let file = Path::new(name);
    if !file.exists() {
        let names: Vec<_> = device_models::names().collect();
        return Err(Failure::new(
            "nothing was built",
            format!("{name:?} is neither a model nor a file"),
            format!(
                "name one of {}, or a file like those of profiles/models",
                names.join(", ")
            ),
        ));
    }
    device_models::read(&read_text(file)?).explain(
        format!("{name} is no device model"),
        "profiles/README.md lists the keys",
    )
}

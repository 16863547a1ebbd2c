use std::path::Path;
use std::sync::Arc;

use omadm_bootstrap::EventId;

use super::step::tell;
use super::{
    Device, Fault, PATIENCE, Steps, dm1, finish, finish_with_card, finish_with_push,
    finish_with_sessions, rotation,
};

/// The program `kill_client`: FOLDER URL CA-FILE STEP [EVENT-ID]. Bootstraps the device, again where its account is of this event, by sessions in order where its secrets are replaced or it is a device of DM 1.x, by its card where it has a reader, by a push where it listens; tells `at STEP`, `done`.
///
/// # Errors
/// Where the arguments are wrong, or the device cannot do its work.
pub fn run(arguments: &[String]) -> Result<(), Fault> {
    let (folder, url, ca, step, former) = match arguments {
        [folder, url, ca, step] => (folder, url, ca, step, None),
        [folder, url, ca, step, former] => (folder, url, ca, step, Some(EventId::parse(former)?)),
        _ => return Err("FOLDER URL CA-FILE STEP [EVENT-ID]".into()),
    };
    let steps = Arc::new(Steps::of(step));
    let clock = Arc::clone(&steps);
    let ticks = move || clock.reach("clock");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = Device::client(Path::new(folder), url, Path::new(ca), steps, ticks)?;
        let finished = async {
            let markers = [dm1::marker, rotation::marker];
            if markers
                .iter()
                .any(|marker| marker(Path::new(folder)).exists())
            {
                finish_with_sessions(&client).await
            } else if Device::reader(Path::new(folder)).exists() {
                finish_with_card(&client).await
            } else if Device::listens(Path::new(folder)).exists() {
                finish_with_push(&client).await
            } else {
                finish(&client, former.as_ref()).await
            }
        };
        tokio::time::timeout(PATIENCE, finished).await?
    })?;
    Ok(tell("done")?)
}

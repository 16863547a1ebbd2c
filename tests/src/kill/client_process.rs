use std::path::Path;
use std::sync::Arc;

use omadm_client::DeviceDir;

use super::step::tell;
use super::{
    Device, DeviceState, Fault, PATIENCE, Steps, dm1, finish, finish_with_card, finish_with_push,
    finish_with_sessions, rotation,
};

/// The program `kill_client`: FOLDER URL CA-FILE STEP. Bootstraps the device, again where it has an account, by sessions in order where its secrets are replaced or it is a device of DM 1.x, by its card where it has a reader, by a push where it listens; tells `at STEP`, `done`.
///
/// # Errors
/// Where the arguments are wrong, or the device cannot do its work.
pub fn run(arguments: &[String]) -> Result<(), Fault> {
    let [folder, url, ca, step] = arguments else {
        return Err("FOLDER URL CA-FILE STEP".into());
    };
    let former = DeviceState::read(&DeviceDir::open(Path::new(folder))?.store_file())?;
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
                finish(&client, former.event_id()).await
            }
        };
        tokio::time::timeout(PATIENCE, finished).await?
    })?;
    Ok(tell("done")?)
}

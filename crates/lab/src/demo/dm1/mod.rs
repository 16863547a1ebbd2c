//! DM 1.x: a bootstrap by each method, then new secrets, and a reset after which the card brings the former ones back.

mod device;
mod stage;

use omadm_bootstrap::dm1::Dm1Format;

use super::stage::Stage;
use super::{DemoError, DemoMethod, DemoRow};
use stage::Dm1Stage;

/// Shows it, device by device.
pub(super) async fn steps(stage: &Stage<'_>) -> Result<Vec<DemoRow>, DemoError> {
    let whole = stage.options.is_whole();
    let stage = Dm1Stage::new(stage);
    let (mut rows, mut with_card) = (Vec::new(), None);
    let shown = stage.options().shown();
    let all = shown.flat_map(|method| formats(method).iter().map(move |format| (method, *format)));
    for (number, (method, format)) in all.enumerate() {
        let device = stage.device(method, format, number).await?;
        rows.push(stage.first(&device).await?);
        if method == DemoMethod::Smartcard {
            with_card = Some(device);
        }
    }
    if let Some(device) = with_card.filter(|_| whole) {
        rows.push(stage.rotated(&device).await?);
        rows.push(stage.reset(device).await?);
    }
    Ok(rows)
}

/// The profiles in which a method brings the account: a device for each.
const fn formats(method: DemoMethod) -> &'static [Dm1Format] {
    match method {
        DemoMethod::Factory => &[Dm1Format::Cp],
        DemoMethod::Smartcard | DemoMethod::Client => &[Dm1Format::Dm],
        DemoMethod::Server => &[Dm1Format::Cp, Dm1Format::Dm],
    }
}

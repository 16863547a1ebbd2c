//! Another program that uses a card: holds it as its first argument says, `alone` (nobody else may connect) or `meanwhile` (a transaction), says so, and lets
//! go of it as the line on standard input says: `leave`, `reset`, `unpower`, or at its end.

use std::error::Error;
use std::ffi::CString;
use std::io::Write as _;

use pcsc::{Context, Disposition, Protocols, Scope, ShareMode};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [how, reader] = arguments.as_slice() else {
        return Err("two arguments: alone or meanwhile, and the reader's name".into());
    };
    let reader = CString::new(reader.as_str())?;
    let share = match how.as_str() {
        "alone" => ShareMode::Exclusive,
        _ => ShareMode::Shared,
    };
    let context = Context::establish(Scope::User)?;
    let mut card = context.connect(&reader, share, Protocols::T0 | Protocols::T1)?;
    let held = card.transaction()?;
    std::io::stdout().write_all(b"held\n")?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let disposition = match line.trim() {
        "reset" => Disposition::ResetCard,
        "unpower" => Disposition::UnpowerCard,
        _ => Disposition::LeaveCard,
    };
    held.end(disposition).map_err(|(_, error)| error)?;
    card.disconnect(Disposition::LeaveCard)
        .map_err(|(_, error)| error)?;
    Ok(())
}

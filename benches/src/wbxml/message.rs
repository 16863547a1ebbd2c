//! The document that is converted.

use std::fmt::Write as _;

/// Commands of a message of about 1 kB.
pub const COMMANDS_OF_1_KB: usize = 3;
/// Commands of a message of about 100 kB.
pub const COMMANDS_OF_100_KB: usize = 357;

/// A message of a server, in XML, that replaces so many leaves.
#[must_use]
pub fn message(commands: usize) -> String {
    let mut xml = String::from(
        r#"<SyncML xmlns="SYNCML:SYNCML1.2"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID><MsgID>1</MsgID><Target><LocURI>IMEI:493005100592800</LocURI></Target><Source><LocURI>https://dm.example.com/dm</LocURI></Source></SyncHdr><SyncBody>"#,
    );
    for nr in 1..=commands {
        // Writing to a String does not fail.
        let _written = write!(
            xml,
            r#"<Replace><CmdID>{nr}</CmdID><Item><Target><LocURI>./Vendor/Example/Setting/{nr}/Value</LocURI></Target><Meta><Format xmlns="syncml:metinf">chr</Format><Type xmlns="syncml:metinf">text/plain</Type></Meta><Data>value number {nr} of the benchmark &amp; so on</Data></Item></Replace>"#
        );
    }
    xml.push_str("<Final/></SyncBody></SyncML>");
    xml
}

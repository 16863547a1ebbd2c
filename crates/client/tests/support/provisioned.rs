//! The client provisioning document of `push.md` §5.1.

use super::octets;

/// Its server.
pub(crate) const DM1_SERVER: &str = "com.example.dm";

const DOCUMENT: &str = "\
030b6a0f636f6d2e6578616d706c652e646d00c54503312e310001c6000155018736000006037737000187000138000006830001870706034578616d706c6520444d0001c600\
01560187340000060368747470733a2f2f646d2e6578616d706c652e636f6d2f646d3132000187000135000006035552490001c653018723060334343300010101c600015701\
873000000600018d018733000006000193018731000006036465762d30303100018700013200000603636c69656e74707700018700012f00000603626d3975593255744d513d\
3d000101c600015701873000000603434c49454e540001870001330000060001930187310000068300018700013200000603736572766572707700018700012f00000603626d\
3975593255744d673d3d000101870503494e495400010101";

/// Its octets; the nonce of the server's credential, `nonce-2` there, is another one of as many octets.
pub(crate) fn connectivity_document(server_nonce: &str) -> Vec<u8> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let document = octets(DOCUMENT);
    let [before, after] =
        ["nonce-2", server_nonce].map(|nonce| STANDARD.encode(nonce).into_bytes());
    assert_eq!(before.len(), after.len());
    let at = document
        .windows(before.len())
        .position(|part| part == before);
    let at = at.unwrap();
    [&document[..at], &after, &document[at + before.len()..]].concat()
}

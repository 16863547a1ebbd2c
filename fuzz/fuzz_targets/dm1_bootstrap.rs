#![no_main]
libfuzzer_sys::fuzz_target!(|octets: &[u8]| omadm_fuzz::dm1_bootstrap(octets));

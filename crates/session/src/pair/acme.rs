use omadm_mo::DevId;
use omadm_mo::standard::DevInfo;

/// Device Info of the device that tests run, by whatever name: an M1 of Acme.
#[must_use]
pub fn acme(dev_id: DevId) -> DevInfo {
    DevInfo {
        dev_id,
        man: "Acme".into(),
        mod_: "M1".into(),
        dm_v: "2.0".into(),
        lang: "en".into(),
        dev_type: "sensor".into(),
        oem: String::new(),
        fw_v: "1.0".into(),
        sw_v: "1.0".into(),
        hw_v: "A".into(),
    }
}

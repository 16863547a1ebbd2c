//! The names of tests and the items they begin with: an item's id in small letters, `_` for `-`, and `_` behind it.

pub use omadm_lab::conformance::item::{BOOTSTRAP, DM1X, Item, PROTOCOL, STATIC, all};

/// The ids a test's name begins with, in its order.
pub fn of(name: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut rest = name;
    'next: loop {
        for item in all() {
            let prefix = item.id.to_ascii_lowercase().replace('-', "_") + "_";
            if let Some(behind) = rest.strip_prefix(&prefix) {
                found.push(item.id);
                rest = behind;
                continue 'next;
            }
        }
        return found;
    }
}

/// Whether a test's name looks as if it named an item that there is not.
pub fn is_mistaken(name: &str) -> bool {
    let numbered = name
        .strip_prefix("b_")
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let begins = ["dm_boot_", "dm_hlr_", "b1_c_", "b1_s_", "x_"];
    let looks = numbered || begins.iter().any(|begin| name.starts_with(begin));
    looks && of(name).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_one_item_or_several_and_a_mistaken_one_is_noticed() {
        assert_eq!(of("b_15_x_boot_006_it_reports"), ["B-15", "X-BOOT-006"]);
        assert_eq!(of("dm_boot_004_c_o_fetches"), ["DM-BOOT-004-C-O"]);
        assert_eq!(of("it_is_b_15_"), Vec::<&str>::new());
        for name in [
            "b_34_none",
            "b_1_none",
            "dm_boot_009_c_o_none",
            "b1_s_09_none",
            "x_uri_9_none",
        ] {
            assert!(is_mistaken(name), "{name}");
        }
        assert!(!is_mistaken("b_01_good") && !is_mistaken("body_is_read"));
    }
}

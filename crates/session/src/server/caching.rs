//! What the server knows of an instance spares the device from sending it again (`dm20.md` §10).

use omadm_dm2::{ClientUris, Command};
use omadm_mo::CacheValidator;
use omadm_mo::client_uri::InstanceStep;
use omadm_mo::serialization::MoItem;

/// Whether the command reads one whole instance by its MIID, without a validator of its own: its result is worth keeping, and a validator can be added.
#[must_use]
pub fn is_whole_instance(command: &Command) -> bool {
    let Command::Get { clients } = command else {
        return false;
    };
    matches!(clients.as_slice(), [uri]
        if matches!(uri.instance, InstanceStep::Miid(_)) && uri.path.is_empty() && uri.conditions.is_empty() && uri.cv.is_none())
}

/// The same command with the validator that the server knows; unchanged where it reads no whole instance.
pub(super) fn with_validator(command: &Command, cv: &CacheValidator) -> Command {
    match command {
        Command::Get { clients } if is_whole_instance(command) => {
            let mut uris = clients.as_slice().to_vec();
            for uri in &mut uris {
                uri.cv = Some(cv.clone());
            }
            ClientUris::new(uris)
                .map_or_else(|| command.clone(), |clients| Command::Get { clients })
        }
        other => other.clone(),
    }
}

/// The validator that came with a whole instance.
pub(super) fn validator(command: &Command, items: &[MoItem]) -> Option<CacheValidator> {
    let [item] = items else { return None };
    let is_root = item.client_uri.as_ref().is_none_or(|at| at.path.is_empty());
    item.cv
        .clone()
        .filter(|_| is_root && is_whole_instance(command))
}

#[cfg(test)]
mod tests {
    use omadm_dm2::Command;
    use omadm_mo::CacheValidator;

    use super::{is_whole_instance, with_validator};

    #[test]
    fn x_cache_001_only_a_get_of_one_instance_by_its_miid_gets_a_validator() {
        for (words, whole) in [
            (&["GET", "urn:m/1/"][..], true),
            (&["GET", "urn:m//"], false),
            (&["GET", "urn:m/*/"], false),
            (&["GET", "urn:m/1/A"], false),
            (&["GET", "urn:m/1/?cv=7"], false),
            (&["GET", "urn:m/1/", "urn:m/2/"], false),
            (&["DELETE", "urn:m/1/"], false),
        ] {
            let command = Command::read(words).unwrap();
            assert_eq!(is_whole_instance(&command), whole, "{words:?}");
            let sent = with_validator(&command, &CacheValidator::new("5f-1")).write();
            let changed = sent != command.write();
            assert_eq!(changed, whole, "{sent:?}");
        }
    }
}

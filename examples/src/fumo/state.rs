use serde::{Deserialize, Serialize};

/// Where the device stands with its firmware: the value of the leaf `State`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub enum FumoState {
    /// 10: nothing is going on.
    #[default]
    Idle = 10,
    /// 20: the download failed; nothing is there.
    DownloadFailed = 20,
    /// 30: a download goes on.
    Downloading = 30,
    /// 40: the package is there.
    Downloaded = 40,
    /// 50: the package was checked and is about to be installed.
    ReadyToUpdate = 50,
    /// 60: the package is being installed.
    Updating = 60,
    /// 70: it could not be installed and is still there.
    UpdateFailedHaveData = 70,
    /// 80: it could not be installed and is gone.
    UpdateFailedNoData = 80,
    /// 90: it was installed and is still there.
    UpdatedHaveData = 90,
    /// 100: it was installed and is gone.
    UpdatedNoData = 100,
}

/// What a server can execute.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Operation {
    /// EXEC on `Download`.
    Download,
    /// EXEC on `Update`.
    Update,
    /// EXEC on `DownloadAndUpdate`.
    DownloadAndUpdate,
}

/// What moves the device from one state to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StateEvent {
    /// A server executes a node.
    Exec(Operation),
    /// A server wrote the package into `Update/PkgData`.
    DataWritten,
    /// The package arrived.
    Arrived,
    /// The package did not arrive, or not as it should be.
    NotArrived,
    /// The package is what it should be.
    Accepted,
    /// The package is not what it should be, and was removed.
    Rejected,
    /// The package cannot be found any more.
    Lost,
    /// The installation begins.
    Begun,
    /// The package was installed; whether it is still there.
    Installed {
        /// It is.
        kept: bool,
    },
    /// The package could not be installed; whether it is still there.
    NotInstalled {
        /// It is.
        kept: bool,
    },
}

impl FumoState {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Idle,
        Self::DownloadFailed,
        Self::Downloading,
        Self::Downloaded,
        Self::ReadyToUpdate,
        Self::Updating,
        Self::UpdateFailedHaveData,
        Self::UpdateFailedNoData,
        Self::UpdatedHaveData,
        Self::UpdatedNoData,
    ];

    /// Its number.
    #[must_use]
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// Whether there is a package that could be installed.
    #[must_use]
    pub const fn has_data(self) -> bool {
        matches!(
            self,
            Self::Downloaded
                | Self::ReadyToUpdate
                | Self::Updating
                | Self::UpdateFailedHaveData
                | Self::UpdatedHaveData
        )
    }

    /// The state after an event; none where the event cannot happen in this one. `busy` tells that an operation goes on, which only its own steps move.
    #[must_use]
    pub const fn after(self, event: StateEvent, busy: bool) -> Option<Self> {
        use Operation::{Download, DownloadAndUpdate, Update};
        match event {
            StateEvent::Exec(Download | DownloadAndUpdate) if !busy => Some(Self::Downloading),
            StateEvent::Exec(Update) if !busy && self.has_data() => Some(Self::Downloaded),
            StateEvent::DataWritten if !busy => Some(Self::Downloaded),
            StateEvent::Exec(_) | StateEvent::DataWritten => None,
            _ if !busy => None,
            StateEvent::Arrived => self.from(Self::Downloading, Self::Downloaded),
            StateEvent::NotArrived => self.from(Self::Downloading, Self::DownloadFailed),
            StateEvent::Accepted => self.from(Self::Downloaded, Self::ReadyToUpdate),
            StateEvent::Rejected => self.from(Self::Downloaded, Self::UpdateFailedNoData),
            StateEvent::Lost => Some(Self::UpdateFailedNoData),
            StateEvent::Begun => self.from(Self::ReadyToUpdate, Self::Updating),
            StateEvent::Installed { kept: true } => {
                self.from(Self::Updating, Self::UpdatedHaveData)
            }
            StateEvent::Installed { kept: false } => self.from(Self::Updating, Self::UpdatedNoData),
            StateEvent::NotInstalled { kept: true } => {
                self.from(Self::Updating, Self::UpdateFailedHaveData)
            }
            StateEvent::NotInstalled { kept: false } => {
                self.from(Self::Updating, Self::UpdateFailedNoData)
            }
        }
    }

    const fn from(self, before: Self, after: Self) -> Option<Self> {
        if self as u8 == before as u8 {
            Some(after)
        } else {
            None
        }
    }
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Download, Self::Update, Self::DownloadAndUpdate];

    /// The node that is executed.
    #[must_use]
    pub const fn node(self) -> &'static str {
        match self {
            Self::Download => "Download",
            Self::Update => "Update",
            Self::DownloadAndUpdate => "DownloadAndUpdate",
        }
    }

    /// The AlertType of its result. Those of `Update` and `DownloadAndUpdate` are registered (`dm20.md` §6), that of `Download` follows them.
    #[must_use]
    pub const fn alert_type(self) -> &'static str {
        match self {
            Self::Download => "org.openmobilealliance.dm.firmwareupdate.download",
            Self::Update => "org.openmobilealliance.dm.firmwareupdate.update",
            Self::DownloadAndUpdate => "org.openmobilealliance.dm.firmwareupdate.downloadandupdate",
        }
    }

    /// Whether it ends with an installation.
    #[must_use]
    pub const fn installs(self) -> bool {
        !matches!(self, Self::Download)
    }
}

#[cfg(test)]
mod tests {
    use super::FumoState::*;
    use super::{FumoState, Operation, StateEvent};

    const STEPS: [StateEvent; 9] = [
        StateEvent::Arrived,
        StateEvent::NotArrived,
        StateEvent::Accepted,
        StateEvent::Rejected,
        StateEvent::Begun,
        StateEvent::Installed { kept: true },
        StateEvent::Installed { kept: false },
        StateEvent::NotInstalled { kept: true },
        StateEvent::NotInstalled { kept: false },
    ];

    #[test]
    fn the_numbers_are_those_of_the_enabler() {
        let numbers: Vec<_> = FumoState::ALL.iter().map(|state| state.number()).collect();
        assert_eq!(numbers, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    }

    #[test]
    fn each_step_of_an_operation_leads_from_one_state_to_one_other() {
        let ways = [
            (Downloading, Downloaded),
            (Downloading, DownloadFailed),
            (Downloaded, ReadyToUpdate),
            (Downloaded, UpdateFailedNoData),
            (ReadyToUpdate, Updating),
            (Updating, UpdatedHaveData),
            (Updating, UpdatedNoData),
            (Updating, UpdateFailedHaveData),
            (Updating, UpdateFailedNoData),
        ];
        for (event, (from, to)) in STEPS.into_iter().zip(ways) {
            for state in FumoState::ALL {
                let expected = (state == from).then_some(to);
                assert_eq!(state.after(event, true), expected, "{state:?} {event:?}");
                assert_eq!(state.after(event, false), None, "{state:?} {event:?}");
            }
        }
    }

    #[test]
    fn a_download_begins_in_every_state_in_which_nothing_goes_on() {
        for operation in [Operation::Download, Operation::DownloadAndUpdate] {
            for state in FumoState::ALL {
                let event = StateEvent::Exec(operation);
                assert_eq!(state.after(event, false), Some(Downloading), "{state:?}");
            }
        }
    }

    #[test]
    fn an_update_begins_where_there_is_a_package() {
        let event = StateEvent::Exec(Operation::Update);
        for state in FumoState::ALL {
            let expected = state.has_data().then_some(Downloaded);
            assert_eq!(state.after(event, false), expected, "{state:?}");
        }
        assert!(!Idle.has_data() && !DownloadFailed.has_data() && !UpdateFailedNoData.has_data());
        assert!(!UpdatedNoData.has_data() && !Downloading.has_data());
    }

    #[test]
    fn whatever_goes_on_is_not_disturbed() {
        for state in FumoState::ALL {
            for operation in Operation::ALL {
                assert_eq!(state.after(StateEvent::Exec(operation), true), None);
            }
            assert_eq!(state.after(StateEvent::DataWritten, true), None);
            assert_eq!(state.after(StateEvent::Lost, false), None);
            let lost = state.after(StateEvent::Lost, true);
            assert_eq!(lost, Some(UpdateFailedNoData), "whatever it was");
            let written = state.after(StateEvent::DataWritten, false);
            assert_eq!(written, Some(Downloaded));
        }
    }
}

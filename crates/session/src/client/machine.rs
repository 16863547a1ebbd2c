use std::collections::{BTreeMap, BTreeSet, VecDeque};

use omadm_bootstrap::plan::plan_proof;
use omadm_bootstrap::{Account, DeviceView, EventId};
use omadm_dm2::{Alert, Command, CommandError, Package2, Package3, Status, StatusCode, media_type};
use omadm_mo::json::{Json, JsonLimits};
use omadm_mo::standard::MoRegistry;
use omadm_mo::standard::dm_acc::{self, names};
use omadm_mo::{Miid, Moid, Node, NodeAddress, ServerUri, SrvId, TreeError, TreeVersion, Value};

use super::commands::{self, Answer, Need, Progress, Terms};
use super::effect::{Cause, Effect, EffectId, Input, Outcome, Request, Response, SessionEvent};
use super::live::LiveOverlay;
use super::opening;
use super::redirect::{REDIRECTS, redirected};
use super::rights::ServerSight;

/// What a session begins with.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The server; its account is read from the tree.
    pub server: SrvId,
    /// Why the session is opened.
    pub reason: SessionReason,
    /// Where its packages go first, in place of the account's `SrvURI`: an asynchronous EXEC's ServerURI (§5.4).
    pub to: Option<ServerUri>,
    /// Alerts that wait for it; delivered when the Package#1 gets 2xx (D25).
    pub alerts: Vec<Alert>,
    /// Whether BootstrapComplete tells the bootstrap type (D27).
    pub report_type: bool,
    /// Whether the host has a browser component; without one SHOW is 501 (D18).
    pub browser: bool,
    /// MOIDs whose values live outside the store.
    pub live: BTreeSet<Moid>,
    /// Bounds of the server's packages and of fetched documents.
    pub limits: JsonLimits,
}

/// Why a session is opened, beside a completion that is owed: that one is reported in any (D04).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SessionReason {
    /// The client has something to say, or somebody asked it to.
    #[default]
    Client,
    /// A DM Notification was accepted.
    Notified {
        /// Its NOTIFICATION-ID, where it had one.
        notification_id: Option<u16>,
        /// Whether it carried REQ-MOS.
        req_mos: bool,
    },
    /// The account's new credentials were refused, and this session runs with the former ones so that the server can repair them (D82). It begins at the
    /// former `SrvURI`, [`Opening::to`], and acknowledges nothing.
    Repair,
}

/// One DM session of the client: fed with inputs, drained of effects. Reads the tree through a snapshot lent for one call.
#[derive(Debug)]
pub struct ClientSession {
    opening: Opening,
    registry: MoRegistry,
    state: State,
    to: Option<ServerUri>,
    /// The bootstrap that the Package#1 reports complete.
    reported: Option<EventId>,
    /// The shadow of the account that a 2xx to the Package#1 ends (D82).
    proves: Option<TreeVersion>,
    cookie: Option<String>,
    /// The last `OMADM-Accept` of the server (§3.1).
    omadm_accept: Option<String>,
    redirects: u8,
    answered: bool,
    next_id: u64,
    effects: VecDeque<Effect>,
}

#[derive(Debug)]
enum State {
    /// A package is out; the last request, for a redirect.
    Sent(Request),
    /// The completion was acknowledged; its flag is being cleared before the commands run.
    Clearing(EffectId, PackageRead, u8),
    Running(Run),
    Over,
}

#[derive(Debug)]
struct Run {
    commands: VecDeque<Result<Command, CommandError>>,
    statuses: Vec<Status>,
    /// Of the results in the statuses, as they are written.
    octets: usize,
    ends: bool,
    waits: Option<Wait>,
}

#[derive(Debug)]
struct Wait {
    id: EffectId,
    need: Need,
    live: BTreeMap<(Moid, Miid), Node>,
    replans: u8,
}

/// The Package#2 that was answered, or what is wrong with it (D11).
type PackageRead = Result<Package2, String>;

/// How often a plan is made again because the tree changed under it.
const REPLANS: u8 = 3;

impl ClientSession {
    /// Begins a session: the first effect is the Package#1.
    #[must_use]
    pub fn start(opening: Opening, registry: MoRegistry, view: &dyn DeviceView) -> Self {
        let mut session = Self {
            opening,
            registry,
            state: State::Over,
            to: None,
            reported: None,
            proves: None,
            cookie: None,
            omadm_accept: None,
            redirects: 0,
            answered: false,
            next_id: 0,
            effects: VecDeque::new(),
        };
        match session.open(view) {
            Ok(Some(())) => {}
            Ok(None) | Err(_) => session.finish(Outcome::NoAccount),
        }
        session
    }

    fn open(&mut self, view: &dyn DeviceView) -> Result<Option<()>, TreeError> {
        let Some(account) = view.account(&self.opening.server)? else {
            return Ok(None);
        };
        let Some(srv_uri) = srv_uri(view, &account)? else {
            return Ok(None);
        };
        let none = BTreeMap::new();
        let overlay = LiveOverlay::new(view, &none).seen_by(&account);
        let sight = ServerSight {
            view: &overlay,
            account: &account,
            registry: &self.registry,
        };
        let package = opening::package1(
            &sight,
            self.opening.reason,
            self.opening.report_type,
            self.opening.alerts.clone(),
        )?;
        self.report(SessionEvent::Started {
            server: account.srv_id.clone(),
            bootstrap_complete: account.owed.is_some()
                && self.opening.reason != SessionReason::Repair,
        });
        if self.opening.reason != SessionReason::Repair {
            let owed = account.owed.is_some();
            self.reported = owed.then(|| account.provenance.event_id.clone());
            let shadow = view.shadow(&account.srv_id)?;
            // Elsewhere than at the account's SrvURI nothing is proven about it.
            let shadow = shadow.filter(|_| self.opening.to.is_none());
            self.proves = shadow.map(|shadow| shadow.since);
        }
        self.to = self.opening.to.clone().or(Some(srv_uri));
        self.send(media_type::PACKAGE1, &package.write());
        Ok(Some(()))
    }

    /// The next thing to do; none until the next input.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Whether [`Effect::Finish`] was given out or waits to be.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Takes an input. `view` is the tree as it is now. An answer to an effect that nobody waits for is passed over.
    pub fn handle_input(&mut self, view: &dyn DeviceView, input: Input) {
        match (std::mem::replace(&mut self.state, State::Over), input) {
            (State::Over, _) => {}
            (_, Input::Cancel) => self.finish(Outcome::Cancelled),
            (_, Input::SendFailed(cause @ Cause::SessionTooLong(_))) => {
                self.finish(Outcome::Lost(cause));
            }
            (State::Sent(_), Input::SendFailed(cause)) => self.finish(Outcome::Lost(cause)),
            (State::Sent(request), Input::Response(response)) => {
                self.answered(view, request, response);
            }
            (State::Clearing(id, package, tries), Input::ApplyDone(done, result)) if id == done => {
                self.cleared(view, package, tries, &result);
            }
            (State::Running(mut run), input) => {
                if let Some(wait) = run.waits.take() {
                    match answer_to(wait.id, input) {
                        Some(answer) => self.resume(view, &mut run, wait, answer),
                        None => run.waits = Some(wait),
                    }
                }
                self.go_on(view, run);
            }
            (state, _) => self.state = state,
        }
    }

    fn answered(&mut self, view: &dyn DeviceView, mut request: Request, response: Response) {
        let location = response.location.as_deref();
        let next = redirected(&request.to, response.status, location);
        if let Some(next) = next.filter(|_| self.redirects < REDIRECTS) {
            self.redirects += 1;
            // What a host set is for no other one.
            request.cookie.take_if(|_| next.host() != request.to.host());
            request.to = next;
            self.effects.push_back(Effect::Send(request.clone()));
            self.state = State::Sent(request);
            return;
        }
        if !(200..300).contains(&response.status) {
            let text = String::from_utf8_lossy(&response.body);
            let cut = text
                .char_indices()
                .take_while(|(at, _)| *at < 512)
                .map(|(_, c)| c)
                .collect();
            return self.finish(Outcome::Refused {
                status: response.status,
                retry_after: response.retry_after,
                detail: cut,
                after_first_answer: self.answered,
            });
        }
        self.cookie = response.set_cookie.or_else(|| self.cookie.take());
        self.omadm_accept = response.omadm_accept.or_else(|| self.omadm_accept.take());
        let first = !std::mem::replace(&mut self.answered, true);
        let package = read_package2(&response.body, self.opening.limits);
        if first {
            let count = self.opening.alerts.len();
            self.report(SessionEvent::AlertsDelivered { count });
            // 2xx acknowledges the completion whatever the body holds (D60).
            self.acknowledge(view, package, 0);
        } else {
            self.run(view, package);
        }
    }

    /// D60: the owed flag goes when the Package#1 got 2xx, durably and before anything else happens. Only for the event it reported: another
    /// bootstrap may have been applied meanwhile.
    fn acknowledge(&mut self, view: &dyn DeviceView, package: PackageRead, tries: u8) {
        let server = &self.opening.server;
        let plan = plan_proof(view, server, self.reported.as_ref(), self.proves);
        let plan = plan.ok().flatten();
        let Some(plan) = plan else {
            return self.run(view, package);
        };
        if plan.accounts.is_empty() {
            self.reported = None;
        }
        let id = self.id();
        self.effects.push_back(Effect::Apply(id, plan));
        self.state = State::Clearing(id, package, tries);
    }

    fn cleared(
        &mut self,
        view: &dyn DeviceView,
        package: PackageRead,
        tries: u8,
        result: &Result<TreeVersion, Cause>,
    ) {
        match result {
            Ok(_) => {
                if self.reported.is_some() {
                    let server = self.opening.server.clone();
                    self.report(SessionEvent::CompletionAcknowledged { server });
                }
                self.run(view, package);
            }
            Err(Cause::Stale) if tries < REPLANS => self.acknowledge(view, package, tries + 1),
            // The flag stays: the completion is reported once more in the next session.
            Err(_) => self.run(view, package),
        }
    }

    fn run(&mut self, view: &dyn DeviceView, package: PackageRead) {
        let package = match package {
            Ok(package) => package,
            Err(problem) => return self.finish(Outcome::Unparsable(problem)),
        };
        let ends = package.has_end();
        let commands = package
            .commands
            .into_iter()
            .filter(|command| !matches!(command, Ok(Command::End)));
        let run = Run {
            commands: commands.collect(),
            statuses: Vec::new(),
            octets: 0,
            ends,
            waits: None,
        };
        self.go_on(view, run);
    }

    /// Processes commands in list order until one has to wait, then answers with a Package#3, or not at all after END (D20).
    fn go_on(&mut self, view: &dyn DeviceView, mut run: Run) {
        while run.waits.is_none() {
            let Some(command) = run.commands.front().cloned() else {
                if run.ends || run.statuses.is_empty() {
                    return self.finish(Outcome::Ended);
                }
                let package = Package3 {
                    statuses: run.statuses,
                    alerts: Vec::new(),
                    stray_items: Vec::new(),
                };
                self.send(media_type::PACKAGE3, &package.write());
                return;
            };
            match command {
                Err(error) => self.done(&mut run, Status::new(error.status())),
                Ok(command) => {
                    let live = self.live_instances(view, &command);
                    if live.is_empty() {
                        let progress = self.begin(view, &BTreeMap::new(), &command);
                        self.advance(&mut run, BTreeMap::new(), 0, progress);
                    } else {
                        let id = self.id();
                        self.effects.push_back(Effect::ReadLive(id, live));
                        run.waits = Some(Wait {
                            id,
                            need: Need::Live,
                            live: BTreeMap::new(),
                            replans: 0,
                        });
                    }
                }
            }
        }
        self.state = State::Running(run);
    }

    fn begin(
        &mut self,
        view: &dyn DeviceView,
        live: &BTreeMap<(Moid, Miid), Node>,
        command: &Command,
    ) -> Progress {
        let Ok(Some(account)) = view.account(&self.opening.server) else {
            return Progress::Done(Status::new(StatusCode::FAILED));
        };
        let overlay = LiveOverlay::new(view, live).seen_by(&account);
        let sight = ServerSight {
            view: &overlay,
            account: &account,
            registry: &self.registry,
        };
        commands::begin(&sight, command, self.terms())
    }

    fn terms(&self) -> Terms<'_> {
        Terms {
            current: self.to.as_ref(),
            omadm_accept: self.omadm_accept.as_deref(),
            browser: self.opening.browser,
            limits: self.opening.limits,
        }
    }

    fn resume(&mut self, view: &dyn DeviceView, run: &mut Run, wait: Wait, answer: Answer) {
        let Some(Ok(command)) = run.commands.front().cloned() else {
            return;
        };
        let Wait {
            need,
            mut live,
            replans,
            ..
        } = wait;
        let stale = matches!(answer, Answer::Applied(Err(Cause::Stale)));
        let progress = match (need, answer) {
            (Need::Live, Answer::Live(Ok(instances))) => {
                live.extend(
                    instances
                        .into_iter()
                        .map(|(at, node)| ((at.moid, at.miid), node)),
                );
                self.begin(view, &live, &command)
            }
            (need, answer) => {
                if stale && replans >= REPLANS {
                    Progress::Done(Status::new(StatusCode::CONFLICT))
                } else {
                    match view.account(&self.opening.server) {
                        Ok(Some(account)) => {
                            let overlay = LiveOverlay::new(view, &live).seen_by(&account);
                            let sight = ServerSight {
                                view: &overlay,
                                account: &account,
                                registry: &self.registry,
                            };
                            commands::resume(&sight, &command, need, answer, self.terms())
                        }
                        _ => Progress::Done(Status::new(StatusCode::FAILED)),
                    }
                }
            }
        };
        self.advance(run, live, replans + u8::from(stale), progress);
    }

    fn advance(
        &mut self,
        run: &mut Run,
        live: BTreeMap<(Moid, Miid), Node>,
        replans: u8,
        progress: Progress,
    ) {
        match progress {
            Progress::Done(status) => self.done(run, status),
            Progress::Continue(to) => {
                let from = self.to.replace(to);
                let hosts = [from.as_ref(), self.to.as_ref()].map(|to| to.map(ServerUri::host));
                self.cookie.take_if(|_| hosts[0] != hosts[1]);
                self.done(run, Status::new(StatusCode::OK));
            }
            Progress::Wait(make, need) => {
                let id = self.id();
                self.effects.push_back(make.with(id));
                run.waits = Some(Wait {
                    id,
                    need,
                    live,
                    replans,
                });
            }
        }
    }

    /// Notes a status. The results of one Package#3 together stay within the limit of one body: a result that goes beyond is 413.
    fn done(&mut self, run: &mut Run, mut status: Status) {
        if let Some(result) = &status.result {
            let octets = run.octets + result.to_compact().len();
            if octets > self.opening.limits.octets {
                status = Status::new(StatusCode::TOO_LARGE);
            } else {
                run.octets = octets;
            }
        }
        if let Some(command) = run.commands.pop_front() {
            let (name, text) = match &command {
                Ok(command) => (Some(command.name()), command.write().join(" ")),
                Err(error) => (None, error.to_string()),
            };
            self.report(SessionEvent::Command {
                name,
                text,
                status: status.code,
            });
        }
        run.statuses.push(status);
    }

    /// Instances the command may look at whose values live outside the store.
    fn live_instances(&self, view: &dyn DeviceView, command: &Command) -> Vec<NodeAddress> {
        let moids: BTreeSet<&Moid> = commands::client_uris(command)
            .map(|uri| &uri.moid)
            .filter(|moid| self.opening.live.contains(moid))
            .collect();
        let roots = moids.into_iter().flat_map(|moid| {
            let instances = view.instances(moid).unwrap_or_default();
            instances
                .into_iter()
                .map(|miid| NodeAddress::root(moid.clone(), miid))
        });
        roots.collect()
    }

    fn send(&mut self, content_type: &'static str, body: &Json) {
        let Some(to) = self.to.clone() else {
            return self.finish(Outcome::NoAccount);
        };
        let body = body.to_compact().into_bytes();
        self.redirects = 0;
        let request = Request {
            to,
            content_type,
            accept: media_type::PACKAGE2,
            cookie: self.cookie.clone(),
            body,
        };
        self.effects.push_back(Effect::Send(request.clone()));
        self.state = State::Sent(request);
    }

    fn report(&mut self, event: SessionEvent) {
        self.effects.push_back(Effect::Report(event));
    }

    fn finish(&mut self, outcome: Outcome) {
        self.state = State::Over;
        self.report(SessionEvent::Ended(outcome.clone()));
        self.effects.push_back(Effect::Finish(outcome));
    }

    const fn id(&mut self) -> EffectId {
        self.next_id += 1;
        EffectId(self.next_id)
    }
}

/// The `SrvURI` of an account, as the tree has it now.
fn srv_uri(view: &dyn DeviceView, account: &Account) -> Result<Option<ServerUri>, TreeError> {
    let root = NodeAddress::root(dm_acc::moid(), account.miid.clone());
    let value = view.leaf(&root.with_path(names::path(&[names::SRV_URI])))?;
    Ok(value
        .as_ref()
        .and_then(Value::as_text)
        .and_then(|text| ServerUri::parse(text).ok()))
}

/// An empty body is END (D11).
fn read_package2(body: &[u8], limits: JsonLimits) -> PackageRead {
    if body.is_empty() {
        return Ok(Package2::end());
    }
    let json = Json::read(body, limits).map_err(|error| error.to_string())?;
    Package2::read(&json).map_err(|error| error.to_string())
}

fn answer_to(id: EffectId, input: Input) -> Option<Answer> {
    match input {
        Input::FetchDone(done, result) if done == id => Some(Answer::Fetched(result)),
        Input::UploadDone(done, result) if done == id => Some(Answer::Uploaded(result)),
        Input::ReadLiveDone(done, result) if done == id => Some(Answer::Live(result)),
        Input::ApplyDone(done, result) if done == id => Some(Answer::Applied(result.map(|_| ()))),
        Input::ExecDone(done, result) if done == id => Some(Answer::Executed(result)),
        Input::PermitDone(done, result) if done == id => Some(Answer::Permitted(result)),
        Input::ShowDone(done, result) if done == id => Some(Answer::Shown(result)),
        _ => None,
    }
}

use super::{BackEnd, START, Settings, command_id, dev, exchange, registration};
use crate::model::{CommandChange, CommandState, QueuedCommand};
use crate::store::{CommitError, Store};

fn get(uri: &str) -> Vec<String> {
    vec!["GET".into(), uri.into()]
}

fn add(number: u32, words: Vec<String>) -> CommandChange {
    CommandChange::Add {
        id: command_id(number),
        words,
    }
}

fn queued(number: u32, nr: u64, words: Vec<String>) -> QueuedCommand {
    QueuedCommand {
        id: command_id(number),
        nr,
        words,
        state: CommandState::Queued,
        sends: 0,
        session: None,
        status: None,
        result: None,
        uris: vec![],
        cv: None,
        queued_at: START.plus_secs(60),
        sent_at: None,
        ended_at: None,
    }
}

/// A registered device with these commands at epoch 2, and those read back.
async fn with(store: &dyn Store, commands: Vec<CommandChange>) -> Vec<QueuedCommand> {
    store.commit(registration(&dev(1))).await.unwrap();
    let mut delta = exchange(&dev(1), 1);
    delta.commands = commands;
    store.commit(delta).await.unwrap();
    store.open_commands(&dev(1)).await.unwrap()
}

async fn update(
    store: &dyn Store,
    epoch: u64,
    commands: &[QueuedCommand],
) -> Result<(), CommitError> {
    let mut delta = exchange(&dev(1), epoch);
    let updates = commands.iter().cloned().map(Box::new);
    delta.commands = updates.map(CommandChange::Update).collect();
    store.commit(delta).await.map(|_| ())
}

async fn open_count(store: &dyn Store) -> u64 {
    let device = store.device(&dev(1)).await.unwrap().unwrap();
    device.open_commands
}

pub(crate) async fn commands_are_numbered_and_sent_in_this_order(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    let ids = [7, 3, 5];
    let found = with(&*store, ids.map(|id| add(id, get("urn:m//A"))).into()).await;
    let expected: Vec<_> = (1..)
        .zip(ids)
        .map(|(nr, id)| queued(id, nr, get("urn:m//A")))
        .collect();
    assert_eq!(found, expected);
    let mut again = exchange(&dev(1), 2);
    again.commands = vec![add(1, get("urn:m//B"))];
    store.commit(again).await.unwrap();
    let found = store.open_commands(&dev(1)).await.unwrap();
    assert_eq!((found[3].nr, &found[3].id), (4, &command_id(1)));
    assert_eq!(store.open_commands(&dev(2)).await.unwrap(), []);
    let mut twice = exchange(&dev(1), 3);
    twice.commands = vec![add(7, get("urn:m//C"))];
    let refused = store.commit(twice).await;
    assert!(
        matches!(refused, Err(CommitError::Contradiction(_))),
        "{refused:?}"
    );
}

pub(crate) async fn every_member_of_a_command_comes_back(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    let words = vec!["EXEC".into(), "urn:m//Ü \"x\"".into()];
    let mut command = with(&*store, vec![add(1, words)]).await.remove(0);
    for (epoch, state) in (2..).zip(CommandState::ALL) {
        command.state = state;
        command.sends += 1;
        command.session = Some(format!("session {epoch}"));
        command.sent_at = Some(START.plus_secs(70));
        if state == CommandState::Answered {
            command.status = Some(202);
            command.result = Some(r#"[{"MOData":{"ü":"\u0000"}}]"#.into());
            command.uris = vec!["urn:m/1/".into(), "urn:m/2/".into()];
            command.cv = Some("5f2a-1".into());
            command.ended_at = Some(START.plus_secs(71));
        }
        update(&*store, epoch, std::slice::from_ref(&command))
            .await
            .unwrap();
        let found = store.command(&dev(1), &command.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&command));
        if state == CommandState::Answered {
            break;
        }
    }
    assert_eq!(
        store.command(&dev(1), &command_id(2)).await.unwrap(),
        None,
        "unknown"
    );
    assert_eq!(
        store.command(&dev(2), &command.id).await.unwrap(),
        None,
        "of another device"
    );
}

pub(crate) async fn open_commands_are_counted_with_the_device(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    let adds = (0..4).map(|id| add(id, get("urn:m//A"))).collect();
    let mut open = with(&*store, adds).await;
    assert_eq!(open_count(&*store).await, 4);
    for (command, state) in open.iter_mut().zip([
        CommandState::Sent,
        CommandState::Held,
        CommandState::Answered,
        CommandState::Cancelled,
    ]) {
        command.state = state;
    }
    update(&*store, 2, &open).await.unwrap();
    assert_eq!(open_count(&*store).await, 2);
    let found = store.open_commands(&dev(1)).await.unwrap();
    assert_eq!(found, open[..2]);
    // One delta takes a command, and ends another.
    let mut delta = exchange(&dev(1), 3);
    open[0].state = CommandState::Answered;
    delta.commands = vec![
        CommandChange::Update(Box::new(open[0].clone())),
        add(9, get("urn:m//A")),
    ];
    store.commit(delta).await.unwrap();
    assert_eq!(open_count(&*store).await, 2);
    let mut registered = registration(&dev(2));
    registered.commands = vec![add(9, get("urn:m//A"))];
    store.commit(registered).await.unwrap();
    let other = store.device(&dev(2)).await.unwrap().unwrap();
    assert_eq!(other.open_commands, 1);
}

pub(crate) async fn a_command_that_ended_does_not_change_any_more(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    let adds = vec![add(1, get("urn:m//A")), add(2, get("urn:m//A"))];
    let mut open = with(&*store, adds).await;
    open[0].state = CommandState::Cancelled;
    open[1].state = CommandState::Answered;
    update(&*store, 2, &open).await.unwrap();
    for command in &mut open {
        command.state = CommandState::Queued;
        let refused = update(&*store, 3, std::slice::from_ref(command)).await;
        assert!(
            matches!(refused, Err(CommitError::Contradiction(_))),
            "{refused:?}"
        );
    }
    let unknown = queued(3, 3, get("urn:m//A"));
    let refused = update(&*store, 3, &[unknown]).await;
    assert!(
        matches!(refused, Err(CommitError::Contradiction(_))),
        "{refused:?}"
    );
    assert_eq!(open_count(&*store).await, 0);
}

pub(crate) async fn commands_come_in_pages_newest_first_without_results(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    let adds = (0..5).map(|id| add(id, get("urn:m//A"))).collect();
    let mut open = with(&*store, adds).await;
    open[1].state = CommandState::Answered;
    open[1].result = Some("[]".into());
    update(&*store, 2, &open[1..2]).await.unwrap();
    let mut seen = Vec::new();
    loop {
        let before = seen.last().map(|command: &QueuedCommand| command.nr);
        let page = store.commands_of(&dev(1), before, 2).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    open[1].result = None;
    open.reverse();
    assert_eq!(seen, open);
}

pub(crate) async fn the_newest_result_with_a_validator_is_found_by_its_words(
    back_end: &impl BackEnd,
) {
    let store = back_end.open(Settings::default()).await;
    let adds = (0..4).map(|id| add(id, get("urn:m/1/"))).collect();
    let mut open = with(&*store, adds).await;
    let words = get("urn:m/1/");
    assert_eq!(store.newest_result(&dev(1), &words).await.unwrap(), None);
    for (command, cv) in open.iter_mut().zip([Some("a"), Some("b"), None]) {
        command.state = CommandState::Answered;
        command.cv = cv.map(str::to_owned);
        command.result = Some("[]".into());
    }
    update(&*store, 2, &open[..3]).await.unwrap();
    let found = store.newest_result(&dev(1), &words).await.unwrap();
    assert_eq!(found.as_ref(), Some(&open[1]));
    for (device, words) in [(dev(1), get("urn:m/2/")), (dev(2), words)] {
        assert_eq!(store.newest_result(&device, &words).await.unwrap(), None);
    }
}

use omadm_mo::DevId;

use super::{BackEnd, START, Settings, dev, exchange, registration};
use crate::model::{
    Object, ObjectChange, ObjectContent, ObjectOwner, PIECE_OCTETS, Piece, RepositoryUse, UploadId,
};
use crate::store::{CommitError, Store};

fn upload(octet: u8) -> UploadId {
    UploadId::of([octet; 16])
}

fn piece(dev_id: &DevId, octet: u8, nr: u32, content: &[u8]) -> Piece {
    Piece {
        dev_id: dev_id.clone(),
        upload: upload(octet),
        nr,
        at: START.plus_secs(i64::from(octet)),
        content: content.to_vec(),
    }
}

/// An object of three pieces whose upload is complete; to be put in place by a delta.
pub(crate) async fn in_pieces(store: &dyn Store, dev_id: &DevId, path: &str, octet: u8) -> Object {
    let content = vec![octet; 2 * PIECE_OCTETS + 1000];
    for (nr, part) in (0..).zip(content.chunks(PIECE_OCTETS)) {
        let piece = piece(dev_id, octet, nr, part);
        store.put_piece(piece).await.unwrap();
    }
    let mut object = Object::whole(path, ObjectOwner::Operator, "a/b", content, START);
    object.content = ObjectContent::Pieces(upload(octet));
    object
}

async fn pieces_of(store: &dyn Store, octet: u8) -> Vec<u8> {
    let mut all = Vec::new();
    for nr in 0.. {
        match store.piece(&dev(1), &upload(octet), nr).await.unwrap() {
            Some(content) => all.extend(content),
            None => break,
        }
    }
    all
}

async fn put(store: &dyn Store, epoch: u64, change: ObjectChange) -> Result<(), CommitError> {
    let mut delta = exchange(&dev(1), epoch);
    delta.objects.push(change);
    store.commit(delta).await.map(drop)
}

pub(crate) async fn objects_are_stored_replaced_and_kept_apart(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    for number in [1, 2] {
        store.commit(registration(&dev(number))).await.unwrap();
    }
    let made = |path: &str, content: &[u8]| {
        let owner = ObjectOwner::Device;
        Object::whole(path, owner, "text/plain", content.to_vec(), START)
    };
    let put = |path: &str, content: &[u8]| ObjectChange::Put(made(path, content));
    let mut delta = exchange(&dev(1), 1);
    delta.objects = vec![
        put("log/b", b"one"),
        put("log/a", &[0, 255]),
        put("log/b", b"two"),
    ];
    store.commit(delta).await.unwrap();
    let mut delta = exchange(&dev(1), 2);
    delta.objects = vec![put("log/a", b"")];
    store.commit(delta).await.unwrap();
    let object = async |number, path| store.object(&dev(number), path).await.unwrap();
    assert_eq!(object(1, "log/b").await, Some(made("log/b", b"two")));
    assert_eq!(object(1, "log/a").await, Some(made("log/a", b"")));
    assert_eq!(object(1, "log").await, None);
    assert_eq!(object(2, "log/a").await, None);
    let page = async |number, after| store.objects(&dev(number), after, 1).await.unwrap();
    assert_eq!(page(1, None).await, [made("log/a", b"").head]);
    assert_eq!(page(1, Some("log/a")).await, [made("log/b", b"two").head]);
    assert_eq!(page(1, Some("log/b")).await, []);
    assert_eq!(page(2, None).await, []);
}

pub(crate) async fn an_object_of_an_earlier_version_has_its_etag_where_it_is_read(
    back_end: &impl BackEnd,
) {
    let store = back_end.open(Settings::default()).await;
    store.commit(registration(&dev(1))).await.unwrap();
    let fresh = Object::whole("a", ObjectOwner::Device, "a/b", b"content".to_vec(), START);
    let mut old = fresh.clone();
    old.head.etag = None;
    let change = ObjectChange::Put(old.clone());
    put(&*store, 1, change).await.unwrap();
    assert_eq!(store.object(&dev(1), "a").await.unwrap(), Some(fresh));
    let listed = store.objects(&dev(1), None, 10).await.unwrap();
    assert_eq!(listed, [old.head]);
}

pub(crate) async fn an_object_in_pieces_comes_back_and_its_pieces_go_with_it(
    back_end: &impl BackEnd,
) {
    let store = back_end.open(Settings::default()).await;
    store.commit(registration(&dev(1))).await.unwrap();
    for octet in [1, 2] {
        let large = in_pieces(&*store, &dev(1), "fw", octet).await;
        let change = ObjectChange::Put(large.clone());
        put(&*store, octet.into(), change).await.unwrap();
        assert_eq!(store.object(&dev(1), "fw").await.unwrap(), Some(large));
    }
    assert_eq!(pieces_of(&*store, 1).await, b"");
    assert_eq!(
        pieces_of(&*store, 2).await,
        vec![2; 2 * PIECE_OCTETS + 1000]
    );
    let other = store.piece(&dev(2), &upload(2), 0).await.unwrap();
    assert_eq!(other, None, "another device's");

    let small = Object::whole("fw", ObjectOwner::Operator, "a/b", vec![1], START);
    put(&*store, 3, ObjectChange::Put(small)).await.unwrap();
    assert_eq!(pieces_of(&*store, 2).await, b"");
    let large = in_pieces(&*store, &dev(1), "fw", 3).await;
    put(&*store, 4, ObjectChange::Put(large)).await.unwrap();
    let gone = || ObjectChange::Remove("fw".to_owned());
    put(&*store, 5, gone()).await.unwrap();
    assert_eq!(pieces_of(&*store, 3).await, b"");
    assert_eq!(store.object(&dev(1), "fw").await.unwrap(), None);
    put(&*store, 6, gone()).await.unwrap();
}

pub(crate) async fn pieces_without_an_object_are_swept_when_they_are_old(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    store.commit(registration(&dev(1))).await.unwrap();
    let large = in_pieces(&*store, &dev(1), "fw", 1).await;
    put(&*store, 1, ObjectChange::Put(large)).await.unwrap();
    for octet in [2, 3, 4] {
        in_pieces(&*store, &dev(1), "", octet).await;
    }
    store.sweep_uploads(START.plus_secs(3)).await.unwrap();
    store.give_up_upload(&dev(1), &upload(4)).await.unwrap();
    // One that became an object is none any more.
    store.give_up_upload(&dev(1), &upload(1)).await.unwrap();
    for (octet, kept) in [(1, true), (2, false), (3, true), (4, false)] {
        assert_eq!(pieces_of(&*store, octet).await.is_empty(), !kept, "{octet}");
    }
    let late = store.put_piece(piece(&dev(1), 2, 3, b"late")).await;
    assert!(
        matches!(late, Err(CommitError::Contradiction(_))),
        "{late:?}"
    );
    store.sweep_uploads(START.plus_secs(999)).await.unwrap();
    assert_eq!(pieces_of(&*store, 3).await, b"");
    assert!(!pieces_of(&*store, 1).await.is_empty());
}

pub(crate) async fn an_upload_that_is_not_whole_becomes_no_object(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    store.commit(registration(&dev(1))).await.unwrap();
    let before = in_pieces(&*store, &dev(1), "fw", 1).await;
    put(&*store, 1, ObjectChange::Put(before.clone()))
        .await
        .unwrap();
    let mut torn = in_pieces(&*store, &dev(1), "fw", 2).await;
    torn.head.octets += 1;
    let unknown = Object {
        content: ObjectContent::Pieces(upload(9)),
        ..torn.clone()
    };
    for object in [torn, unknown] {
        let refused = put(&*store, 2, ObjectChange::Put(object)).await;
        assert!(
            matches!(refused, Err(CommitError::Contradiction(_))),
            "{refused:?}"
        );
    }
    assert_eq!(store.object(&dev(1), "fw").await.unwrap(), Some(before));
    assert!(!pieces_of(&*store, 1).await.is_empty());
}

pub(crate) async fn objects_count_by_their_owner(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    store.commit(registration(&dev(1))).await.unwrap();
    let mut delta = exchange(&dev(1), 1);
    for (path, owner, octets) in [
        ("a", ObjectOwner::Device, 3),
        ("b", ObjectOwner::Device, 4),
        ("c", ObjectOwner::Operator, 5),
    ] {
        let object = Object::whole(path, owner, "a/b", vec![0; octets], START);
        delta.objects.push(ObjectChange::Put(object));
    }
    store.commit(delta).await.unwrap();
    let used = async |number, owner| store.repository_use(&dev(number), owner).await.unwrap();
    let usage = |objects, octets| RepositoryUse { objects, octets };
    assert_eq!(used(1, ObjectOwner::Device).await, usage(2, 7));
    assert_eq!(used(1, ObjectOwner::Operator).await, usage(1, 5));
    assert_eq!(used(2, ObjectOwner::Device).await, usage(0, 0));
}

pub(crate) async fn a_piece_may_come_twice(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    store.commit(registration(&dev(1))).await.unwrap();
    for content in [b"first", b"again"] {
        for nr in [0, 1] {
            let piece = piece(&dev(1), 1, nr, content);
            store.put_piece(piece).await.unwrap();
        }
    }
    assert_eq!(pieces_of(&*store, 1).await, b"againagain");
}

//! Pieces of large objects on their way into the data repository: their statements.

use omadm_bootstrap::Utc;
use omadm_mo::DevId;

use super::CommitError;
use super::statements::{Statement, Value};
use crate::model::{Piece, UploadId};

/// The statements that make a piece durable. They may be carried out again.
pub(super) fn of_piece(piece: Piece) -> Vec<Statement<'static>> {
    let upload = |at: i64| {
        let (dev_id, upload) = names(&piece.dev_id, &piece.upload);
        vec![dev_id, upload, Value::Number(at)]
    };
    let noted = if piece.nr == 0 {
        Statement::new(
            "INSERT INTO uploads (dev_id, upload, at) VALUES (?1, ?2, ?3) ON CONFLICT (dev_id, upload) DO UPDATE SET at = excluded.at",
            upload(piece.at.0),
        )
    } else {
        Statement::new(
            "UPDATE uploads SET at = ?3 WHERE dev_id = ?1 AND upload = ?2",
            upload(piece.at.0),
        )
        .or(CommitError::Contradiction(
            "the upload was given up meanwhile",
        ))
    };
    let mut values = upload(piece.nr.into());
    values.push(Value::Octets(piece.content.into()));
    let kept = Statement::new(
        "INSERT INTO pieces (dev_id, upload, nr, content) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (dev_id, upload, nr) DO UPDATE SET content = excluded.content",
        values,
    );
    vec![noted, kept]
}

/// The statements that give an upload up, unless it became an object. They may be carried out again.
pub(super) fn of_upload_given_up(dev_id: &DevId, upload: &UploadId) -> Vec<Statement<'static>> {
    let values = || {
        let (dev_id, upload) = names(dev_id, upload);
        vec![dev_id, upload]
    };
    [
        "UPDATE uploads SET at = at WHERE dev_id = ?1 AND upload = ?2",
        "DELETE FROM pieces WHERE (dev_id, upload) IN (SELECT dev_id, upload FROM uploads WHERE dev_id = ?1 AND upload = ?2)",
        "DELETE FROM uploads WHERE dev_id = ?1 AND upload = ?2",
    ]
    .map(|sql| Statement::new(sql, values()))
    .into()
}

/// The statements that give up each upload of which nothing came since. They may be carried out again.
pub(super) fn of_sweep(since: Utc) -> Vec<Statement<'static>> {
    [
        "UPDATE uploads SET at = at WHERE at < ?1",
        "DELETE FROM pieces WHERE (dev_id, upload) IN (SELECT dev_id, upload FROM uploads WHERE at < ?1)",
        "DELETE FROM uploads WHERE at < ?1",
    ]
    .map(|sql| Statement::new(sql, vec![Value::Number(since.0)]))
    .into()
}

fn names(dev_id: &DevId, upload: &UploadId) -> (Value<'static>, Value<'static>) {
    let text = |text: &str| Value::Text(text.to_owned().into());
    (text(dev_id.as_str()), text(upload.as_str()))
}

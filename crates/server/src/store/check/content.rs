//! What a store holds, and whether it agrees with itself.

use super::{Content, Finding, Severity, TableRows};
use crate::store::StoreError;
use crate::store::copy::is_unfinished;
use crate::store::copy::side::{Side, count, number, text_of};
use crate::store::copy::table::{DEPLOYMENT, TABLES};
use crate::store::statements::Value;

/// A rule, and the SELECT that gives the device (or else) of each row that breaks it.
struct Rule {
    broken: &'static str,
    found: &'static str,
}

const RULES: [Rule; 18] = [
    Rule {
        broken: "devices whose events are not numbered without gap up to next_event_seq",
        found: "SELECT d.dev_id AS who FROM devices AS d
                LEFT JOIN (SELECT dev_id, COUNT(*) AS n, MIN(seq) AS first, MAX(seq) AS last FROM events GROUP BY dev_id) AS e ON e.dev_id = d.dev_id
                WHERE COALESCE(e.first, 1) <> 1 OR COALESCE(e.n, 0) <> COALESCE(e.last, 0) OR d.next_event_seq <> COALESCE(e.last, 0) + 1",
    },
    Rule {
        broken: "gaps in the events of no device",
        found: "SELECT 'nobody' AS who FROM sequencer AS s, (SELECT COUNT(*) AS n, COALESCE(MAX(seq), 0) AS last FROM events WHERE dev_id = '') AS e
                WHERE e.n <> e.last OR s.next_seq <> e.last + 1",
    },
    Rule {
        broken: "events whose device is unknown",
        found: "SELECT e.dev_id AS who FROM events AS e LEFT JOIN devices AS d ON d.dev_id = e.dev_id WHERE e.dev_id <> '' AND d.dev_id IS NULL",
    },
    Rule {
        broken: "positions that two events have",
        found: "SELECT MIN(dev_id) AS who FROM events WHERE position IS NOT NULL GROUP BY position HAVING COUNT(*) > 1",
    },
    Rule {
        broken: "events with a position that was not given yet",
        found: "SELECT e.dev_id AS who FROM events AS e, sequencer AS s WHERE e.position >= s.next_position OR e.position < 1",
    },
    Rule {
        broken: "events whose positions run against their numbers",
        found: "SELECT a.dev_id AS who FROM events AS a JOIN events AS b ON b.dev_id = a.dev_id AND b.seq = a.seq + 1
                WHERE b.position <= a.position OR (a.position IS NULL AND b.position IS NOT NULL)",
    },
    Rule {
        broken: "rows whose device is unknown",
        found: "SELECT t.dev_id AS who FROM (SELECT dev_id FROM bootstraps UNION SELECT dev_id FROM bootstrap_ids UNION SELECT dev_id FROM documents
                    UNION SELECT dev_id FROM credentials UNION SELECT dev_id FROM certificates UNION SELECT dev_id FROM sessions UNION SELECT dev_id FROM commands
                    UNION SELECT dev_id FROM objects UNION SELECT dev_id FROM pieces UNION SELECT dev_id FROM uploads UNION SELECT dev_id FROM triggers
                    UNION SELECT dev_id FROM awaited_receipts UNION SELECT dev_id FROM calls UNION SELECT dev_id FROM failed_creds) AS t
                LEFT JOIN devices AS d ON d.dev_id = t.dev_id WHERE d.dev_id IS NULL",
    },
    Rule {
        broken: "devices whose open_commands is not the number of their open commands",
        found: "SELECT d.dev_id AS who FROM devices AS d
                LEFT JOIN (SELECT dev_id, COUNT(*) AS n FROM commands WHERE state IN ('queued', 'sent', 'held') GROUP BY dev_id) AS c
                    ON c.dev_id = d.dev_id WHERE d.open_commands <> COALESCE(c.n, 0)",
    },
    Rule {
        broken: "bootstraps without their document or their id's entry",
        found: "SELECT b.dev_id AS who FROM bootstraps AS b LEFT JOIN documents AS t ON t.dev_id = b.dev_id AND t.id = b.id
                    LEFT JOIN bootstrap_ids AS i ON i.id = b.id AND i.dev_id = b.dev_id WHERE t.id IS NULL OR i.id IS NULL",
    },
    Rule {
        broken: "documents or ids without their bootstrap",
        found: "SELECT t.dev_id AS who FROM (SELECT dev_id, id FROM documents UNION SELECT dev_id, id FROM bootstrap_ids) AS t
                LEFT JOIN bootstraps AS b ON b.dev_id = t.dev_id AND b.id = t.id WHERE b.id IS NULL",
    },
    Rule {
        broken: "triggers whose bootstrap is not their device's",
        found: "SELECT t.dev_id AS who FROM triggers AS t LEFT JOIN bootstraps AS b ON b.dev_id = t.dev_id AND b.id = t.record WHERE b.id IS NULL",
    },
    Rule {
        broken: "waiting devices that belong to a device",
        found: "SELECT claimed AS who FROM waiting_devices WHERE dev_id <> ''",
    },
    Rule {
        broken: "entries of the allow-list that belong to a device, or stand in the wrong place",
        found: "SELECT pattern AS who FROM allow_list WHERE dev_id <> '' OR wild <> (CASE WHEN pattern LIKE '%*%' THEN 1 ELSE 0 END)",
    },
    Rule {
        broken: "objects whose pieces are not all there",
        found: "SELECT o.dev_id AS who FROM objects AS o
                LEFT JOIN (SELECT dev_id, upload, COUNT(*) AS n, MAX(nr) AS last, SUM(LENGTH(content)) AS octets FROM pieces GROUP BY dev_id, upload) AS p
                    ON p.dev_id = o.dev_id AND p.upload = o.upload
                WHERE o.upload IS NOT NULL AND (p.n IS NULL OR p.n <> p.last + 1 OR p.octets <> o.octets)",
    },
    Rule {
        broken: "pieces that belong to no object and no upload under way",
        found: "SELECT p.dev_id AS who FROM pieces AS p LEFT JOIN uploads AS u ON u.dev_id = p.dev_id AND u.upload = p.upload
                    LEFT JOIN objects AS o ON o.dev_id = p.dev_id AND o.upload = p.upload
                WHERE u.upload IS NULL AND o.upload IS NULL",
    },
    Rule {
        broken: "certificates that lead to no credential",
        found: "SELECT t.dev_id AS who FROM certificates AS t LEFT JOIN credentials AS c ON c.dev_id = t.dev_id AND c.proof = t.fingerprint
                WHERE c.proof IS NULL",
    },
    Rule {
        broken: "credentials that no certificate, PSK identity, HTTP user or account name leads to",
        found: "SELECT c.dev_id AS who FROM credentials AS c LEFT JOIN certificates AS t ON t.fingerprint = c.proof AND t.dev_id = c.dev_id
                WHERE c.kind NOT IN ('bootstrap-code', 'notification') AND t.fingerprint IS NULL",
    },
    Rule {
        broken: "PSKs, HTTP passwords, Notification secrets and DM 1.x accounts without their secret",
        found: "SELECT dev_id AS who FROM credentials WHERE kind IN ('psk', 'http-user', 'notification', 'dm1-account') AND sealed IS NULL",
    },
];

/// Reads the store in one snapshot.
pub(super) fn read(side: &mut dyn Side) -> Result<(Content, Vec<Finding>), StoreError> {
    side.begin_snapshot()?;
    let read = read_snapshot(side);
    side.roll_back();
    read
}

fn read_snapshot(side: &mut dyn Side) -> Result<(Content, Vec<Finding>), StoreError> {
    let mut tables = Vec::new();
    for table in TABLES.iter().map(|table| table.name) {
        let rows = count(side, &format!("SELECT COUNT(*) FROM {table}"))?;
        tables.push(TableRows { table, rows });
    }
    let deployment = side.rows(&DEPLOYMENT.select(), &[])?.pop();
    let lag = "SELECT next_position - 1, (SELECT COUNT(*) FROM events WHERE position IS NULL), (SELECT MIN(at) FROM events WHERE position IS NULL)
         FROM sequencer WHERE id = 1";
    let lag = side.rows(lag, &[])?.pop().unwrap_or_default();
    let lease = side.lease()?;
    let mut findings = Vec::new();
    if deployment.as_ref().is_some_and(is_unfinished) {
        findings.push(Finding {
            severity: Severity::Wrong,
            what: "a copy into this store was not finished".to_owned(),
            remedy: "start omadm store copy again with the same addresses".to_owned(),
        });
    }
    for rule in &RULES {
        findings.extend(judge(side, rule)?);
    }
    let content = Content {
        tables,
        deployment_ca: deployment.as_ref().map(|row| text_of(row, 1).to_owned()),
        sealing_key: deployment.as_ref().map(|row| text_of(row, 2).to_owned()),
        position: number(&lag, 0),
        waiting: number(&lag, 1),
        waiting_since: match lag.get(2) {
            Some(Value::Number(at)) => Some(*at),
            _ => None,
        },
        lease_until: lease.as_ref().map(|(_, until)| *until),
        sequencer: lease.map(|(holder, _)| holder),
    };
    Ok((content, findings))
}

fn judge(side: &mut dyn Side, rule: &Rule) -> Result<Option<Finding>, StoreError> {
    let sql = format!("SELECT COUNT(*), MIN(bad.who) FROM ({}) AS bad", rule.found);
    let rows = side.rows(&sql, &[])?;
    let found = rows.first().map_or(0, |row| number(row, 0));
    Ok((found > 0).then(|| Finding {
        severity: Severity::Wrong,
        what: format!(
            "{}: {found}, the first {}",
            rule.broken,
            rows.first().map_or("", |row| text_of(row, 1))
        ),
        remedy: "stop the servers, keep the store as it is, and go back to a backup".to_owned(),
    }))
}

//! One end of a copy: a connection that reads and writes untyped rows, whichever back end it speaks to.

use std::cmp::Ordering;
use std::collections::VecDeque;

use super::table::Table;
use crate::store::StoreError;
use crate::store::statements::Value;

/// A row as it stands in the store.
pub(in crate::store) type Row = Vec<Value<'static>>;

/// A connection to a store. All calls block.
pub(in crate::store) trait Side: Send {
    /// The store, as the operator knows it; without a password.
    fn name(&self) -> &str;

    /// The rows of a SELECT. Parameters are `?1`, `?2`, …
    fn rows(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError>;

    /// Carries out a statement once for each row of parameters.
    fn execute(&mut self, sql: &str, rows: &[Row]) -> Result<(), StoreError>;

    /// Begins a transaction that reads one state of the store, whatever others write.
    fn begin_snapshot(&mut self) -> Result<(), StoreError>;

    /// Begins a transaction that writes.
    fn begin_write(&mut self) -> Result<(), StoreError>;

    /// Ends the transaction; what it wrote is durable then.
    fn commit(&mut self) -> Result<(), StoreError>;

    /// Gives the transaction up. A connection that is gone did that by itself.
    fn roll_back(&mut self);

    /// Who gives positions on the store now, other than this process; until commit nobody else can begin to.
    fn living_holder(&mut self) -> Result<Option<String>, StoreError>;

    /// Who gives positions on the store now, and until when (milliseconds since 1970); none where one process owns it, or nobody does.
    fn lease(&mut self) -> Result<Option<(String, i64)>, StoreError>;

    /// Lets the planner know how much was written.
    fn analyze(&mut self) -> Result<(), StoreError>;
}

/// A text as a parameter.
pub(in crate::store) fn text(text: &str) -> Value<'static> {
    Value::Text(text.to_owned().into())
}

/// A count or number in a column that this program always fills.
pub(in crate::store) fn number(row: &Row, at: usize) -> i64 {
    match row.get(at) {
        Some(Value::Number(number)) => *number,
        _ => 0,
    }
}

/// A text in a column that this program always fills.
pub(in crate::store) fn text_of(row: &Row, at: usize) -> &str {
    match row.get(at) {
        Some(Value::Text(text)) => text,
        _ => "",
    }
}

/// The only row and column of a SELECT.
pub(in crate::store) fn count(side: &mut dyn Side, sql: &str) -> Result<u64, StoreError> {
    let rows = side.rows(sql, &[])?;
    Ok(rows.first().map_or(0, |row| number(row, 0)).unsigned_abs())
}

/// The rows of some devices in the order of the key, a chunk in memory at a time.
pub(in crate::store) struct Cursor<'a> {
    table: &'a Table,
    range: [Value<'static>; 2],
    waiting: VecDeque<Row>,
    after: Option<Vec<Value<'static>>>,
    ended: bool,
}

impl<'a> Cursor<'a> {
    /// Rows of the devices `first` to `last`, both included.
    pub(in crate::store) fn new(table: &'a Table, first: &str, last: &str) -> Self {
        Self {
            table,
            range: [text(first), text(last)],
            waiting: VecDeque::new(),
            after: None,
            ended: false,
        }
    }

    /// The next row.
    pub(in crate::store) fn next(
        &mut self,
        side: &mut dyn Side,
    ) -> Result<Option<Row>, StoreError> {
        if self.waiting.is_empty() {
            self.waiting = self.chunk(side)?.into();
        }
        Ok(self.waiting.pop_front())
    }

    /// The next rows; none at the end.
    pub(in crate::store) fn chunk(&mut self, side: &mut dyn Side) -> Result<Vec<Row>, StoreError> {
        if self.ended {
            return Ok(vec![]);
        }
        let mut values = self.range.to_vec();
        values.extend(self.after.iter().flatten().cloned());
        let rows = side.rows(&self.table.select(self.after.is_some()), &values)?;
        self.ended = rows.len() < self.table.chunk;
        if let Some(last) = rows.last() {
            self.after = Some(self.table.key.iter().map(|&at| last[at].clone()).collect());
        }
        Ok(rows)
    }
}

/// The order of rows of a table by their key, as both back ends sort.
pub(in crate::store) fn by_key(table: &Table, one: &Row, other: &Row) -> Ordering {
    let columns = table.key.iter().map(|&at| order(&one[at], &other[at]));
    columns.fold(Ordering::Equal, Ordering::then)
}

fn order(one: &Value<'_>, other: &Value<'_>) -> Ordering {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.cmp(other),
        (Value::Text(one), Value::Text(other)) => one.as_bytes().cmp(other.as_bytes()),
        (Value::Octets(one), Value::Octets(other)) => one.cmp(other),
        _ => rank(one).cmp(&rank(other)),
    }
}

/// Which kind of value it is: told apart in a checksum, and in the order of columns that should be of one kind.
pub(in crate::store) const fn rank(value: &Value<'_>) -> u8 {
    match value {
        Value::Null => 0,
        Value::Number(_) => 1,
        Value::Text(_) => 2,
        Value::Octets(_) => 3,
    }
}

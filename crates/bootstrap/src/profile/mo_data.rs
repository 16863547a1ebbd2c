use omadm_mo::ddf::{Ddf, DdfNode};
use omadm_mo::{Children, Format, Node, NodeName, NodePath, Value};

/// A node of `[mo.data]` that does not fit the DDF. The profile's author is at fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{path}: {problem}")]
pub(super) struct MoDataError {
    pub(super) path: NodePath,
    pub(super) problem: String,
}

/// Gives the nodes of a profile's table the formats of the DDF; texts go through `fill`.
pub(super) fn bind(
    data: &toml::Table,
    ddf: &Ddf,
    fill: &dyn Fn(&str) -> String,
) -> Result<Node, MoDataError> {
    interior(data, ddf.root(), &NodePath::root(), fill)
}

fn interior(
    table: &toml::Table,
    described: &DdfNode,
    at: &NodePath,
    fill: &dyn Fn(&str) -> String,
) -> Result<Node, MoDataError> {
    let mut children = Children::new();
    for (key, value) in table {
        let wrong = |path: &NodePath, problem: String| MoDataError {
            path: path.clone(),
            problem,
        };
        let name = NodeName::parse(key).map_err(|error| wrong(at, error.to_string()))?;
        let path = at.child(name.clone());
        let Some(below) = described.child(&name) else {
            return Err(wrong(
                &path,
                "the DDF describes no node of this name".to_owned(),
            ));
        };
        let node = match (below.format(), value) {
            (Format::Node, toml::Value::Table(table)) => interior(table, below, &path, fill)?,
            (Format::Node, other) => {
                return Err(wrong(
                    &path,
                    format!("is an interior node, not {}", other.type_str()),
                ));
            }
            (format, value) => match leaf(format, value, fill) {
                Some(value) => Node::Leaf(value),
                None => {
                    return Err(wrong(
                        &path,
                        format!("{} is no value of format {format}", value.type_str()),
                    ));
                }
            },
        };
        children.insert(name, node);
    }
    Ok(Node::Interior(children))
}

fn leaf(format: Format, value: &toml::Value, fill: &dyn Fn(&str) -> String) -> Option<Value> {
    match (format, value) {
        (Format::Int, toml::Value::Integer(number)) => Some(Value::Int(*number)),
        (Format::Float, toml::Value::Float(number)) => Some(Value::Float(*number)),
        (Format::Bool, toml::Value::Boolean(truth)) => Some(Value::Bool(*truth)),
        (format, toml::Value::String(text)) => Value::from_text(format, &fill(text)).ok(),
        _ => None,
    }
}

use omadm_mo::ddf::{Ddf, DdfNode};
use omadm_mo::{Children, Format, Node, NodeName, NodePath, Value};

use super::placeholder::UnknownPlaceholder;

/// What is wrong with a node of `[mo.data]`. Values are never repeated: they may be secrets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MoDataProblem {
    /// The key cannot name a node.
    #[error("the key cannot be the name of a node")]
    Name,
    /// Neither described by the DDF nor below an `Ext`.
    #[error("the DDF describes no node of this name")]
    Unknown,
    /// The value has another format than the node.
    #[error("a TOML {found} is no value of format {expected}")]
    Format {
        /// The format of the node.
        expected: Format,
        /// TOML's name for the type of the value.
        found: &'static str,
    },
    /// A TOML type that no format of a node matches, below an `Ext`.
    #[error("a TOML {found} is no value of any format")]
    NoFormat {
        /// TOML's name for the type of the value.
        found: &'static str,
    },
    /// The text names a placeholder that there is not.
    #[error("the text has a placeholder other than {{dev_id}} and {{server}}")]
    Placeholder,
}

/// A node of `[mo.data]` that cannot be delivered. The profile's author is at fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct MoDataError {
    pub(super) path: NodePath,
    pub(super) problem: MoDataProblem,
}

/// A table as nodes, and those of them that devices skip because the DDF does not describe them.
pub(super) struct Bound {
    pub(super) node: Node,
    pub(super) undescribed: Vec<NodePath>,
}

/// Puts the device and the server into a text.
type Fill<'a> = &'a dyn Fn(&str) -> Result<String, UnknownPlaceholder>;

/// Gives the nodes of a profile's table the formats of the DDF, and those of an `Ext` that it does not describe the formats their TOML types suggest.
pub(super) fn bind(data: &toml::Table, ddf: &Ddf, fill: Fill<'_>) -> Result<Bound, MoDataError> {
    let mut undescribed = Vec::new();
    let node = interior(
        data,
        Some(ddf.root()),
        &NodePath::root(),
        fill,
        &mut undescribed,
    )?;
    Ok(Bound { node, undescribed })
}

fn interior(
    table: &toml::Table,
    described: Option<&DdfNode>,
    at: &NodePath,
    fill: Fill<'_>,
    undescribed: &mut Vec<NodePath>,
) -> Result<Node, MoDataError> {
    let mut children = Children::new();
    for (key, value) in table {
        let Ok(name) = NodeName::parse(key) else {
            return Err(MoDataError {
                path: at.clone(),
                problem: MoDataProblem::Name,
            });
        };
        let path = at.child(name.clone());
        let wrong = |problem| MoDataError {
            path: path.clone(),
            problem,
        };
        let below = described.and_then(|node| node.child(&name));
        if let (None, Some(parent)) = (below, described) {
            if !parent.is_open() {
                return Err(wrong(MoDataProblem::Unknown));
            }
            undescribed.push(path.clone());
        }
        let format = below.map_or_else(|| suggested(value), |node| Ok(node.format()));
        let format = format.map_err(wrong)?;
        let node = match (format, value) {
            (Format::Node, toml::Value::Table(table)) => {
                interior(table, below, &path, fill, undescribed)?
            }
            (format, value) => Node::Leaf(leaf(format, value, fill).map_err(wrong)?),
        };
        children.insert(name, node);
    }
    Ok(Node::Interior(children))
}

fn leaf(format: Format, value: &toml::Value, fill: Fill<'_>) -> Result<Value, MoDataProblem> {
    let misfit = MoDataProblem::Format {
        expected: format,
        found: value.type_str(),
    };
    match (format, value) {
        (Format::Int, toml::Value::Integer(number)) => Ok(Value::Int(*number)),
        (Format::Float, toml::Value::Float(number)) => Ok(Value::Float(*number)),
        (Format::Bool, toml::Value::Boolean(truth)) => Ok(Value::Bool(*truth)),
        (format, toml::Value::String(text)) => {
            let text = fill(text).map_err(|_| MoDataProblem::Placeholder)?;
            Value::from_text(format, &text).map_err(|_| misfit)
        }
        _ => Err(misfit),
    }
}

/// The format of a node that no DDF describes.
fn suggested(value: &toml::Value) -> Result<Format, MoDataProblem> {
    match value {
        toml::Value::String(_) => Ok(Format::Chr),
        toml::Value::Integer(_) => Ok(Format::Int),
        toml::Value::Float(_) => Ok(Format::Float),
        toml::Value::Boolean(_) => Ok(Format::Bool),
        toml::Value::Table(_) => Ok(Format::Node),
        toml::Value::Datetime(_) | toml::Value::Array(_) => Err(MoDataProblem::NoFormat {
            found: value.type_str(),
        }),
    }
}

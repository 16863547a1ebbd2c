use std::fmt;

use super::MoItem;
use crate::ddf::{Ddf, DdfNode};
use crate::json::Json;
use crate::{Children, Format, Node, NodeName, NodeNameError, NodePath, Value};

/// An item's data in the formats of its DDF.
#[derive(Clone, PartialEq, Debug)]
pub struct Bound {
    /// The node the item addresses, with all below it.
    pub node: Node,
    /// Nodes below an `Ext` that the DDF does not describe; they were left out (`dm20.md` §14.6.1 step 4).
    pub skipped: Vec<NodePath>,
}

/// Why data does not fit its DDF, and at which node. The document's author is at fault; DM status 400.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}: {problem}", Place(at))]
pub struct BindError {
    /// The node, from the instance's root.
    pub at: NodePath,
    /// What is wrong with it.
    pub problem: BindProblem,
}

/// The ways data can fail to fit a DDF (D32, D33, D87).
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BindProblem {
    /// `MOData` is neither wrapped in one member nor made of known children.
    #[error("MOData has to hold one member with the node's name, or the node's children")]
    Wrapper,
    /// The item addresses a node its DDF does not have.
    #[error("the DDF describes no node of this name")]
    Unknown,
    /// Not a node name.
    #[error("no node name: {0}")]
    Name(#[from] NodeNameError),
    /// The value does not fit the node's format.
    #[error("has format {format}, which {found} does not fit")]
    Format {
        /// The node's format.
        format: Format,
        /// What stands there.
        found: &'static str,
    },
}

impl MoItem {
    /// Gives the data the formats of its DDF. `at` is the addressed node, `name` the name its wrapper would have (D33 a, b).
    ///
    /// # Errors
    /// [`BindError`] naming the first node that does not fit.
    pub fn bind(&self, ddf: &Ddf, at: &NodePath, name: &str) -> Result<Bound, BindError> {
        let Some(described) = ddf.node(at) else {
            return Err(BindError {
                at: at.clone(),
                problem: BindProblem::Unknown,
            });
        };
        let content = unwrap(&self.data, described, name).ok_or_else(|| BindError {
            at: at.clone(),
            problem: BindProblem::Wrapper,
        })?;
        let mut skipped = Vec::new();
        let node = bind_node(content, described, at, &mut skipped)?;
        Ok(Bound { node, skipped })
    }
}

/// D33 (c), in this order: a member with the expected name; all members known children; one member of any name holding an object.
fn unwrap<'a>(data: &'a Json, described: &DdfNode, name: &str) -> Option<&'a Json> {
    let members = data.as_object()?;
    if let [(only, value)] = members
        && only == name
    {
        return Some(value);
    }
    let is_known =
        |name: &str| NodeName::parse(name).is_ok_and(|name| described.child(&name).is_some());
    if described.format() == Format::Node && members.iter().all(|(name, _)| is_known(name)) {
        return Some(data);
    }
    match members {
        [(_, value)] if value.as_object().is_some() => Some(value),
        _ => None,
    }
}

fn bind_node(
    json: &Json,
    described: &DdfNode,
    at: &NodePath,
    skipped: &mut Vec<NodePath>,
) -> Result<Node, BindError> {
    let wrong = |problem| BindError {
        at: at.clone(),
        problem,
    };
    if described.format() != Format::Node {
        return read_value(json, described.format())
            .map(Node::Leaf)
            .ok_or_else(|| {
                wrong(BindProblem::Format {
                    format: described.format(),
                    found: json.kind(),
                })
            });
    }
    let members = json.as_object().ok_or_else(|| {
        wrong(BindProblem::Format {
            format: Format::Node,
            found: json.kind(),
        })
    })?;
    let mut children = Children::new();
    for (name, value) in members {
        let name = NodeName::parse(name).map_err(|error| wrong(error.into()))?;
        let place = at.child(name.clone());
        match described.child(&name) {
            Some(child) => {
                children.insert(name, bind_node(value, child, &place, skipped)?);
            }
            None if described.is_open() => skipped.push(place),
            None => {
                return Err(BindError {
                    at: place,
                    problem: BindProblem::Unknown,
                });
            }
        }
    }
    Ok(Node::Interior(children))
}

/// D32: the JSON type that is written for the format, and the text forms that are also accepted.
fn read_value(json: &Json, format: Format) -> Option<Value> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a float leaf holds what a double holds"
    )]
    match (format, json) {
        (Format::Int, Json::Int(number)) => Some(Value::Int(*number)),
        (Format::Float, Json::Int(number)) => Some(Value::Float(*number as f64)),
        (Format::Float, Json::Float(number)) => Some(Value::Float(*number)),
        (Format::Bool, Json::Bool(truth)) => Some(Value::Bool(*truth)),
        (Format::Null, Json::Null) => Some(Value::Null),
        (_, Json::Text(text)) => Value::from_text(format, text).ok(),
        _ => None,
    }
}

struct Place<'a>(&'a NodePath);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_root() {
            f.write_str("the root")
        } else {
            write!(f, "{}", self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::BindProblem;
    use crate::json::{Json, JsonLimits};
    use crate::serialization::MoItem;
    use crate::standard::MoRegistry;
    use crate::{Format, Moid, NodePath, Value};

    fn bind(
        moid: &str,
        data: &str,
        at: &str,
        name: &str,
    ) -> Result<super::Bound, super::BindError> {
        let registry = MoRegistry::standard();
        let text = format!(r#"{{"MOData":{data}}}"#);
        let item = &MoItem::read_all(&Json::read(text.as_bytes(), JsonLimits::default()).unwrap())
            .unwrap()[0];
        item.bind(
            registry.get(&Moid::parse(moid).unwrap()).unwrap(),
            &NodePath::of(at).unwrap(),
            name,
        )
    }

    const ACC: &str = "urn:oma:mo:oma-dm-dmacc:1.2";

    #[test]
    fn the_wrapper_may_have_the_root_name_another_name_or_be_missing_d33() {
        let expected = bind(ACC, r#"{"DMAcc":{"SrvID":"a","Name":"b"}}"#, "", "DMAcc").unwrap();
        assert_eq!(
            bind(ACC, r#"{"SrvID":"a","Name":"b"}"#, "", "DMAcc").unwrap(),
            expected
        );
        assert_eq!(
            bind(ACC, r#"{"Other":{"SrvID":"a","Name":"b"}}"#, "", "DMAcc").unwrap(),
            expected
        );
        let error = bind(ACC, r#"{"SrvID":"a","Unheard":"b"}"#, "", "DMAcc").unwrap_err();
        assert_eq!(error.problem, BindProblem::Wrapper);
    }

    #[test]
    fn values_are_read_in_each_form_d32_accepts() {
        let noti = bind(
            ACC,
            r#"{"Noti":{"Type":"1","Data":"CgsMDQ==","Secret":"czNjcjN0LW5vdGk"}}"#,
            "Auth/Noti",
            "Noti",
        )
        .unwrap();
        assert_eq!(
            noti.node.find(&["Type"]).and_then(|n| n.value()),
            Some(&Value::Int(1))
        );
        assert_eq!(
            noti.node.find(&["Secret"]).and_then(|n| n.value()),
            Some(&Value::bin(*b"s3cr3t-noti"))
        );
        let leaf = bind(ACC, r#"{"Name":"x"}"#, "Name", "Name").unwrap();
        assert_eq!(leaf.node.value(), Some(&Value::chr("x")));
    }

    #[test]
    fn an_unknown_node_is_refused_outside_ext_and_skipped_below_it_d87() {
        let error = bind(
            ACC,
            r#"{"DMAcc":{"Auth":{"Trsp":{"Dada":"AA=="}}}}"#,
            "",
            "DMAcc",
        )
        .unwrap_err();
        assert_eq!(
            (error.at.to_string().as_str(), &error.problem),
            ("Auth/Trsp/Dada", &BindProblem::Unknown)
        );
        let bound = bind(ACC, r#"{"DMAcc":{"Ext":{"Acme":{"x":[1]}}}}"#, "", "DMAcc").unwrap();
        assert_eq!(bound.skipped, [NodePath::of("Ext/Acme").unwrap()]);
    }

    #[test]
    fn a_value_of_another_format_is_refused_with_its_place() {
        for (data, at, format) in [
            (r#"{"DMAcc":{"Name":7}}"#, "Name", Format::Chr),
            (r#"{"DMAcc":{"Auth":"x"}}"#, "Auth", Format::Node),
            (
                r#"{"DMAcc":{"Auth":{"Noti":{"Type":1.5}}}}"#,
                "Auth/Noti/Type",
                Format::Int,
            ),
            (
                r#"{"DMAcc":{"Auth":{"Trsp":{"Data":"*"}}}}"#,
                "Auth/Trsp/Data",
                Format::Bin,
            ),
            (
                r#"{"DMAcc":{"Auth":{"Trsp":[]}}}"#,
                "Auth/Trsp",
                Format::Node,
            ),
        ] {
            let error = bind(ACC, data, "", "DMAcc").unwrap_err();
            assert_eq!(error.at.to_string(), at);
            assert!(
                matches!(error.problem, BindProblem::Format { format: f, .. } if f == format),
                "{error}"
            );
        }
    }
}

use crate::ddf::{
    AccessTypes, Ddf, DdfError, DdfFault, DdfNode, DdfTolerance, MAX_NODES, MAX_OCTETS,
    MAX_WARNINGS, Occurrence, Scope,
};
use crate::{Format, MoidError, NodeName, NodePath};

const NODE: &str =
    "<DFProperties><AccessType><Get/></AccessType><DFFormat><node/></DFFormat></DFProperties>";
const LEAF: &str =
    "<DFProperties><AccessType><Get/></AccessType><DFFormat><chr/></DFFormat></DFProperties>";

fn tree(inner: &str) -> String {
    format!(
        "<MgmtTree><VerDTD>1.3</VerDTD><Node><NodeName>R</NodeName>{NODE}{inner}</Node></MgmtTree>"
    )
}

fn read(inner: &str) -> Result<Ddf, DdfError> {
    Ddf::read(&tree(inner))
}

fn fault(xml: &str) -> DdfFault {
    Ddf::read(xml).unwrap_err().fault
}

fn first(ddf: &Ddf) -> &DdfNode {
    &ddf.root().children()[0]
}

fn tolerated(ddf: &Ddf) -> Vec<DdfTolerance> {
    let all = ddf
        .warnings()
        .iter()
        .map(|warning| warning.tolerance.clone());
    all.filter(|tolerance| *tolerance != DdfTolerance::NoMoid)
        .collect()
}

#[test]
fn every_element_of_the_standard_is_read() {
    let ddf = read(
        "<Node><NodeName>L</NodeName><Path>/a</Path><RTProperties><Format><b64/></Format><Name>Other</Name></RTProperties>\
         <DFProperties><AccessType><Add/><Copy/><Delete/><Exec/><Get/><Replace/></AccessType><DefaultValue> 5 </DefaultValue>\
         <Description>a &lt;b&gt; &#65;<![CDATA[&c;]]></Description><DFFormat><int/></DFFormat><Occurrence><ZeroOrN>3</ZeroOrN></Occurrence>\
         <Scope><Permanent/></Scope><DFTitle>T</DFTitle><DFType><MIME>text/plain</MIME></DFType><CaseSense><CS/></CaseSense></DFProperties>\
         <Value>7</Value></Node>",
    )
    .unwrap();
    let leaf = first(&ddf);
    assert_eq!(leaf.name().map(NodeName::as_str), Some("L"));
    assert!(
        AccessTypes::NAMED
            .iter()
            .all(|(access, _)| leaf.access().has(*access))
    );
    assert_eq!(
        (leaf.format(), leaf.occurrence(), leaf.scope()),
        (Format::Int, Occurrence::ZeroOrN(3), Scope::Permanent)
    );
    assert_eq!(
        (leaf.default_value(), leaf.title(), leaf.mime()),
        (Some("5"), Some("T"), Some("text/plain"))
    );
    assert_eq!(
        (leaf.description(), leaf.df_type()),
        (Some("a <b> A&c;"), None)
    );
    assert_eq!(tolerated(&ddf), []);
}

#[test]
fn every_format_and_occurrence_has_its_element() {
    for format in Format::ALL {
        let text = format!(
            "<Node><NodeName>L</NodeName><DFProperties><DFFormat><{format}/></DFFormat></DFProperties></Node>"
        );
        assert_eq!(first(&read(&text).unwrap()).format(), format);
    }
    for (text, occurrence) in [
        ("<One/>", Occurrence::One),
        ("<ZeroOrOne/>", Occurrence::ZeroOrOne),
        ("<ZeroOrMore/>", Occurrence::ZeroOrMore),
        ("<OneOrMore/>", Occurrence::OneOrMore),
        ("<OneOrN>2</OneOrN>", Occurrence::OneOrN(2)),
    ] {
        let text = format!(
            "<Node><NodeName/><DFProperties><Occurrence>{text}</Occurrence></DFProperties></Node>"
        );
        assert_eq!(first(&read(&text).unwrap()).occurrence(), occurrence);
    }
    let text = "<Node><NodeName/><DFProperties><Occurrence><ZeroOrN>0</ZeroOrN></Occurrence></DFProperties></Node>";
    assert_eq!(
        read(text).unwrap_err().fault,
        DdfFault::Occurrences("0".into())
    );
}

#[test]
fn a_missing_or_empty_or_bracketed_node_name_means_unnamed() {
    for (name, warned) in [
        ("", true),
        ("<NodeName/>", false),
        ("<NodeName> </NodeName>", false),
        ("<NodeName>&lt;X&gt;</NodeName>", false),
    ] {
        let ddf = read(&format!("<Node>{name}{LEAF}</Node>")).unwrap();
        assert_eq!(first(&ddf).name(), None, "{name}");
        assert_eq!(
            tolerated(&ddf),
            if warned {
                vec![DdfTolerance::NoNodeName]
            } else {
                vec![]
            }
        );
    }
}

#[test]
fn absent_properties_have_defaults_d31() {
    let ddf = read("<Node><NodeName>L</NodeName></Node><Node><NodeName>I</NodeName><Node><NodeName/></Node></Node>").unwrap();
    let [leaf, interior] = ddf.root().children() else {
        panic!("two children")
    };
    assert_eq!(
        (leaf.format(), leaf.occurrence(), leaf.scope()),
        (Format::Chr, Occurrence::One, Scope::Dynamic)
    );
    assert_eq!(interior.format(), Format::Node);
    assert_eq!(interior.children()[0].occurrence(), Occurrence::ZeroOrMore);
    assert_eq!(
        (leaf.access(), interior.access()),
        (AccessTypes::NONE, AccessTypes::GET)
    );
    assert!(tolerated(&ddf).contains(&DdfTolerance::NoAccessType));
    assert!(tolerated(&ddf).contains(&DdfTolerance::NoFormat(Format::Node)));
}

#[test]
fn an_empty_access_type_is_no_get_and_no_warning() {
    let ddf = read("<Node><NodeName>L</NodeName><DFProperties><AccessType/><DFFormat><bin/></DFFormat></DFProperties></Node>").unwrap();
    assert_eq!(first(&ddf).access(), AccessTypes::NONE);
    assert_eq!(tolerated(&ddf), []);
}

#[test]
fn the_moid_is_that_of_the_root_and_its_absence_is_told() {
    let root = |df_type: &str| {
        format!(
            "<MgmtTree><Node><NodeName/><DFProperties><AccessType/><DFFormat><node/></DFFormat><DFType>{df_type}</DFType></DFProperties></Node></MgmtTree>"
        )
    };
    let ddf = Ddf::read(&root("<DDFName>urn:oma:mo:x:1.0</DDFName>")).unwrap();
    assert_eq!(
        ddf.moid().map(crate::Moid::as_str),
        Some("urn:oma:mo:x:1.0")
    );
    let ddf = Ddf::read(&root("<DDFName/>")).unwrap();
    assert_eq!(
        (ddf.moid(), &ddf.warnings()[0].tolerance),
        (None, &DdfTolerance::NoMoid)
    );
    let ddf = Ddf::read(&root("<DDFName>com.example/1</DDFName>")).unwrap();
    let error = MoidError::Character('/');
    assert_eq!(
        (ddf.moid(), &ddf.warnings()[0].tolerance),
        (
            None,
            &DdfTolerance::NotAMoid {
                text: "com.example/1".into(),
                error
            }
        )
    );
}

#[test]
fn unknown_elements_are_skipped_with_place_and_name() {
    let ddf = read(&format!("\n <Node><NodeName>L</NodeName><V:Extra><Node><NodeName>no</NodeName></Node></V:Extra>{LEAF}</Node>")).unwrap();
    assert!(first(&ddf).children().is_empty());
    let warning = &ddf.warnings()[0];
    assert_eq!(
        warning.tolerance,
        DdfTolerance::UnknownElement("V:Extra".into())
    );
    assert_eq!(
        (warning.line, warning.column, &*warning.node),
        (2, 30, "R/L")
    );
}

#[test]
fn a_document_type_is_ignored_and_never_expanded() {
    let bomb = "<!DOCTYPE MgmtTree [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\"><!ENTITY x SYSTEM \"file:///etc/passwd\">]>";
    assert!(Ddf::read(&format!("<?xml version=\"1.0\"?>{bomb}{}", tree(""))).is_ok());
    for entity in ["b", "x"] {
        let error = Ddf::read(&format!(
            "{bomb}{}",
            tree(&format!("<Node><NodeName>&{entity};</NodeName></Node>"))
        ))
        .unwrap_err();
        assert_eq!(error.fault, DdfFault::Entity(entity.into()));
        assert_eq!(&*error.node, "R/<x>");
    }
}

#[test]
fn size_depth_and_number_of_nodes_are_bounded() {
    assert_eq!(
        fault(&" ".repeat(MAX_OCTETS + 1)),
        DdfFault::TooLarge(MAX_OCTETS + 1)
    );
    let nested = |n: usize| format!("{}{}", "<Node>".repeat(n), "</Node>".repeat(n));
    assert!(read(&nested(62)).is_ok());
    assert_eq!(fault(&tree(&nested(63))), DdfFault::TooDeep);
    assert_eq!(fault(&"<a>".repeat(100_000)), DdfFault::NotADdf("a".into()));
    assert_eq!(fault(&tree(&"<u>".repeat(100_000))), DdfFault::TooDeep);
    let many = |n: usize| {
        (0..n)
            .map(|n| format!("<Node><NodeName>{n}</NodeName></Node>"))
            .collect::<String>()
    };
    assert_eq!(
        read(&many(MAX_NODES - 1)).map(|ddf| ddf.root().children().len()),
        Ok(MAX_NODES - 1)
    );
    assert_eq!(fault(&tree(&many(MAX_NODES))), DdfFault::TooManyNodes);
    assert_eq!(
        read(&"<u/>".repeat(10_000)).unwrap().warnings().len(),
        MAX_WARNINGS
    );
}

#[test]
fn every_truncation_is_an_error() {
    let whole = tree(&format!(
        "<Node><NodeName>a&amp;b</NodeName>{LEAF}<!-- c --></Node>"
    ));
    for cut in 0..whole.len() {
        let error = Ddf::read(&whole[..cut]).unwrap_err();
        let allowed = matches!(
            error.fault,
            DdfFault::Truncated | DdfFault::Syntax | DdfFault::NoRoot
        );
        assert!(allowed, "{cut}: {error}");
    }
}

#[test]
fn what_is_wrong_is_said_with_line_column_and_node() {
    let error = read(&format!(
        "\n<Node><NodeName>A</NodeName>{NODE}\n  <Node><NodeName>a\u{7}</NodeName></Node></Node>"
    ))
    .unwrap_err();
    assert_eq!((error.line, error.column, &*error.node), (3, 9, "R/A/<x>"));
    assert!(matches!(error.fault, DdfFault::NodeName { .. }), "{error}");
}

#[test]
fn documents_that_describe_no_mo_or_contradict_themselves_are_refused() {
    let twice = format!("<Node><NodeName>L</NodeName>{LEAF}</Node>").repeat(2);
    assert_eq!(fault(&tree(&twice)), DdfFault::DuplicateName("L".into()));
    assert_eq!(
        fault(&tree(&format!("<Node><NodeName/>{LEAF}</Node>").repeat(2))),
        DdfFault::SecondPlaceholder
    );
    let children = format!(
        "<Node><NodeName>L</NodeName>{LEAF}<Node><NodeName>M</NodeName>{LEAF}</Node></Node>"
    );
    assert_eq!(
        fault(&tree(&children)),
        DdfFault::LeafWithChildren(Format::Chr)
    );
    assert_eq!(fault("<MgmtTree/>"), DdfFault::NoRoot);
    assert_eq!(fault(""), DdfFault::NoRoot);
    assert_eq!(
        fault("<MgmtTree><Node/><Node/></MgmtTree>"),
        DdfFault::SecondRoot
    );
    assert_eq!(fault("<html/>"), DdfFault::NotADdf("html".into()));
    assert_eq!(fault("<MgmtTree></Node>"), DdfFault::Syntax);
    assert_eq!(fault("{}"), DdfFault::Syntax);
    assert!(
        read("")
            .unwrap()
            .node(&NodePath::of("x").unwrap())
            .is_none()
    );
}

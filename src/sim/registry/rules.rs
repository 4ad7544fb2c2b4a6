//! What an entity type's JSON schema demands: validity of the content, and which fields are restricted.
//!
//! Flow: compiled once when a type is registered; every entity of the type shares it.
//!
//! Invariants:
//! - A schema that does not compile is refused at registration, so validation itself cannot fail.
//! - Only local references are followed; the simulator never fetches a schema.
//!
//! Source: VCD entity types: drafts 4, 6 and 7, and 4 where the schema does not say; `x-vcloud-restricted` (string or array): `public`, `protected`, `private`, `secure`.

use std::collections::BTreeMap;
use std::fmt;

use jsonschema::Draft;
use serde_json::{Map, Value};

/// Deepest nesting of schemas that is looked at; a recursive `$ref` ends here.
const MAX_SCHEMA_DEPTH: usize = 32;

/// Restrictions of one field, with those of the fields below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldRules {
    /// Everybody with access reads, only full control writes.
    pub(crate) protected: bool,
    /// Only full control reads and writes.
    pub(crate) private: bool,
    /// Kept encrypted; no read shows it, only behaviors see it.
    pub(crate) secure: bool,
    /// Value the schema gives a field that is absent when an entity changes its type's version.
    pub(crate) default: Option<Value>,
    pub(crate) properties: BTreeMap<String, FieldRules>,
    pub(crate) items: Option<Box<FieldRules>>,
}

impl FieldRules {
    /// Whether anything here or below matters when content is read, written or upgraded.
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn of_schema(schema: &Value, root: &Value, depth: usize) -> Self {
        if depth > MAX_SCHEMA_DEPTH {
            return Self::default();
        }
        let schema = follow_reference(schema, root);
        let mut rules = Self {
            default: schema.get("default").cloned(),
            ..Self::default()
        };
        rules.restrict(schema.get("x-vcloud-restricted"));
        for (name, property) in schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let below = Self::of_schema(property, root, depth + 1);
            if !below.is_empty() {
                rules.properties.insert(name.clone(), below);
            }
        }
        if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
            let below = Self::of_schema(items, root, depth + 1);
            rules.items = (!below.is_empty()).then(|| Box::new(below));
        }
        rules
    }

    fn restrict(&mut self, restriction: Option<&Value>) {
        let words: Vec<&str> = match restriction {
            Some(Value::String(word)) => vec![word],
            Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        self.protected = words.contains(&"protected");
        self.private = words.contains(&"private");
        self.secure = words.contains(&"secure");
    }
}

fn follow_reference<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let target = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|text| text.strip_prefix('#'));
    target
        .and_then(|pointer| root.pointer(pointer))
        .unwrap_or(schema)
}

/// The draft that a schema is written in: 4, 6 or 7, and 4 if it does not say.
fn draft(schema: &Value) -> Result<Draft, String> {
    let Some(named) = schema.get("$schema") else {
        return Ok(Draft::Draft4);
    };
    let named = named.as_str().unwrap_or_default();
    let known = [
        ("/draft-04/", Draft::Draft4),
        ("/draft-06/", Draft::Draft6),
        ("/draft-07/", Draft::Draft7),
        ("json-schema.org/schema", Draft::Draft7),
    ];
    let found = known.into_iter().find(|(part, _)| named.contains(part));
    found
        .map(|(_, draft)| draft)
        .ok_or_else(|| format!("{named} is no supported draft"))
}

/// The compiled schema of one entity type.
///
/// The default knows nothing and holds a place only while a saved world is being read.
#[derive(Default)]
pub(crate) struct TypeRules {
    /// `urn:vcloud:type:<vendor>:<nss>:<version>`
    pub(crate) type_urn: String,
    pub(crate) vendor: String,
    pub(crate) nss: String,
    pub(crate) version: String,
    /// Restrictions from the root of the content down.
    pub(crate) fields: FieldRules,
    /// None in the default only.
    validator: Option<jsonschema::Validator>,
}

impl TypeRules {
    /// Compiles `schema` for the type `(vendor, nss, version)`.
    pub(crate) fn compile(
        (vendor, nss, version): (&str, &str, &str),
        schema: &Value,
    ) -> Result<Self, String> {
        let options = jsonschema::options().with_draft(draft(schema)?);
        let validator = options.build(schema).map_err(|error| error.to_string())?;
        Ok(Self {
            type_urn: format!("urn:vcloud:type:{vendor}:{nss}:{version}"),
            vendor: vendor.to_owned(),
            nss: nss.to_owned(),
            version: version.to_owned(),
            fields: FieldRules::of_schema(schema, schema, 0),
            validator: Some(validator),
        })
    }

    /// Checks `content`; the error names the first violation and where it is, without the value.
    pub(crate) fn validate(&self, content: &Map<String, Value>) -> Result<(), String> {
        // The validator wants a `Value`; cloning is fine, contents are small and this is rare.
        let instance = Value::Object(content.clone());
        let mut errors = (self.validator.iter()).flat_map(|rules| rules.iter_errors(&instance));
        let Some(error) = errors.next() else {
            return Ok(());
        };
        let place = error.instance_path().to_string();
        let place = if place.is_empty() {
            "the root"
        } else {
            place.as_str()
        };
        Err(format!(
            "Entity validation failed at {place}: {}",
            error.masked()
        ))
    }

    /// Prefix of the rights on this type: `vmware:capvcdCluster`.
    pub(crate) fn right_prefix(&self) -> String {
        format!("{}:{}", self.vendor, self.nss)
    }
}

impl fmt::Debug for TypeRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypeRules")
            .field("type_urn", &self.type_urn)
            .finish_non_exhaustive()
    }
}

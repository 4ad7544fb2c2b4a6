//! Interfaces, entity types and behaviors: what must be registered before an entity can exist.
//!
//! Invariants:
//! - Every registered type carries its compiled rules; entities share them.
//! - Nothing in use changes its meaning: schemas change only while a type has no entity.
//!
//! Not here: entities themselves (`sim::entities`), who may do what (`sim::access`).
//! Source: VCD `OpenAPI` 37.2, `interfaces`, `entityTypes` and their behaviors.

pub(crate) mod interfaces;
mod rules;
mod type_behaviors;
pub(crate) mod types;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(crate) use self::rules::{FieldRules, TypeRules};
use super::access::Grant;
use super::call::Call;
use super::entities::Entities;
use super::reply::Problem;

/// Vendor, nss and version of the built-in interface of Kubernetes clusters.
const KUBERNETES: (&str, &str, &str) = ("vmware", "k8s", "1.0.0");

/// A behavior of an interface, or a type's override of one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Behavior {
    /// `urn:vcloud:behavior-interface:...` or, for an override, `urn:vcloud:behavior-type:...`.
    pub(crate) id: String,
    /// Interface behavior this one is or overrides.
    pub(crate) reference: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) execution: Value,
}

/// A defined interface.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Interface {
    /// `urn:vcloud:interface:<vendor>:<nss>:<version>`
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) vendor: String,
    pub(crate) nss: String,
    pub(crate) version: String,
    /// Built in; cannot be changed.
    pub(crate) readonly: bool,
    /// Behaviors by id.
    pub(crate) behaviors: BTreeMap<String, Behavior>,
}

impl Interface {
    /// URN of its behavior `name`.
    fn behavior_id(&self, name: &str) -> String {
        let Self {
            vendor,
            nss,
            version,
            ..
        } = self;
        format!("urn:vcloud:behavior-interface:{name}:{vendor}:{nss}:{version}")
    }
}

/// What is needed to register an entity type.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct TypeDefinition {
    pub(crate) vendor: String,
    pub(crate) nss: String,
    pub(crate) version: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) inherited_version: Option<String>,
    pub(crate) schema: Value,
    /// Interface URNs.
    pub(crate) interfaces: Vec<String>,
    pub(crate) hooks: Option<Value>,
    pub(crate) max_implicit_right: Option<String>,
}

/// A registered entity type.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EntityType {
    pub(crate) definition: TypeDefinition,
    #[serde(skip)]
    pub(crate) rules: Arc<TypeRules>,
    pub(crate) readonly: bool,
    /// Overriding behaviors by the interface behavior they override.
    pub(crate) overrides: BTreeMap<String, Behavior>,
    /// Behavior id -> access level URN that its caller needs.
    pub(crate) behavior_levels: BTreeMap<String, String>,
    /// Grants that hold for every entity of the type.
    pub(crate) grants: BTreeMap<String, Grant>,
}

/// Everything registered, by URN.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Registry {
    pub(crate) interfaces: BTreeMap<String, Interface>,
    pub(crate) types: BTreeMap<String, EntityType>,
}

impl Registry {
    /// Registers what every site has: the Kubernetes interface and its kubeconfig behavior.
    pub(crate) fn add_built_in(&mut self) {
        let interface = self.put_interface(KUBERNETES, "Kubernetes", true);
        let execution = json!({"id": "CreateKubeConfigActivity", "type": "Activity"});
        self.put_behavior(&interface, "createKubeConfig", execution);
    }

    /// Registers an interface `(vendor, nss, version)` and returns its URN.
    pub(crate) fn put_interface(
        &mut self,
        (vendor, nss, version): (&str, &str, &str),
        name: &str,
        readonly: bool,
    ) -> String {
        let id = interface_urn((vendor, nss, version));
        let interface = Interface {
            id: id.clone(),
            name: name.to_owned(),
            vendor: vendor.to_owned(),
            nss: nss.to_owned(),
            version: version.to_owned(),
            readonly,
            behaviors: BTreeMap::new(),
        };
        self.interfaces.insert(id.clone(), interface);
        id
    }

    /// Adds a behavior to an interface and returns its URN; `None` when the interface is unknown.
    pub(crate) fn put_behavior(
        &mut self,
        interface: &str,
        name: &str,
        execution: Value,
    ) -> Option<String> {
        let interface = self.interfaces.get_mut(interface)?;
        let id = interface.behavior_id(name);
        let behavior = Behavior {
            id: id.clone(),
            reference: id.clone(),
            name: name.to_owned(),
            description: None,
            execution,
        };
        interface.behaviors.insert(id.clone(), behavior);
        Some(id)
    }

    /// Registers an entity type and returns its URN. Its five rights come into being with it, see
    /// `sim::rights`.
    pub(crate) fn put_type(&mut self, definition: TypeDefinition) -> Result<String, Problem> {
        let TypeDefinition {
            vendor,
            nss,
            version,
            schema,
            ..
        } = &definition;
        let rules = TypeRules::compile((vendor, nss, version), schema).map_err(|reason| {
            Problem::new(
                400,
                "RDE_TYPE_INVALID_SCHEMA",
                format!("The schema is invalid: {reason}"),
            )
        })?;
        let id = rules.type_urn.clone();
        let registered = EntityType {
            definition,
            rules: Arc::new(rules),
            readonly: false,
            overrides: BTreeMap::new(),
            behavior_levels: BTreeMap::new(),
            grants: BTreeMap::new(),
        };
        self.types.insert(id.clone(), registered);
        Ok(id)
    }

    /// Compiles the schema of every type again, after a saved world was read.
    ///
    /// # Errors
    /// Names the type whose schema does not compile.
    pub(crate) fn compile(&mut self) -> Result<(), String> {
        for (urn, registered) in &mut self.types {
            let TypeDefinition {
                vendor,
                nss,
                version,
                schema,
                ..
            } = &registered.definition;
            let rules = TypeRules::compile((vendor, nss, version), schema)
                .map_err(|reason| format!("the schema of {urn} does not compile: {reason}"))?;
            registered.rules = Arc::new(rules);
        }
        Ok(())
    }

    /// Sets the access level a caller of `behavior` needs on entities of `entity_type`.
    pub(crate) fn require_level(&mut self, entity_type: &str, behavior: &str, level: &str) {
        if let Some(entity_type) = self.types.get_mut(entity_type) {
            entity_type
                .behavior_levels
                .insert(behavior.to_owned(), level.to_owned());
        }
    }

    /// Whether an entity type implements the interface; with `entities`, whether one of those does that
    /// has entities.
    fn in_use(&self, interface: &str, entities: Option<&Entities>) -> bool {
        let implements =
            |found: &EntityType| found.definition.interfaces.iter().any(|id| id == interface);
        let mut implementing = self.types.values().filter(|found| implements(found));
        match entities {
            None => implementing.next().is_some(),
            Some(entities) => entities
                .iter()
                .any(|entity| (self.types.get(&entity.type_urn)).is_some_and(implements)),
        }
    }

    /// Finds a behavior by its id, of an interface or of a type.
    pub(crate) fn behavior(&self, id: &str) -> Option<&Behavior> {
        let of_interfaces = self
            .interfaces
            .values()
            .find_map(|interface| interface.behaviors.get(id));
        of_interfaces.or_else(|| {
            let overrides = self
                .types
                .values()
                .flat_map(|registered| registered.overrides.values());
            overrides.into_iter().find(|behavior| behavior.id == id)
        })
    }
}

/// URN of the interface `(vendor, nss, version)`.
pub(crate) fn interface_urn((vendor, nss, version): (&str, &str, &str)) -> String {
    format!("urn:vcloud:interface:{vendor}:{nss}:{version}")
}

fn provider_only(call: &Call<'_>) -> Result<(), Problem> {
    if call.principal.provider {
        Ok(())
    } else {
        Err(Problem::forbidden(
            "Tenants cannot register interfaces and entity types.",
        ))
    }
}

fn not_found(id: &str) -> Problem {
    Problem::forbidden(format!("{id} not found or you lack access to it."))
}

fn no_behavior(id: &str) -> Problem {
    Problem::new(
        400,
        "RDE_INVALID_BEHAVIOR_SCOPE",
        format!("The behavior {id} is not defined here."),
    )
}

fn text(body: &Value, key: &str) -> Option<String> {
    body.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// Vendor, nss and version of a body: letters, digits, `_` and `-`; three numbers.
fn identity(body: &Value) -> Result<(String, String, String), Problem> {
    let word = |key: &str| {
        let clean = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let word = text(body, key).filter(|word| !word.is_empty() && word.chars().all(clean));
        word.ok_or_else(|| Problem::bad_request(format!("{key} is missing or invalid")))
    };
    let numbers = |version: &String| {
        let parts: Vec<&str> = version.split('.').collect();
        parts.len() == 3 && parts.iter().all(|part| part.parse::<u32>().is_ok())
    };
    let version = text(body, "version").filter(numbers);
    let version =
        version.ok_or_else(|| Problem::bad_request("version must be of the form x.y.z"))?;
    Ok((word("vendor")?, word("nss")?, version))
}

/// A behavior as it is read: what its execution keeps to itself is left out.
fn behavior_document(behavior: &Behavior) -> Value {
    let hidden = |name: &String| name.starts_with("_internal_") || name.starts_with("_secure_");
    let mut execution = behavior.execution.clone();
    if let Some(execution) = execution.as_object_mut() {
        execution.retain(|name, _| !hidden(name));
        let below = execution.get_mut("execution_properties");
        if let Some(below) = below.and_then(Value::as_object_mut) {
            below.retain(|name, _| !hidden(name));
        }
    }
    json!({
        "id": behavior.id,
        "ref": behavior.reference,
        "name": behavior.name,
        "description": behavior.description,
        "execution": execution,
    })
}

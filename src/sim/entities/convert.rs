//! `GET /cloudapi/1.0.0/entities/{id}`, also as an entity of another version of its type.
//!
//! Invariants:
//! - A conversion changes the answer only; the tag stays that of the stored entity.
//! - A resolved entity that is invalid in the version asked for is a 400.
//!
//! Source: VCD `OpenAPI` 37.2, query parameter `entityVersion`: contents are converted by `required`,
//! `additionalProperties` and `default` of the schema; newer documents call it `acceptType`.

use serde_json::{Map, Value};

use super::api::{etag, shown};
use super::render::{self, View};
use super::replace::other_version;
use super::write::fill_defaults;
use super::{Entity, RdeState};
use crate::sim::access::Level;
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::registry::Registry;
use crate::sim::reply::{Problem, Reply};

/// Answers the read.
pub(super) fn read(
    call: &Call<'_>,
    (entity, level): (&Entity, Level),
    ctx: &Context<'_>,
    registry: &Registry,
) -> Result<Reply, Problem> {
    let asked = call.query("entityVersion").or(call.query("acceptType"));
    let Some(asked) = asked.filter(|asked| !asked.is_empty()) else {
        return Ok(shown(call, entity, level, ctx));
    };
    let urn = if asked.contains(':') {
        asked.to_owned()
    } else {
        let prefix = entity.rules.right_prefix();
        format!("urn:vcloud:type:{prefix}:{asked}")
    };
    let rules = other_version(&urn, entity, registry)?;
    let mut content = entity.content.parse();
    if let Some(found) = registry.types.get(&urn) {
        drop_unknown(&mut content, &found.definition.schema);
    }
    fill_defaults(&mut content, &rules.fields);
    if entity.state == RdeState::Resolved {
        rules.validate(&content).map_err(Problem::bad_request)?;
    }
    let converted = entity.converted(rules, &content);
    let text = render::text(&converted, View::of(call, level), ctx.directory);
    Ok(Reply::json_text(200, call.version, text).with_header("etag", etag(call, entity)))
}

/// Takes away what a schema that allows no additional properties does not know.
fn drop_unknown(content: &mut Map<String, Value>, schema: &Value) {
    let known = schema.get("properties").and_then(Value::as_object);
    if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
        content.retain(|name, _| known.is_some_and(|known| known.contains_key(name)));
    }
    for (name, schema) in known.into_iter().flatten() {
        if let Some(Value::Object(below)) = content.get_mut(name) {
            drop_unknown(below, schema);
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use serde_json::{Value, json};

    use super::drop_unknown;

    #[test]
    fn a_closed_schema_drops_what_it_does_not_know_at_every_depth() {
        let mut content = json!({"a": {"x": 1, "y": 2}, "b": {"z": 3}, "c": 4})
            .as_object()
            .unwrap()
            .clone();
        let schema = json!({"additionalProperties": false, "properties": {
            "a": {"additionalProperties": false, "properties": {"x": {}}},
            "b": {"properties": {}},
        }});
        drop_unknown(&mut content, &schema);
        assert_eq!(
            Value::Object(content),
            json!({"a": {"x": 1}, "b": {"z": 3}})
        );
    }
}

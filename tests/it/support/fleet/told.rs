//! What the documents of a fleet's clusters tell, and what a failed test needs to know.

use serde_json::Value;

use super::Fleet;

impl Fleet {
    /// Events of the bootstrap that stand twice in the document.
    pub(crate) fn events_twice(&self, urn: &str) -> Vec<String> {
        let names = self.event_names(urn);
        let handover = ["ClusterCreationResumed", "ClusterHandedOver"];
        let mut twice: Vec<String> = names
            .iter()
            .filter(|name| !handover.contains(&name.as_str()))
            .filter(|name| names.iter().filter(|other| other == name).count() > 1)
            .cloned()
            .collect();
        twice.dedup();
        twice
    }

    pub(crate) fn event_names(&self, urn: &str) -> Vec<String> {
        let world = self.world();
        let content = world.entity_content(urn).unwrap();
        let status = &content["status"]["vcdKe"];
        let names = |set: &str| -> Vec<String> {
            let entries = status[set].as_array().cloned().unwrap_or_default();
            entries
                .iter()
                .map(|entry| entry["name"].as_str().unwrap().to_owned())
                .collect()
        };
        [names("eventSet"), names("errorSet")].concat()
    }

    /// Names and texts of the entries of the cluster's `errorSet`.
    pub(crate) fn errors(&self, urn: &str) -> Vec<(String, String)> {
        let world = self.world();
        let Some(content) = world.entity_content(urn) else {
            return Vec::new();
        };
        let status = content.get("status").map(|status| &status["vcdKe"]);
        let entries = status.and_then(|status| status["errorSet"].as_array().cloned());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let details = |entry: &Value| text(&entry["additionalDetails"]["Detailed Error"]);
        let entries = entries.unwrap_or_default();
        entries
            .iter()
            .map(|entry| (text(&entry["name"]), details(entry)))
            .collect()
    }

    /// Seed, clusters and the last requests, for failure texts.
    pub(crate) fn context(&self) -> String {
        let lines = self.journal.lines();
        // One guard at a time: the lock does not open twice.
        let clusters = self.world().clusters();
        let leftovers = self.world().bootstrap_leftovers();
        let errors: Vec<_> = self.urns.iter().map(|urn| self.errors(urn)).collect();
        let mut effects = self.world().effects().clone();
        effects.retain(|(_, about), _| about.starts_with("rde="));
        let tail = lines
            .iter()
            .skip(lines.len().saturating_sub(60))
            .cloned()
            .collect::<Vec<_>>();
        format!(
            "seed {}, {}\nclusters {:#?}\nerrors {:#?}\neffects {:#?}\nleftovers {:?}\nlast requests\n{}",
            self.seed,
            self.what,
            clusters,
            errors,
            effects,
            leftovers,
            tail.join("\n")
        )
    }
}

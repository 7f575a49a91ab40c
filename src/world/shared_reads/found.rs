//! What a request has found.

use std::{
    collections::{BTreeMap, HashMap},
    sync::OnceLock,
};

use serde_json::Value as Json;

use super::{Place, packed::Packed};

/// Objects by their places. Those with a certain label are found without a look at all: each of a thousand exports asks for its own.
#[derive(Default)]
pub(super) struct Found {
    objects: BTreeMap<Place, Packed>,
    /// The places by a label with its value, as a selector writes it. Made when it is asked for first, as most requests are only for single objects.
    labelled: OnceLock<HashMap<String, Vec<Place>>>,
}

impl Found {
    pub(super) fn has(&self, place: &Place) -> bool {
        self.objects.contains_key(place)
    }

    pub(super) fn get(&self, place: &Place) -> Option<Json> {
        self.objects.get(place).map(Packed::unpack)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Json> {
        self.objects.values().map(Packed::unpack)
    }

    pub(super) fn insert(&mut self, live: &Json) {
        let text = |field: &str| live["metadata"][field].as_str().unwrap_or_default().to_owned();
        self.objects.insert((text("namespace"), text("name")), Packed::new(live));
    }

    /// Returns the objects that a label selector selects (empty: all).
    pub(super) fn selected<'a>(&'a self, selector: &'a str) -> Box<dyn Iterator<Item = (&'a Place, &'a Packed)> + 'a> {
        let equalities = selector.split(',').filter(|part| part.split_once('=').is_some_and(|(label, _)| !label.ends_with('!')));
        let of_label = equalities.map(|part| self.labelled().get(part).map(Vec::as_slice).unwrap_or_default());
        match of_label.min_by_key(|places| places.len()) {
            Some(places) => {
                let few = places.iter().filter_map(|place| self.objects.get_key_value(place));
                Box::new(few.filter(move |(_, live)| live.is_selected(selector)))
            }
            None => Box::new(self.objects.iter().filter(move |(_, live)| live.is_selected(selector))),
        }
    }

    fn labelled(&self) -> &HashMap<String, Vec<Place>> {
        self.labelled.get_or_init(|| {
            let mut labelled: HashMap<_, Vec<_>> = HashMap::new();
            for (place, live) in &self.objects {
                for (label, value) in live.labels() {
                    labelled.entry(format!("{label}={value}")).or_default().push(place.clone());
                }
            }
            labelled
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::data::selects;

    #[test]
    fn what_is_found_by_labels_is_what_the_selector_selects() {
        let labels =
            [json!({"a": "1"}), json!({"a": "1", "b": "2"}), json!({"a": "2", "b": ""}), json!({"b": "2"}), json!({}), json!(null)];
        let mut found = Found::default();
        for (nth, labels) in labels.into_iter().enumerate() {
            found.insert(&json!({"metadata": {"namespace": "echo", "name": nth.to_string(), "labels": labels}}));
        }
        for selector in ["", "a=1", "a=1,b=2", "b=2,a=2", "a!=1", "a!=1,b=2", "b", "a=1,b", "b=", "c=1", "c"] {
            let names: Vec<_> = found.selected(selector).map(|(place, _)| place.1.as_str()).collect();
            let wanted = found.objects.iter().filter(|(_, live)| selects(selector, &live.unpack()));
            assert_eq!(names, wanted.map(|(place, _)| place.1.as_str()).collect::<Vec<_>>(), "{selector}");
        }
        assert_eq!(found.selected("a=1,b=2").count(), 1);
    }
}

//! All that the provider has, by name, each with its schema; built once, when it is first asked for.

use std::collections::BTreeMap;

use crate::terraform::{AnyAction, AnyDataSource, AnyEphemeral, AnyListing, AnyResource, Error, Function, Identity, Provider, Schema};

/// Something that the provider has, with its schema.
pub(super) struct Entry<T: ?Sized> {
    pub(super) of: Box<T>,
    pub(super) schema: Schema,
}

/// One kind of things that the provider has.
pub(super) struct Shelf<T> {
    kind: &'static str,
    things: BTreeMap<&'static str, T>,
}

impl<T> Shelf<T> {
    fn new(kind: &'static str, things: impl Iterator<Item = (&'static str, T)>) -> Self {
        Self { kind, things: things.collect() }
    }

    /// The thing of that name.
    pub(super) fn find(&self, name: &str) -> Result<&T, Error> {
        self.things.get(name).ok_or_else(|| {
            let known: Vec<_> = self.things.keys().copied().collect();
            let there_are = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Error::new(format!("Unknown {}", self.kind), format!("This provider has no {} `{name}`. It has {there_are}.", self.kind))
        })
    }

    /// All, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (String, &T)> {
        self.things.iter().map(|(name, thing)| ((*name).to_owned(), thing))
    }

    /// The names.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.things.keys().map(|name| (*name).to_owned())
    }
}

/// All that the provider has.
pub(super) struct Catalog<W> {
    pub(super) provider: Schema,
    pub(super) resources: Shelf<Entry<dyn AnyResource<W>>>,
    pub(super) identities: BTreeMap<&'static str, Identity>,
    pub(super) data_sources: Shelf<Entry<dyn AnyDataSource<W>>>,
    pub(super) ephemerals: Shelf<Entry<dyn AnyEphemeral<W>>>,
    pub(super) listings: Shelf<Entry<dyn AnyListing<W>>>,
    pub(super) actions: Shelf<Entry<dyn AnyAction<W>>>,
    pub(super) functions: Shelf<Box<dyn Function>>,
}

impl<W> Catalog<W> {
    pub(super) fn of<P: Provider<World = W>>(provider: &P) -> Self {
        let resources = provider.resources();
        let identities = resources.iter().filter_map(|of| Some((of.name(), of.identity()?))).collect();
        Self {
            provider: Schema::of::<P::Model>(),
            resources: Shelf::new("resource type", resources.into_iter().map(|of| (of.name(), Entry { schema: of.schema(), of }))),
            identities,
            data_sources: Shelf::new(
                "data source",
                provider.data_sources().into_iter().map(|of| (of.name(), Entry { schema: of.schema(), of })),
            ),
            ephemerals: Shelf::new(
                "ephemeral resource",
                provider.ephemerals().into_iter().map(|of| (of.name(), Entry { schema: of.schema(), of })),
            ),
            listings: Shelf::new("list resource", provider.listings().into_iter().map(|of| (of.name(), Entry { schema: of.schema(), of }))),
            actions: Shelf::new("action", provider.actions().into_iter().map(|of| (of.name(), Entry { schema: of.schema(), of }))),
            functions: Shelf::new("function", provider.functions().into_iter().map(|function| (function.name(), function))),
        }
    }
}

//! `migrate`: state that was written as an old type becomes today's.

use std::panic::Location;

use serde::de::DeserializeOwned;
use waterclock_base::{BoxError, Data, Error, Key, Record};

use super::{DStream, MapWithState};
use crate::state::Migration;

/// What is to be known of a type that state was written as.
///
/// ```
/// use waterclock_streaming::MigrateOptions;
/// let options = MigrateOptions::new().version(1);
/// # let _ = options;
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct MigrateOptions {
    version: u32,
}

impl MigrateOptions {
    /// The defaults: a type that tells what it is made of.
    pub fn new() -> Self {
        MigrateOptions::default()
    }

    /// The [`state_version`](DStream::state_version) that the old type had: for one that does not tell what it
    /// is made of. It changes nothing for others.
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }
}

/// # State of an old type
impl<K: Data, V: Data> DStream<(K, V)> {
    /// Reads state that was written as `Old` as that, and converts each value by `convert`.
    ///
    /// For a type that changed by more than is read by itself (added fields with a default, wider numbers,
    /// other orders). State of today's type is read as it is, so the call may stay in the program; several
    /// calls may name several old types. Once a snapshot was written after the start that converted, which
    /// happens at its first batch, the old type is no longer needed, unless that snapshot is damaged.
    ///
    /// In a window with an inverse function the state is the value of a key.
    ///
    /// # Errors
    /// The operation is refused on a stream that keeps no state of this type, and where `Old` is written in
    /// bytes as today's type. A `convert` that panics is an [`Error::User`] of `start`, which changed nothing.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use waterclock_base::{BatchTime, BoxError};
    /// # use waterclock_streaming::{Stop, StreamingContext, testing};
    /// # let dir = tempfile::tempdir()?;
    /// # let first = |builder: waterclock_streaming::Builder| -> Result<StreamingContext, BoxError> {
    /// #     let ssc = builder.batch_interval(Duration::from_secs(1)).build()?;
    /// #     let pairs = ssc.queue_stream(vec![vec![("a".to_owned(), 7u64)]]).named("in");
    /// #     pairs.update_state_by_key(|new, old| Some(old.unwrap_or(0) + new.len() as u64)).named("seen").print();
    /// #     Ok(ssc)
    /// # };
    /// # let (ssc, clock) = testing::get_or_create(dir.path(), BatchTime::ZERO, first)?;
    /// # ssc.start()?;
    /// # clock.advance_batches(1);
    /// # ssc.stop(Stop::Now)?;
    /// # let again = |builder: waterclock_streaming::Builder| -> Result<StreamingContext, BoxError> {
    /// # let ssc = builder.batch_interval(Duration::from_secs(1)).build()?;
    /// # let pairs = ssc.queue_stream(Vec::<Vec<(String, u64)>>::new()).named("in");
    /// // A number before, text now.
    /// let seen = pairs
    ///     .update_state_by_key(|new, old: Option<String>| Some(format!("{}{}", old.unwrap_or_default(), new.len())))
    ///     .migrate::<u64>(|count| "|".repeat(count as usize))
    ///     .named("seen");
    /// # seen.print();
    /// # Ok(ssc)
    /// # };
    /// # testing::get_or_create(dir.path(), BatchTime::from_millis(1000), again)?.0.start()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    #[must_use = "the answer is the same stream"]
    pub fn migrate<Old: DeserializeOwned>(self, convert: impl Fn(Old) -> V + Send + Sync + 'static) -> Self
    where
        V: Record,
    {
        self.migrates(Location::caller(), Migration::new(0, move |old| Ok(convert(old))))
    }

    /// [`migrate`](DStream::migrate) by a function that may fail, and from types that don't tell what they are
    /// made of, whose version is then told.
    ///
    /// # Errors
    /// As [`migrate`](DStream::migrate); what `convert` returns is the cause of an [`Error::User`] of `start`.
    ///
    /// ```
    /// # use waterclock_streaming::testing::check_stream_unordered;
    /// use waterclock_streaming::MigrateOptions;
    /// check_stream_unordered(
    ///     vec![vec![(7, ())]],
    ///     |s| s
    ///         .update_state_by_key(|new: Vec<()>, old: Option<u64>| Some(old.unwrap_or(0) + new.len() as u64))
    ///         .migrate_with(|old: String| Ok(old.parse()?), MigrateOptions::new()),
    ///     vec![vec![(7, 1)]],
    /// );
    /// ```
    #[track_caller]
    #[must_use = "the answer is the same stream"]
    pub fn migrate_with<Old: DeserializeOwned>(
        self,
        convert: impl Fn(Old) -> Result<V, BoxError> + Send + Sync + 'static,
        options: MigrateOptions,
    ) -> Self
    where
        V: Record,
    {
        self.migrates(Location::caller(), Migration::new(options.version, convert))
    }
}

impl<T: Data> DStream<T> {
    fn migrates<S: Record>(self, site: &'static Location<'static>, migration: Migration<S>) -> Self {
        // Of a stream that was refused, nothing is ever restored.
        let refused = match (self.node.refusal(), crate::graph::AnyNode::state(&*self.node)) {
            (Some(_), _) => return self,
            (None, Some(state)) => state.migrate(Box::new(migration)),
            (None, None) => Err("it keeps no state; call it on the stream that does".into()),
        };
        if let Err(why) = refused {
            let why = format!("{}: {why}", crate::graph::AnyNode::label(&*self.node));
            self.graph.refuse(Error::Definition { call: "migrate", site, why });
        }
        self
    }
}

/// # State of an old type
impl<K: Key, S: Record, M: Data> MapWithState<K, S, M> {
    /// Reads state that was written as `Old` as that, and converts it; see [`DStream::migrate`].
    ///
    /// ```
    /// use waterclock_streaming::{State, StateSpec, testing::check_stream};
    /// check_stream(
    ///     vec![vec![(7, 1u32)]],
    ///     |s| {
    ///         let spec = StateSpec::function(|_, key: &i32, value: Option<u32>, state: &mut State<'_, String>| {
    ///             state.update(format!("{value:?}"));
    ///             Some(*key)
    ///         });
    ///         s.map_with_state(spec.partitions(1)).migrate::<u32>(|old| old.to_string()).stream()
    ///     },
    ///     vec![vec![7]],
    /// );
    /// ```
    #[track_caller]
    #[must_use = "the answer is the same state"]
    pub fn migrate<Old: DeserializeOwned>(self, convert: impl Fn(Old) -> S + Send + Sync + 'static) -> Self {
        let (site, migration) = (Location::caller(), Migration::<S>::new(0, move |old| Ok(convert(old))));
        self.mapped(|mapped| mapped.migrates(site, migration))
    }

    /// [`migrate`](MapWithState::migrate) by a function that may fail, and from types that don't tell what they
    /// are made of; see [`DStream::migrate_with`].
    #[track_caller]
    #[must_use = "the answer is the same state"]
    pub fn migrate_with<Old: DeserializeOwned>(
        self,
        convert: impl Fn(Old) -> Result<S, BoxError> + Send + Sync + 'static,
        options: MigrateOptions,
    ) -> Self {
        let (site, migration) = (Location::caller(), Migration::<S>::new(options.version, convert));
        self.mapped(|mapped| mapped.migrates(site, migration))
    }

    /// Says which version of its form the state has; see [`DStream::state_version`].
    ///
    /// ```
    /// use waterclock_streaming::{State, StateSpec, testing::check_stream};
    /// check_stream(
    ///     vec![vec![(7, 1u32)]],
    ///     |s| {
    ///         let spec = StateSpec::function(|_, key: &i32, _: Option<u32>, _: &mut State<'_, String>| Some(*key));
    ///         s.map_with_state(spec.partitions(1)).state_version(1).stream()
    ///     },
    ///     vec![vec![7]],
    /// );
    /// ```
    #[must_use = "the answer is the same state"]
    pub fn state_version(self, version: u32) -> Self {
        self.mapped(|mapped| mapped.state_version(version))
    }
}

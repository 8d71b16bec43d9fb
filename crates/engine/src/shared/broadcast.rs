//! A read-only value for all tasks.

use std::ops::Deref;
use std::sync::Arc;

/// A value that every task may read. Cloning shares it.
///
/// ```
/// use waterclock_engine::Engine;
/// let engine = Engine::local(2);
/// let stop_words = engine.broadcast(vec!["the", "a"]);
/// let kept = engine.parallelize(vec!["the", "cat"], 2).filter(move |w| !stop_words.contains(w));
/// assert_eq!(kept.count()?, 1);
/// # Ok::<(), waterclock_base::Error>(())
/// ```
#[derive(Debug)]
pub struct Broadcast<T>(Arc<T>);

impl<T> Broadcast<T> {
    pub(crate) fn new(value: T) -> Self {
        Broadcast(Arc::new(value))
    }

    /// The value.
    pub fn value(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for Broadcast<T> {
    fn clone(&self) -> Self {
        Broadcast(self.0.clone())
    }
}

impl<T> Deref for Broadcast<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

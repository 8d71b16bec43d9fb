//! What a type must offer to travel through a stream.

use std::hash::Hash;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Anything that can be an element of a dataset: owned, cloneable, and safe to hand to another thread.
///
/// Implemented for every type that qualifies; there is nothing to write. Operations that only pass
/// records along (`map`, `filter`, `union`, `foreach_rdd`, `count`, ...) ask for no more than this.
///
/// ```
/// fn is_data<T: waterclock_base::Data>() {}
/// is_data::<(u64, String)>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an element of a stream",
    label = "not usable as a record",
    note = "elements must be `Clone + Send + Sync + 'static`: they are moved between threads and may be read twice",
    note = "put shared data behind `Arc`, replace `Rc` by `Arc` and `RefCell` by `Mutex`, and own what is borrowed"
)]
pub trait Data: Clone + Send + Sync + 'static {}
impl<T: Clone + Send + Sync + 'static> Data for T {}

/// A [`Data`] type that can also be written down as bytes and read back.
///
/// Asked for wherever records may have to leave memory: keyed operations, windows, state,
/// persistence, receivers, and everything that brings records to the driver.
///
/// ```
/// #[derive(Clone, serde::Serialize, serde::Deserialize)]
/// struct Click { user: u32, page: String }
/// fn is_record<T: waterclock_base::Record>() {}
/// is_record::<Click>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be written down as bytes and read back",
    label = "this operation may have to store records of `{Self}`",
    note = "derive it: `#[derive(Clone, serde::Serialize, serde::Deserialize)]`",
    note = "a `&'static str` can't be read back: use `Text` or `String`, for example `.map(|s| Text::from(s))`"
)]
pub trait Record: Data + Serialize + DeserializeOwned {}
impl<T: Data + Serialize + DeserializeOwned> Record for T {}

/// A [`Record`] that can be the key of a pair: it can be compared and hashed.
///
/// Equal keys must also *encode* equally: the share of the work that a key belongs to is taken from its
/// serialised form (see [`key_group`](crate::key_group)), so that it is the same on every
/// machine and in every release. Derived implementations satisfy this; floating-point keys wrapped by
/// hand must encode `0.0` and `-0.0` alike if they compare equal.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of a pair",
    label = "keys must be records that can be compared and hashed",
    note = "derive it: `#[derive(Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]`",
    note = "for a floating-point key use an integer unit (cents, millimetres) or its text; for `&'static str` use `Text`"
)]
pub trait Key: Record + Eq + Hash {}
impl<T: Record + Eq + Hash> Key for T {}

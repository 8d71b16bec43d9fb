//! placeholder
use serde::{Deserialize, Serialize};
/// placeholder
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Schema {
    /// o
    Opaque {
        /// v
        version: u32,
    },
}
impl Schema {
    /// of
    pub fn of<T: serde::de::DeserializeOwned>() -> Self {
        Schema::Opaque { version: 0 }
    }
}

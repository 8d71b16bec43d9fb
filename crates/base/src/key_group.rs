//! Placeholder that the key group module replaces.
use serde::Serialize;
/// Version.
pub const KEY_HASH_VERSION: u8 = 1;
/// Hash.
pub fn key_hash<K: Serialize + ?Sized>(key: &K) -> u64 {
    let mut b = Vec::new();
    let _ = crate::encode(key, &mut b);
    b.iter().fold(0xcbf2_9ce4_8422_2325, |h, x| (h ^ u64::from(*x)).wrapping_mul(0x0000_0100_0000_01b3))
}
/// Group.
pub fn group_of_hash(hash: u64, groups: u32) -> u32 {
    ((u128::from(hash) * u128::from(groups)) >> 64) as u32
}
/// Group.
pub fn key_group<K: Serialize + ?Sized>(key: &K, groups: u32) -> u32 {
    group_of_hash(key_hash(key), groups)
}
/// Partition.
pub fn partition_of_group(group: u32, groups: u32, partitions: usize) -> usize {
    ((u64::from(group) + 1) * partitions as u64).saturating_sub(1) as usize / groups as usize
}

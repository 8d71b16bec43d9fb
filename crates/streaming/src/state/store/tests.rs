//! Goal: versions of the state see their own past and nothing else. Method: deltas by hand.
use super::*;

fn at(t: i64) -> BatchTime {
    BatchTime::from_millis(t)
}

/// What a batch did: sets keys to values, or removes them.
fn delta(store: &StateStore<char, i32>, t: i64, changes: &[(char, Option<i32>)]) -> Delta<char, i32> {
    let view = store.view(0, at(t - 1));
    let mut delta = view.delta(at(t));
    for (key, value) in changes {
        let hash = delta.rows.hash(key);
        let (place, _) = view.find(hash, key);
        let change = match value {
            Some(state) => Change::Set(Entry { state: *state, touched: at(t) }),
            None => Change::Removed,
        };
        delta.rows.insert(hash, *key, Changed { at: place, change });
    }
    delta
}

fn all(view: &View<'_, char, i32>) -> Vec<(char, i32)> {
    let mut rows = Vec::new();
    let step = view.for_each(|_, key, entry| {
        rows.push((*key, entry.state));
        Ok(())
    });
    step.unwrap();
    rows
}

fn untouched(view: &View<'_, char, i32>, threshold: i64) -> Vec<char> {
    let mut keys = Vec::new();
    view.for_each_untouched(at(threshold), |key, _| keys.push(*key));
    keys
}

/// T-071: an empty state has nothing, and removing from it does nothing.
#[test]
fn an_empty_state_has_nothing() {
    let store = StateStore::new(1, 7, true);
    let view = store.view(0, at(0));
    assert_eq!((all(&view), untouched(&view, 100)), (vec![], vec![]));
    drop(view);
    store.install(0, delta(&store, 1, &[('x', None)]));
    store.commit(at(1));
    assert_eq!(all(&store.view(0, at(1))), []);
}

/// T-072, vector 11.8: values are found by key, and by the time of the last touch, strictly before.
#[test]
fn values_are_found_by_key_and_by_touch() {
    for folded in [false, true] {
        let store = StateStore::new(1, 7, true);
        store.install(0, delta(&store, 10, &[('a', Some(100))]));
        if folded {
            store.commit(at(10));
        }
        let view = store.view(0, at(10));
        assert_eq!(all(&view), [('a', 100)]);
        assert_eq!(untouched(&view, 11), ['a']);
        assert_eq!(untouched(&view, 10), []);
        drop(view);
        store.install(0, delta(&store, 11, &[('a', None)]));
        assert_eq!(all(&store.view(0, at(11))), []);
    }
}

/// T-073: what a later version changes, an earlier one that is pinned does not see.
#[test]
fn versions_do_not_see_their_future() {
    let store = StateStore::new(1, 7, false);
    store.install(0, delta(&store, 1, &[('a', Some(1)), ('b', Some(2))]));
    store.commit(at(1));
    let first = store.pin(at(1));
    store.install(0, delta(&store, 2, &[('a', None), ('c', Some(3))]));
    store.commit(at(2));
    let second = store.pin(at(2));
    store.install(0, delta(&store, 3, &[('a', Some(4)), ('b', Some(5))]));
    store.commit(at(3));
    assert_eq!(all(&first.view(0)), [('a', 1), ('b', 2)]);
    assert_eq!(all(&second.view(0)), [('b', 2), ('c', 3)]);
    assert_eq!(all(&store.view(0, at(3))), [('a', 4), ('b', 5), ('c', 3)]);
    // Once nobody needs the old versions, all is one table.
    drop((first, second));
    store.fold();
    assert!(lock(&store.partitions[0].deltas).is_empty());
    let mut folded = all(&store.view(0, at(3)));
    folded.sort_unstable();
    assert_eq!(folded, [('a', 4), ('b', 5), ('c', 3)]);
}

#[test]
fn a_batch_that_is_rolled_back_leaves_no_trace() {
    let store = StateStore::new(1, 7, true);
    store.install(0, delta(&store, 1, &[('a', Some(1))]));
    store.commit(at(1));
    store.install(0, delta(&store, 2, &[('a', Some(2)), ('b', Some(2))]));
    store.roll_back(at(2));
    assert_eq!(all(&store.view(0, at(9))), [('a', 1)]);
    assert_eq!(untouched(&store.view(0, at(9)), 9), ['a']);
}

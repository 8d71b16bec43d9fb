//! Goal: an action that is called from inside a closure on records is an error, never a deadlock.
//! Method: every worker calls one at the same time.

use waterclock_base::Error;
use waterclock_engine::Engine;

#[test]
fn an_action_inside_a_closure_is_refused() {
    let engine = Engine::local(1);
    for count in [4u64, 40_000] {
        let inner = engine.parallelize(vec![1u64, 2], 2);
        let error = engine
            .parallelize((0..count).collect(), 4)
            .map(move |n| inner.count().map(|count| count + n).unwrap_or_else(|error| panic!("{error}")))
            .collect()
            .unwrap_err();
        assert!(error.full_text().contains("can't be called from inside a closure"), "{error:?}");
        let inner = engine.parallelize(vec![1u64, 2], 2);
        let seen = engine
            .parallelize((0..count).collect(), 2)
            .map(move |_| matches!(inner.take(1), Err(Error::Action { call: "take", .. })));
        assert!(seen.collect().unwrap().into_iter().all(|refused| refused));
    }
}

#[test]
fn an_action_after_a_task_on_the_same_thread_is_allowed() {
    let engine = Engine::local(1);
    // A small job runs on this very thread.
    assert_eq!(engine.parallelize(vec![1, 2], 1).count().unwrap(), 2);
    assert_eq!(engine.parallelize(vec![1, 2], 1).sum().unwrap(), 3);
}

#[test]
fn the_driver_side_of_an_action_may_use_other_actions() {
    let engine = Engine::local(1);
    let inner = engine.parallelize(vec![1u64, 2], 2);
    let sum = engine.parallelize(vec![1u64, 2, 3], 3).aggregate(
        0,
        |a, b| a + b,
        move |a, b| a + b + inner.count().unwrap(),
    );
    assert_eq!(sum.unwrap(), 6 + 3 * 2);
}

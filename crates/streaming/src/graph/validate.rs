//! What must hold before a context starts.

use waterclock_base::{Error, Result};

use super::remember::default_checkpoint_interval;
use super::{AnyNode, Graph};

/// Refuses a graph that can't run, saying why and what to do.
pub(crate) fn validate(graph: &Graph) -> Result<()> {
    if graph.outputs().is_empty() {
        return refuse(
            "no output operation was defined, so there is nothing to run",
            "add one, as `.print()` or `.foreach_rdd(..)`",
        );
    }
    for node in graph.reachable() {
        check_state(graph, &*node)?;
        check_interval(graph, &*node)?;
    }
    Ok(())
}

fn refuse(why: impl Into<String>, hint: &'static str) -> Result<()> {
    Err(Error::Start { why: why.into(), hint })
}

/// Spark's rule: state needs somewhere to be checkpointed. Ours does not, as its lineage never grows.
fn check_state(graph: &Graph, node: &dyn AnyNode) -> Result<()> {
    let Some(kind) = node.info().state else { return Ok(()) };
    if !graph.settings.spark_rules.checkpoint_for_state {
        return Ok(());
    }
    if !graph.has_checkpoint_dir() {
        return refuse(
            format!("{} keeps state, and no checkpoint directory was set", node.label()),
            "set one with `checkpoint_dir`, or switch `SparkRules::checkpoint_for_state` off",
        );
    }
    if node.checkpoint_interval().is_none() {
        node.set_checkpoint_interval(default_checkpoint_interval(kind, node.slide()));
    }
    Ok(())
}

fn check_interval(graph: &Graph, node: &dyn AnyNode) -> Result<()> {
    let Some(interval) = node.checkpoint_interval() else { return Ok(()) };
    let slide = node.slide();
    if !graph.has_checkpoint_dir() {
        return refuse(
            format!("a checkpoint interval was set on {}, and no checkpoint directory", node.label()),
            "set one with `checkpoint_dir`, or leave the interval out",
        );
    }
    if interval < slide || interval.as_millis() % slide.as_millis().max(1) != 0 {
        return refuse(
            format!(
                "the checkpoint interval {interval:?} of {} is not a multiple of its slide {slide:?}",
                node.label()
            ),
            "give a multiple of the slide; five to ten slides are usual",
        );
    }
    Ok(())
}

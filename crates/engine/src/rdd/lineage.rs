//! The erased side of a dataset: what the planner needs to know of it, whatever its records are.

use std::any::Any;
use std::borrow::Cow;
use std::panic::Location;
use std::sync::Arc;

use waterclock_base::RddId;

use crate::partition::PartitionerId;
use crate::stage::StageOutput;

/// What a dataset is made from.
#[derive(Clone)]
pub enum Parent {
    /// Each partition reads some partitions of another dataset, in the same task.
    Narrow(Arc<dyn Lineage>),
    /// It reads what the tasks of an earlier stage left: a shuffle, or a state update.
    Stage(Arc<dyn StageOutput>),
}

/// What is fixed about a dataset when it is defined.
pub struct RddInfo {
    /// Its number.
    pub id: RddId,
    /// The operation that defines it.
    pub operator: Cow<'static, str>,
    /// Where the program calls the operation.
    pub site: &'static Location<'static>,
    /// How many partitions it has.
    pub partitions: usize,
    /// How its keys are spread over them, if that is known.
    pub partitioner: Option<PartitionerId>,
    /// The [`Partitioner`](crate::Partitioner) itself, where the operation knew it.
    pub(crate) spread: Option<Arc<dyn Any + Send + Sync>>,
    /// What it is made from.
    pub parents: Vec<Parent>,
    /// Bytes that its source holds, about; none where only the parents know.
    pub bytes: Option<u64>,
}

/// A dataset without its record type.
pub trait Lineage: Send + Sync + 'static {
    /// What is fixed about it.
    fn info(&self) -> &RddInfo;
    /// Whether all its partitions are kept, so that what is above need not run.
    fn is_kept(&self) -> bool;
}

/// Bytes that computing the dataset reads, about; none if that can't be known beforehand.
pub(crate) fn input_bytes(rdd: &dyn Lineage) -> Option<u64> {
    let info = rdd.info();
    if let Some(bytes) = info.bytes {
        return Some(bytes);
    }
    info.parents.iter().try_fold(0u64, |sum, parent| {
        let bytes = match parent {
            Parent::Narrow(rdd) => input_bytes(&**rdd)?,
            Parent::Stage(stage) => stage.bytes()?,
        };
        Some(sum + bytes)
    })
}

/// Finds the dataset with this number among `rdd` and what it is made from in the same stage.
pub(crate) fn find(rdd: &Arc<dyn Lineage>, id: RddId) -> Option<Arc<dyn Lineage>> {
    if rdd.info().id == id {
        return Some(rdd.clone());
    }
    rdd.info().parents.iter().find_map(|parent| match parent {
        Parent::Narrow(rdd) => find(rdd, id),
        Parent::Stage(_) => None,
    })
}

/// A drawing of the lineage, one dataset a line, the newest first.
pub(crate) fn debug_string(rdd: &dyn Lineage) -> String {
    fn draw(rdd: &dyn Lineage, depth: usize, out: &mut String) {
        let info = rdd.info();
        let kept = if rdd.is_kept() { ", kept" } else { "" };
        out.push_str(&"  ".repeat(depth));
        out.push_str(&format!(
            "({}) {} at {} [{}{kept}]\n",
            info.partitions, info.operator, info.site, info.id
        ));
        for parent in &info.parents {
            match parent {
                Parent::Narrow(rdd) => draw(&**rdd, depth + 1, out),
                Parent::Stage(stage) => {
                    out.push_str(&"  ".repeat(depth + 1));
                    out.push_str(&format!("+- {} of {} tasks\n", stage.operator(), stage.tasks()));
                    for parent in stage.parents() {
                        if let Parent::Narrow(rdd) = parent {
                            draw(&*rdd, depth + 2, out);
                        }
                    }
                }
            }
        }
    }
    let mut out = String::new();
    draw(rdd, 0, &mut out);
    out
}

//! The erased side of a dataset: what the planner needs to know of it, whatever its records are.

use std::any::Any;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::panic::Location;
use std::sync::Arc;

use waterclock_base::{RddId, StageId};

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
    /// Bytes that are kept of it, about, once all its partitions are.
    fn kept_bytes(&self) -> Option<u64>;
}

/// Bytes that computing the dataset reads, about; none if that can't be known beforehand.
pub(crate) fn input_bytes(rdd: &dyn Lineage) -> Option<u64> {
    /// `joined` remembers the datasets of several parents: on the ways between them nothing branches, so
    /// that a lineage that meets itself again and again is still walked in linear time.
    fn bytes_of(rdd: &dyn Lineage, joined: &mut HashMap<RddId, Option<u64>>) -> Option<u64> {
        let info = rdd.info();
        if let Some(bytes) = info.bytes {
            return Some(bytes);
        }
        if let Some(known) = joined.get(&info.id) {
            return *known;
        }
        if let Some(bytes) = rdd.kept_bytes() {
            return Some(bytes);
        }
        let bytes = info.parents.iter().try_fold(0u64, |sum, parent| {
            let bytes = match parent {
                Parent::Narrow(rdd) => bytes_of(&**rdd, joined)?,
                Parent::Stage(stage) => stage.bytes()?,
            };
            Some(sum.saturating_add(bytes))
        });
        if info.parents.len() > 1 {
            joined.insert(info.id, bytes);
        }
        bytes
    }
    bytes_of(rdd, &mut HashMap::new())
}

/// Finds the dataset with this number among `rdd` and what it is made from in the same stage.
pub(crate) fn find(rdd: &Arc<dyn Lineage>, id: RddId) -> Option<Arc<dyn Lineage>> {
    let mut seen = HashSet::new();
    let mut left = vec![rdd.clone()];
    while let Some(rdd) = left.pop() {
        if rdd.info().id == id {
            return Some(rdd);
        }
        for parent in &rdd.info().parents {
            if let Parent::Narrow(rdd) = parent
                && seen.insert(rdd.info().id)
            {
                left.push(rdd.clone());
            }
        }
    }
    None
}

/// A drawing of the lineage, one dataset a line, the newest first. What is drawn already is only named.
pub(crate) fn debug_string(rdd: &dyn Lineage) -> String {
    let mut drawing = Drawing::default();
    drawing.draw(rdd, 0);
    drawing.text
}

#[derive(Default)]
struct Drawing {
    text: String,
    datasets: HashSet<RddId>,
    stages: HashSet<StageId>,
}

impl Drawing {
    fn line(&mut self, depth: usize, text: &str) {
        self.text.push_str(&"  ".repeat(depth));
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn draw(&mut self, rdd: &dyn Lineage, depth: usize) {
        let info = rdd.info();
        let kept = if rdd.is_kept() { ", kept" } else { "" };
        let again = if self.datasets.insert(info.id) { "" } else { ", see above" };
        let (partitions, operator) = (info.partitions, &info.operator);
        self.line(depth, &format!("({partitions}) {operator} at {} [{}{kept}{again}]", info.site, info.id));
        if !again.is_empty() {
            return;
        }
        for parent in &info.parents {
            match parent {
                Parent::Narrow(rdd) => self.draw(&**rdd, depth + 1),
                Parent::Stage(stage) => self.draw_stage(&**stage, depth + 1),
            }
        }
    }

    fn draw_stage(&mut self, stage: &dyn StageOutput, depth: usize) {
        self.line(depth, &format!("+- {} of {} tasks", stage.operator(), stage.tasks()));
        if !self.stages.insert(stage.id()) {
            return;
        }
        for parent in stage.parents() {
            match parent {
                Parent::Narrow(rdd) => self.draw(&*rdd, depth + 1),
                Parent::Stage(stage) => self.draw_stage(&*stage, depth + 1),
            }
        }
    }
}

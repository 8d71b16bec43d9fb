//! From lineage to stages: what must run before a target can, nearest first what everything else needs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use waterclock_base::{RddId, StageId};

use super::StageOutput;
use crate::rdd::{Lineage, Parent};

/// A stage that must run, and which earlier ones of the plan it reads.
pub(crate) struct PlannedStage {
    pub(crate) output: Arc<dyn StageOutput>,
    /// Positions in the plan.
    pub(crate) after: Vec<usize>,
}

/// The stages with missing outputs that `target` needs, each behind what it reads; `target` last.
///
/// What is kept (persisted whole) or already produced cuts the search: nothing above it runs.
pub(crate) fn plan(target: Arc<dyn StageOutput>) -> Vec<PlannedStage> {
    let mut planner = Planner::default();
    planner.visit(&target);
    planner.stages
}

#[derive(Default)]
struct Planner {
    stages: Vec<PlannedStage>,
    /// Where a stage is in the plan; none where it has nothing to do.
    seen: HashMap<StageId, Option<usize>>,
}

impl Planner {
    fn visit(&mut self, output: &Arc<dyn StageOutput>) -> Option<usize> {
        if let Some(position) = self.seen.get(&output.id()) {
            return *position;
        }
        let position = if output.missing().is_empty() {
            None
        } else {
            let mut reads = Reads::default();
            for parent in output.parents() {
                self.collect(&parent, &mut reads);
            }
            reads.after.sort_unstable();
            reads.after.dedup();
            self.stages.push(PlannedStage { output: output.clone(), after: reads.after });
            Some(self.stages.len() - 1)
        };
        self.seen.insert(output.id(), position);
        position
    }

    fn collect(&mut self, parent: &Parent, reads: &mut Reads) {
        match parent {
            Parent::Stage(stage) => reads.after.extend(self.visit(stage)),
            Parent::Narrow(rdd) => self.collect_above(&**rdd, reads),
        }
    }

    fn collect_above(&mut self, rdd: &dyn Lineage, reads: &mut Reads) {
        if reads.seen.insert(rdd.info().id) && !rdd.is_kept() {
            for parent in &rdd.info().parents {
                self.collect(parent, reads);
            }
        }
    }
}

/// What one stage reads, as far as it was followed.
#[derive(Default)]
struct Reads {
    after: Vec<usize>,
    seen: HashSet<RddId>,
}

//! The stage that fills buckets, and how they are read.

use std::borrow::Cow;
use std::panic::Location;
use std::sync::{Arc, Mutex};

use waterclock_base::world::lock;
use waterclock_base::{Codec, Data, Error, Record, Result, StageId, key_hash};

use crate::block::{Held, Placement, Share};
use crate::chunk::{Halt, Sink, Step};
use crate::rdd::{Parent, Rdd};
use crate::stage::{Claim, StageOutput, TaskOutput};
use crate::task::{Checked, TaskCx};

/// Sorts the records of one partition into buckets.
pub(crate) trait Fill<T: Data, B>: Send + Sync + 'static {
    /// One bucket for each partition of the next stage.
    fn fill(&self, parent: &Rdd<T>, partition: usize, cx: &TaskCx) -> Step<Vec<Vec<B>>>;
}

/// The buckets that one map task filled.
type Filled<B> = Arc<Vec<Held<B>>>;

/// The stage that fills buckets of `B` from a dataset of `T`.
pub(crate) struct ShuffleStage<T: Data, B: Record, F> {
    id: StageId,
    operator: Cow<'static, str>,
    site: &'static Location<'static>,
    parent: Rdd<T>,
    fill: F,
    filled: Mutex<Vec<Option<Filled<B>>>>,
    claim: Claim,
}

impl<T: Data, B: Record, F: Fill<T, B>> ShuffleStage<T, B, F> {
    pub(crate) fn new(
        parent: &Rdd<T>,
        operator: Cow<'static, str>,
        site: &'static Location<'static>,
        fill: F,
    ) -> Arc<Self> {
        Arc::new(ShuffleStage {
            id: parent.engine().next_stage_id(),
            operator,
            site,
            parent: parent.clone(),
            fill,
            filled: Mutex::new(vec![None; parent.partitions()]),
            claim: Claim::default(),
        })
    }

    /// Hands the records of one bucket of every map task to `out`, in the order of the map tasks.
    pub(crate) fn read(&self, bucket: usize, cx: &TaskCx, out: &mut dyn Sink<B>) -> Step {
        let out = &mut Checked::new(cx, out);
        for map in cx.in_order(self.parent.partitions()) {
            cx.check()?;
            let filled = lock(&self.filled)[map].clone().ok_or(Halt::Missing)?;
            if let Some(held) = filled.get(bucket) {
                held.read(out)?;
            }
        }
        Ok(())
    }

    /// Records in one bucket of every map task.
    pub(crate) fn len_of(&self, bucket: usize) -> Vec<usize> {
        let filled = lock(&self.filled);
        filled.iter().flatten().map(|buckets| buckets.get(bucket).map_or(0, Held::len)).collect()
    }
}

impl<T: Data, B: Record, F: Fill<T, B>> StageOutput for ShuffleStage<T, B, F> {
    fn id(&self) -> StageId {
        self.id
    }

    fn operator(&self) -> Cow<'static, str> {
        self.operator.clone()
    }

    fn site(&self) -> &'static Location<'static> {
        self.site
    }

    fn parents(&self) -> Vec<Parent> {
        vec![Parent::Narrow(self.parent.lineage())]
    }

    fn tasks(&self) -> usize {
        self.parent.partitions()
    }

    fn missing(&self) -> Vec<usize> {
        let filled = lock(&self.filled);
        (0..filled.len()).filter(|&map| filled[map].is_none()).collect()
    }

    fn run(&self, partition: usize, cx: &TaskCx) -> Step<TaskOutput> {
        let buckets = self.fill.fill(&self.parent, partition, cx)?;
        let memory = cx.engine().memory();
        let rule = Placement { share: Share::Shuffled, serialize: false, memory: true, disk: true };
        let mut held = Vec::with_capacity(buckets.len());
        for bucket in buckets {
            if bucket.is_empty() {
                held.push(Held::in_memory(bucket));
                continue;
            }
            let lost = |_| Error::Internal { what: "a bucket found no place, not even on disk".into() };
            held.push(Held::place(bucket, Codec::of(), memory, rule)?.map_err(lost)?);
        }
        Ok(Box::new(held))
    }

    fn rehearse(&self, partition: usize, cx: &TaskCx) -> Step<Option<u64>> {
        let buckets = self.fill.fill(&self.parent, partition, cx)?;
        let buckets = buckets.iter().enumerate();
        let records =
            buckets.flat_map(|(bucket, records)| records.iter().map(move |record| (bucket, record)));
        Ok(Some(records.map(|place| key_hash(&place)).fold(0, u64::wrapping_add)))
    }

    fn install(&self, partition: usize, output: TaskOutput) -> Result<()> {
        let wrong =
            || Error::Internal { what: format!("the shuffle of {} got other buckets", self.operator) };
        let held = output.downcast::<Vec<Held<B>>>().map_err(|_| wrong())?;
        *lock(&self.filled).get_mut(partition).ok_or_else(wrong)? = Some(Arc::new(*held));
        Ok(())
    }

    fn claim(&self) -> &Claim {
        &self.claim
    }

    fn bytes(&self) -> Option<u64> {
        let filled = lock(&self.filled);
        filled
            .iter()
            .try_fold(0, |sum, buckets| Some(sum + buckets.as_ref()?.iter().map(Held::bytes).sum::<u64>()))
    }
}

//! `zip_with_index` and `zip_with_unique_id`: each record with a number.

use std::borrow::Cow;
use std::panic::Location;
use std::sync::{Arc, Mutex};

use waterclock_base::world::lock;
use waterclock_base::{Data, Error, Result, StageId};

use crate::chunk::{Halt, Sink, Step};
use crate::job::Counter;
use crate::rdd::{Compute, Define, Parent, Rdd};
use crate::stage::{Claim, StageOutput, TaskOutput};
use crate::task::TaskCx;

/// # With numbers
impl<T: Data> Rdd<T> {
    /// Each record with its position in the whole dataset, from 0.
    ///
    /// With more than one partition a stage counts all but the last beforehand, so the dataset is computed
    /// twice unless it is [`persist`](Rdd::persist)ed.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let numbered = Engine::local(2).parallelize(vec!['a', 'b', 'c'], 2).zip_with_index();
    /// assert_eq!(numbered.collect()?, [('a', 0), ('b', 1), ('c', 2)]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn zip_with_index(&self) -> Rdd<(T, u64)> {
        let site = Location::caller();
        let before_last = self.partitions().saturating_sub(1);
        let counts = Arc::new(CountStage {
            id: self.engine().next_stage_id(),
            site,
            parent: self.clone(),
            counts: Mutex::new(vec![None; before_last]),
            claim: Claim::default(),
        });
        let mut define = Define::new("zip_with_index", self.partitions()).at(site).reads(self);
        if before_last > 0 {
            define = define.after(counts.clone());
        }
        define.build(self.engine(), Numbered { parent: self.clone(), number: Indexes { counts } })
    }

    /// Each record with a number that no other has: the record at position j of partition i of p has
    /// `j * p + i`. Nothing is counted beforehand, but there are gaps where partitions differ in size.
    ///
    /// ```
    /// # use waterclock_engine::Engine;
    /// let numbered = Engine::local(2).parallelize(vec!['a', 'b', 'c'], 2).zip_with_unique_id();
    /// assert_eq!(numbered.collect()?, [('a', 0), ('b', 1), ('c', 3)]);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn zip_with_unique_id(&self) -> Rdd<(T, u64)> {
        let define = self.derive("zip_with_unique_id").at(Location::caller());
        let number = Interleaved { partitions: self.partitions() as u64 };
        define.build(self.engine(), Numbered { parent: self.clone(), number })
    }
}

/// The numbers of a partition: the first, and how far each is from the one before it.
trait Numbers: Send + Sync + 'static {
    fn of(&self, partition: usize) -> Step<(u64, u64)>;
}

struct Indexes<T: Data> {
    counts: Arc<CountStage<T>>,
}

impl<T: Data> Numbers for Indexes<T> {
    fn of(&self, partition: usize) -> Step<(u64, u64)> {
        let counts = lock(&self.counts.counts);
        let first = counts.iter().take(partition).try_fold(0, |sum, count| Some(sum + (*count)?));
        Ok((first.ok_or(Halt::Missing)?, 1))
    }
}

struct Interleaved {
    partitions: u64,
}

impl Numbers for Interleaved {
    fn of(&self, partition: usize) -> Step<(u64, u64)> {
        Ok((partition as u64, self.partitions))
    }
}

struct Numbered<T: Data, N> {
    parent: Rdd<T>,
    number: N,
}

impl<T: Data, N: Numbers> Compute<(T, u64)> for Numbered<T, N> {
    fn compute(&self, partition: usize, cx: &TaskCx, out: &mut dyn Sink<(T, u64)>) -> Step {
        let (next, step) = self.number.of(partition)?;
        self.parent.compute(partition, cx, &mut Numbering { next, step, numbered: Vec::new(), out })
    }
}

struct Numbering<'a, T: Data> {
    next: u64,
    step: u64,
    numbered: Vec<(T, u64)>,
    out: &'a mut dyn Sink<(T, u64)>,
}

impl<T: Data> Sink<T> for Numbering<'_, T> {
    fn push(&mut self, chunk: &mut Vec<T>) -> Step {
        for record in chunk.drain(..) {
            self.numbered.push((record, self.next));
            self.next += self.step;
        }
        self.out.push(&mut self.numbered)
    }
}

/// The stage that counts the records of each partition but the last.
struct CountStage<T: Data> {
    id: StageId,
    site: &'static Location<'static>,
    parent: Rdd<T>,
    counts: Mutex<Vec<Option<u64>>>,
    claim: Claim,
}

impl<T: Data> StageOutput for CountStage<T> {
    fn id(&self) -> StageId {
        self.id
    }

    fn operator(&self) -> Cow<'static, str> {
        "zip_with_index".into()
    }

    fn site(&self) -> &'static Location<'static> {
        self.site
    }

    fn parents(&self) -> Vec<Parent> {
        vec![Parent::Narrow(self.parent.lineage())]
    }

    fn tasks(&self) -> usize {
        lock(&self.counts).len()
    }

    fn missing(&self) -> Vec<usize> {
        let counts = lock(&self.counts);
        (0..counts.len()).filter(|&partition| counts[partition].is_none()).collect()
    }

    fn run(&self, partition: usize, cx: &TaskCx) -> Step<TaskOutput> {
        let mut counter = Counter(0);
        self.parent.compute(partition, cx, &mut counter)?;
        Ok(Box::new(counter.0))
    }

    fn install(&self, partition: usize, output: TaskOutput) -> Result<()> {
        let wrong = || Error::Internal { what: "zip_with_index got something that is no count".into() };
        let count = output.downcast::<u64>().map_err(|_| wrong())?;
        *lock(&self.counts).get_mut(partition).ok_or_else(wrong)? = Some(*count);
        Ok(())
    }

    fn claim(&self) -> &Claim {
        &self.claim
    }

    fn bytes(&self) -> Option<u64> {
        Some(0)
    }
}

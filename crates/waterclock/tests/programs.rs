//! Goal: the programs that are promised to users compile and do what they say.
//!
//! Method: each is a file of its own in `programs/`, word for word as the documentation shows it.

mod programs {
    pub(crate) mod running_state;
}

/// T-030 (as a user's program): running totals by key, in virtual time.
#[test]
fn running_state_in_virtual_time() {
    programs::running_state::main().unwrap();
}

use std::io::{Read, Write};
use std::path::PathBuf;

use waterclock_base::world::ManualClock;

use super::*;

fn disk(seed: u64) -> Arc<SimDisk> {
    let disk = SimDisk::new(ManualClock::new(), seed);
    disk.create_dir_all(Path::new("/d")).unwrap();
    disk
}

fn content(disk: &SimDisk, path: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    disk.open(Path::new(path)).ok()?.read_to_end(&mut bytes).unwrap();
    Some(bytes)
}

fn write(disk: &SimDisk, path: &str, bytes: &[u8]) -> Box<dyn DiskFile> {
    let mut file = disk.create(Path::new(path)).unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// What seeds 0 to 63 leave of a crash after `act`, without repetitions.
fn outcomes(crash: Crash, act: impl Fn(&SimDisk)) -> Vec<Option<Vec<u8>>> {
    let outcome = |seed| {
        let disk = disk(seed);
        act(&disk);
        disk.crash(crash);
        content(&disk.restart(), "/d/f")
    };
    let mut outcomes: Vec<_> = (0..64).map(outcome).collect();
    outcomes.sort();
    outcomes.dedup();
    outcomes
}

#[test]
fn what_is_synced_survives_and_what_is_not_may() {
    let synced = |disk: &SimDisk| {
        write(disk, "/d/f", b"old").sync().unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
    };
    assert_eq!(outcomes(Crash::PowerCut, synced), [Some(b"old".to_vec())]);
    let without_name = |disk: &SimDisk| write(disk, "/d/f", b"old").sync().unwrap();
    assert_eq!(outcomes(Crash::PowerCut, without_name), [None, Some(b"old".to_vec())]);
    assert_eq!(outcomes(Crash::Kill, without_name), [Some(b"old".to_vec())]);
    let without_content = |disk: &SimDisk| {
        write(disk, "/d/f", b"new");
        disk.sync_dir(Path::new("/d")).unwrap();
    };
    let lost = [vec![], vec![0; 3], b"new".to_vec()].map(Some);
    assert_eq!(outcomes(Crash::PowerCut, without_content), lost);
}

#[test]
fn any_subset_of_the_sectors_survives() {
    let outcomes = outcomes(Crash::PowerCut, |disk| {
        let mut file = write(disk, "/d/f", &[b'a'; 1024]);
        file.sync().unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        file.write_all(&[b'b'; 1024]).unwrap();
    });
    let sectors = |a: u8, b: u8| Some([[a; 512], [b; 512]].concat());
    assert_eq!(
        outcomes,
        [sectors(b'a', b'a'), sectors(b'a', b'b'), sectors(b'b', b'a'), sectors(b'b', b'b')]
    );
}

#[test]
fn a_rename_survives_whole_or_not_at_all() {
    let renamed = |disk: &SimDisk| {
        write(disk, "/d/f", b"old").sync().unwrap();
        write(disk, "/d/g", b"new").sync().unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        disk.rename(Path::new("/d/g"), Path::new("/d/f")).unwrap();
    };
    assert_eq!(outcomes(Crash::PowerCut, renamed), [b"new", b"old"].map(|text| Some(text.to_vec())));
}

#[test]
fn a_dead_process_can_do_nothing() {
    let disk = disk(1);
    let mut file = write(&disk, "/d/f", b"x");
    disk.crash_at(disk.operations() + 2, Crash::Kill);
    file.write_all(b"y").unwrap();
    assert!(file.sync().is_err());
    assert!(!disk.is_alive() && file.write_all(b"z").is_err() && disk.open(Path::new("/d/f")).is_err());
    let next = disk.restart();
    assert!(next.is_alive() && disk.open(Path::new("/d/f")).is_err());
    assert_eq!(content(&next, "/d/f").unwrap(), b"xy");
}

#[test]
fn a_lock_ends_with_its_file_or_its_process() {
    let disk = disk(1);
    let open = |disk: &SimDisk| disk.open_or_create(Path::new("/d/lock")).unwrap();
    let (first, second) = (open(&disk), open(&disk));
    assert!(first.try_lock().unwrap() && !second.try_lock().unwrap());
    drop(first);
    assert!(second.try_lock().unwrap());
    let next = disk.restart();
    assert!(open(&next).try_lock().unwrap());
    drop(second);
}

#[test]
fn a_sync_fails_once_and_a_full_disk_stays_full() {
    let full = disk(1);
    let mut file = write(&full, "/d/f", b"x");
    full.fail_at(1, Failure::FullDisk);
    assert_eq!(file.write_all(b"y").unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(file.write_all(b"y").is_err() && file.sync().is_ok() && full.has_failed());
    full.restart().create(Path::new("/d/g")).unwrap();
    let failing = disk(1);
    let file = write(&failing, "/d/f", b"x");
    failing.fail_at(1, Failure::Sync);
    assert!(file.sync().is_err() && file.sync().is_ok());
}

#[test]
fn files_arrive_when_their_time_has_come() {
    let clock = ManualClock::new();
    let disk = SimDisk::new(clock.clone(), 1);
    let at = BatchTime::from_millis;
    disk.put_at(at(1000), "/in/a", b"text".to_vec(), at(5));
    assert!(disk.list(Path::new("/in")).is_err());
    clock.advance(std::time::Duration::from_secs(1));
    let entry = DiskEntry { path: PathBuf::from("/in/a"), modified: at(5), len: 4, is_dir: false };
    assert_eq!(disk.list(Path::new("/in")).unwrap(), [entry]);
    assert!(disk.flip_bit("/in/a", 0) && !disk.flip_bit("/in/a", 32));
    assert_eq!(content(&disk, "/in/a").unwrap(), b"uext");
}

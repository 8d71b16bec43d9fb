//! Java programs by Maven: fetched once, kept outside of the project.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::server::last_lines;

/// The class path of what `pom` names, fetched where it is missing. `name` is its place in the cache.
pub(super) fn class_path(name: &str, pom: &str) -> Result<String, String> {
    let place = cache()?.join(name);
    let at = |e: std::io::Error| format!("{}: {e}", place.display());
    fs::create_dir_all(&place).map_err(at)?;
    // Another run may be fetching just now.
    let lock = fs::File::create(place.join("lock")).map_err(at)?;
    lock.lock().map_err(at)?;
    if let Some(known) = known(&place, pom) {
        return Ok(known);
    }
    eprintln!("{name}: Maven fetches what is missing");
    let (path, new) = (place.join("class-path"), place.join("class-path.new"));
    // An older one would pass for this pom's if Maven fails.
    if path.exists() {
        fs::remove_file(&path).map_err(at)?;
    }
    fs::write(place.join("pom.xml"), pom).map_err(at)?;
    let mut maven = Command::new("mvn");
    maven.args(["-B", "-ntp", "-q", "dependency:build-classpath", "-Dmdep.outputFile=class-path.new"]);
    maven.arg(format!("-Dmaven.repo.local={}", place.join("repository").display())).current_dir(&place);
    let output = maven.output().map_err(|e| format!("`mvn` (Maven) can't be started: {e}"))?;
    if !output.status.success() {
        let said = last_lines(&String::from_utf8_lossy(&output.stdout));
        return Err(format!("{name}: `mvn` in {}: {}\n{said}", place.display(), output.status));
    }
    fs::rename(&new, &path).map_err(at)?;
    known(&place, pom)
        .ok_or_else(|| format!("{name}: Maven left no complete class path in {}", place.display()))
}

/// What was fetched for this `pom`, if it is all there.
fn known(place: &Path, pom: &str) -> Option<String> {
    let same = fs::read_to_string(place.join("pom.xml")).is_ok_and(|known| known == pom);
    let path = fs::read_to_string(place.join("class-path")).ok()?;
    let path = path.trim();
    let complete = !path.is_empty() && path.split(':').all(|jar| Path::new(jar).exists());
    (same && complete).then(|| path.to_owned())
}

/// The user's directory for what can be fetched again.
fn cache() -> Result<PathBuf, String> {
    let of = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = of("XDG_CACHE_HOME").or_else(|| of("HOME").map(|home| home.join(".cache")));
    let cache = cache.ok_or("neither XDG_CACHE_HOME nor HOME names a directory for what is fetched")?;
    Ok(cache.join("waterclock"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::guard::Guard;

    #[test]
    fn only_a_complete_class_path_of_the_same_pom_is_known() {
        let guard = Guard::new("maven-test", "KILL").unwrap();
        let place = &guard.directory;
        let (jar, gone) = (place.join("a.jar"), place.join("gone.jar"));
        fs::write(&jar, "").unwrap();
        fs::write(place.join("pom.xml"), "pom").unwrap();
        assert_eq!(known(place, "pom"), None);
        fs::write(place.join("class-path"), jar.display().to_string()).unwrap();
        assert_eq!(known(place, "pom"), Some(jar.display().to_string()));
        assert_eq!(known(place, "another pom"), None);
        fs::write(place.join("class-path"), format!("{}:{}", jar.display(), gone.display())).unwrap();
        assert_eq!(known(place, "pom"), None);
    }
}

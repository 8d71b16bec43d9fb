//! Command lines: `--name value` pairs and switches.

use std::str::FromStr;

/// What stands on the command line. Ask for every name, then call [`done`](Args::done).
///
/// ```
/// use waterclock_examples::Args;
/// let mut args = Args::new(["--rate", "50", "--stdin"]);
/// assert_eq!((args.number("--rate", 10), args.number("--batch", 1000)), (50, 1000));
/// assert!(args.switch("--stdin"));
/// assert_eq!(args.problem(), None);
/// ```
pub struct Args {
    given: Vec<String>,
    problem: Option<String>,
}

impl Args {
    /// The arguments of this process.
    pub fn of_process() -> Self {
        Self::new(std::env::args().skip(1))
    }

    /// These arguments.
    pub fn new(given: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { given: given.into_iter().map(Into::into).collect(), problem: None }
    }

    /// Whether the switch `name` is given.
    pub fn switch(&mut self, name: &str) -> bool {
        match self.given.iter().position(|arg| arg == name) {
            Some(at) => {
                self.given.remove(at);
                true
            }
            None => false,
        }
    }

    /// What stands behind `name`, if that is given.
    pub fn value(&mut self, name: &str) -> Option<String> {
        let at = self.given.iter().position(|arg| arg == name)?;
        self.given.remove(at);
        if at < self.given.len() {
            return Some(self.given.remove(at));
        }
        self.refuse(format!("`{name}` needs a value"));
        None
    }

    /// What stands behind `name`, which has to be given.
    pub fn needed(&mut self, name: &str) -> String {
        let value = self.value(name);
        if value.is_none() {
            self.refuse(format!("`{name}` has to be given"));
        }
        value.unwrap_or_default()
    }

    /// The number behind `name`, if that is given.
    pub fn number_of<N: FromStr>(&mut self, name: &str) -> Option<N> {
        let said = self.value(name)?;
        let number = said.parse().ok();
        if number.is_none() {
            self.refuse(format!("`{name} {said}`: not a number that fits"));
        }
        number
    }

    /// The number behind `name`, or `otherwise`.
    pub fn number<N: FromStr>(&mut self, name: &str, otherwise: N) -> N {
        self.number_of(name).unwrap_or(otherwise)
    }

    /// Says what is wrong with the arguments.
    pub fn refuse(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
    }

    /// What is wrong with the arguments, counting those that nobody asked for.
    pub fn problem(&self) -> Option<String> {
        let unknown = || self.given.first().map(|arg| format!("nothing is called `{arg}` here"));
        self.problem.clone().or_else(unknown)
    }

    /// Ends the process where help was asked for or something is wrong.
    pub fn done(mut self, help: &str) {
        if self.switch("--help") || self.switch("-h") {
            println!("{help}");
            std::process::exit(0);
        }
        if let Some(problem) = self.problem() {
            eprintln!("{problem}\n\n{help}");
            std::process::exit(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said() {
        let mut args = Args::new(["--rate", "many"]);
        assert_eq!(args.number("--rate", 1), 1);
        assert!(args.problem().unwrap().contains("many"));

        let mut args = Args::new(["--files"]);
        assert_eq!(args.value("--files"), None);
        assert!(args.problem().unwrap().contains("needs a value"));

        let mut args = Args::new(["--rate", "5"]);
        assert_eq!(args.needed("--input"), "");
        assert!(args.problem().unwrap().contains("`--input` has to be given"));

        assert!(Args::new(["--surprise"]).problem().unwrap().contains("--surprise"));
    }
}

//! Placeholder that the text form module replaces.
/// Text form.
pub fn text_form<T: serde::Serialize + ?Sized>(_record: &T) -> String {
    String::new()
}
/// Appends.
pub fn write_text_form<T: serde::Serialize + ?Sized>(record: &T, out: &mut String) {
    out.push_str(&text_form(record));
}

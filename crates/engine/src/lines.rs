//! Whole lines of text on their way to an operator: as they lie in their block, never one by one.

use waterclock_base::{Lent, Text, for_each_line};

use crate::chunk::{Sink, Step};
use crate::task::TaskCx;

/// Text is handed on in pieces of about this size: they stay in the processor's cache from the one who finds
/// the lines to the one who reads them, and a task that was called off ends after one.
const PIECE: usize = 128 << 10;

/// Hands the lines of `text` to `out`, each a record: what a source of text ends with.
///
/// Whoever wants blocks gets the text itself, others get its lines lent, a chunk at a time; no line is copied
/// or allocated. Lines end in `\n` or `\r\n`, the last one perhaps in nothing.
///
/// # Errors
/// What `out` says, or that the task was called off.
pub fn hand_lines(text: &str, cx: &TaskCx, out: &mut dyn Sink<Text>) -> Step {
    let blocks = out.wants_blocks();
    let mut rest = text;
    while !rest.is_empty() {
        cx.check()?;
        let (piece, later) = rest.split_at(piece_end(rest.as_bytes()));
        if blocks {
            out.block(piece)?;
        } else {
            lend_lines(piece, out)?;
        }
        rest = later;
    }
    Ok(())
}

/// The end of the last line that fits into a piece, or of the first one if that does not.
fn piece_end(text: &[u8]) -> usize {
    if text.len() <= PIECE {
        return text.len();
    }
    let (first, rest) = text.split_at(PIECE);
    let end = first.iter().rposition(|byte| *byte == b'\n');
    let end = end.or_else(|| rest.iter().position(|byte| *byte == b'\n').map(|at| PIECE + at));
    end.map_or(text.len(), |end| end + 1)
}

/// Lines that are lent in one call: few enough that their bytes are still in the nearest cache when the
/// operator looks at them.
const LINES: usize = 128;

fn lend_lines(piece: &str, out: &mut dyn Sink<Text>) -> Step {
    let mut lines: Vec<Lent<'_>> = Vec::with_capacity(LINES);
    let mut step = Ok(());
    for_each_line(piece, |line| {
        lines.push(Lent::new(line));
        if lines.len() == LINES {
            if step.is_ok() {
                step = lend(&lines, out);
            }
            lines.clear();
        }
    });
    step?;
    if lines.is_empty() { Ok(()) } else { lend(&lines, out) }
}

fn lend(lines: &[Lent<'_>], out: &mut dyn Sink<Text>) -> Step {
    const NONE: &Text = &Text::EMPTY;
    let mut texts = [NONE; LINES];
    for (text, line) in texts.iter_mut().zip(lines) {
        *text = line;
    }
    out.lend(&texts[..lines.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_lines() {
        assert_eq!(piece_end(b"a\nb"), 3);
        let mut text = vec![b'x'; PIECE + 10];
        assert_eq!(piece_end(&text), text.len());
        text[PIECE + 5] = b'\n';
        assert_eq!(piece_end(&text), PIECE + 6);
        text[PIECE - 1] = b'\n';
        assert_eq!(piece_end(&text), PIECE);
        text[7] = b'\n';
        assert_eq!(piece_end(&text), PIECE);
    }
}

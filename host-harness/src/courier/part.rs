//! By what name a send goes out, for a sink that keeps what came together ([`Sink::send_at`](crate::sink::Sink::send_at)).

use crate::spool::Position;

/// Which part of a piece: the whole one, and from then on each that is sent by itself because the receiver took another.
#[derive(Clone, Copy, Default)]
pub(super) struct Part(pub(super) usize);

impl Part {
    /// The name of the place where it begins; that of a whole piece is the same in each run.
    pub(super) fn place(self, spool: &str, sink: &str, from: &Position) -> String {
        let part = if self.0 == 0 { String::new() } else { format!("-{}", self.0) };
        format!("{sink}-{spool}-{:020}-{:010}{part}", from.entry, from.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_by_where_it_begins_and_a_part_of_it_by_its_number() {
        let from = Position { entry: 42, offset: 7, ..Position::default() };
        assert_eq!(
            Part(0).place("0123456789abcdef", "s3", &from),
            "s3-0123456789abcdef-00000000000000000042-0000000007"
        );
        assert_eq!(
            Part(2).place("0123456789abcdef", "s3", &from),
            "s3-0123456789abcdef-00000000000000000042-0000000007-2"
        );
    }
}

//! By which names receivers know the streams. The host knows nothing of the product; where it has to be named, it is done here.

/// The data set of a stream in the data stream naming scheme of Elastic: lower case, without `-` and what an index name may not
/// hold.
pub(super) fn dataset(stream: &str) -> String {
    let letter = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '_' | '.') => c,
        _ => '_',
    };
    format!("webex.{}", stream.chars().map(letter).collect::<String>())
}

/// The data stream of a stream, in the same scheme.
pub(super) fn data_stream(stream: &str) -> String {
    format!("logs-{}-default", dataset(stream))
}

/// All data streams of [`data_stream`].
pub(super) const DATA_STREAMS: &str = "logs-webex.*-*";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_without_a_name_of_its_own_gets_one_that_is_allowed() {
        assert_eq!(data_stream("admin_audits"), "logs-webex.admin_audits-default");
        assert_eq!(data_stream("New-Stream/\u{e9}*"), "logs-webex.new_stream___-default");
    }
}

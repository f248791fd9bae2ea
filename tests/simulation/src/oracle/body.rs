//! Bodies, compared token by token, by a reader of its own.

/// A JSON text without white space between tokens, as its members where it is an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Body {
    /// Key with quotes, and value, in their order; none: not an object.
    pub(super) members: Option<Vec<(String, String)>>,
    /// Without white space between tokens.
    pub(super) text: String,
}

/// What the plugin adds.
const ADDED: [&str; 2] = ["\"_time\"", "\"source_log_type\""];

impl Body {
    /// Of valid JSON.
    pub(super) fn read(json: &str) -> Self {
        let text = minified(json);
        let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let members = inner.map(|inner| {
            parts(inner, ',').into_iter().filter(|part| !part.is_empty()).map(|part| {
                let mut pair = parts(part, ':').into_iter();
                let key = pair.next().unwrap_or_default();
                (key.to_owned(), part.get(key.len() + 1..).unwrap_or_default().to_owned())
            })
        });
        Self { members: members.map(Iterator::collect), text: text.clone() }
    }

    /// The last value of a key.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        let quoted = format!("\"{key}\"");
        let members = self.members.as_deref().unwrap_or_default();
        members.iter().rev().find(|(name, _)| *name == quoted).map(|(_, value)| value.as_str())
    }

    /// What tells items apart: everything but the two fields that the plugin adds.
    pub(super) fn served(&self) -> String {
        match &self.members {
            None => self.text.clone(),
            Some(members) => {
                let kept: Vec<String> = members
                    .iter()
                    .filter(|(key, _)| !ADDED.contains(&key.as_str()))
                    .map(|(key, value)| format!("{key}:{value}"))
                    .collect();
                format!("{{{}}}", kept.join(","))
            }
        }
    }

    /// The same of a delivered body: an item that is no object was wrapped.
    pub(super) fn delivered(&self) -> String {
        match self.members.as_deref() {
            Some([(key, value), rest @ ..])
                if key == "\"_raw\"" && rest.iter().all(|(key, _)| ADDED.contains(&key.as_str())) =>
            {
                value.clone()
            }
            _ => self.served(),
        }
    }

    /// How often a key stands at the top.
    pub(super) fn count(&self, key: &str) -> usize {
        let quoted = format!("\"{key}\"");
        self.members.iter().flatten().filter(|(name, _)| *name == quoted).count()
    }
}

fn minified(json: &str) -> String {
    let (mut text, mut in_string, mut escaped) = (String::with_capacity(json.len()), false, false);
    for c in json.chars() {
        if in_string || !matches!(c, ' ' | '\t' | '\r' | '\n') {
            text.push(c);
        }
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ => {}
        }
    }
    text
}

/// Cut at a sign that stands outside strings, arrays and objects.
fn parts(text: &str, at: char) -> Vec<&str> {
    let (mut parts, mut begin, mut depth, mut in_string, mut escaped) = (Vec::new(), 0, 0_usize, false, false);
    for (index, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ if in_string => {}
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ if c == at && depth == 0 => {
                parts.extend(text.get(begin..index));
                begin = index + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.extend(text.get(begin..));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_between_tokens_and_added_fields_are_no_difference() {
        let served = Body::read("{ \"id\" : \"a\\\" b\",\n\"_time\":1, \"x\":[1, {\"y\":\"}\"}] }");
        let delivered = Body::read(r#"{"id":"a\" b","x":[1,{"y":"}"}],"_time":"t","source_log_type":"Events"}"#);
        assert_eq!(served.served(), delivered.delivered());
        assert_eq!((delivered.value("_time"), delivered.count("_time")), (Some("\"t\""), 1));
    }

    #[test]
    fn what_is_no_object_is_found_in_its_wrapping() {
        for raw in ["7.50", "[1, 2]", "\"a\"", "null"] {
            let wrapped = format!("{{\"_raw\":{raw},\"source_log_type\":\"Events\"}}");
            assert_eq!(Body::read(&wrapped).delivered(), Body::read(raw).served(), "{raw}");
        }
    }

    #[test]
    fn another_order_number_or_escape_is_a_difference() {
        for (one, other) in
            [(r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#), ("{\"a\":1.0}", "{\"a\":1}"), (r#"["\u0041"]"#, r#"["A"]"#)]
        {
            assert_ne!(Body::read(one).served(), Body::read(other).served());
        }
    }
}

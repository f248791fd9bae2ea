//! JSON cut into tokens, by no one's parser but this one: what a body is compared with.

/// A token: where it starts in the text, and its characters as they stand there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) at: usize,
    pub(crate) text: &'a str,
}

impl Token<'_> {
    fn end(&self) -> usize {
        self.at + self.text.len()
    }

    fn opens(&self) -> bool {
        matches!(self.text, "{" | "[")
    }

    fn closes(&self) -> bool {
        matches!(self.text, "}" | "]")
    }
}

/// Every token of a JSON text. Strings and numbers stay as they are written.
pub(crate) fn tokens(json: &str) -> Vec<Token<'_>> {
    let bytes = json.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            b' ' | b'\t' | b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            b'{' | b'}' | b'[' | b']' | b':' | b',' => at += 1,
            b'"' => {
                at += 1;
                while bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            _ => {
                while at < bytes.len() && !b" \t\n\r{}[]:,\"".contains(&bytes[at]) {
                    at += 1;
                }
            }
        }
        tokens.push(Token { at: start, text: &json[start..at] });
    }
    tokens
}

/// The texts of the tokens.
pub(crate) fn texts(json: &str) -> Vec<&str> {
    tokens(json).into_iter().map(|token| token.text).collect()
}

/// The items of `{"items": [...]}`, each as it is written.
pub(crate) fn items(page: &str) -> Vec<&str> {
    let tokens = tokens(page);
    let [brace, key, colon, bracket, rest @ ..] = tokens.as_slice() else { panic!("no page: {page}") };
    assert_eq!([brace.text, key.text, colon.text, bracket.text], ["{", "\"items\"", ":", "["]);
    let (mut items, mut depth, mut start) = (Vec::new(), 0, None);
    for token in rest {
        if depth == 0 && token.text == "]" {
            break;
        }
        if depth == 0 && token.text != "," {
            start = Some(token.at);
        }
        depth = depth + usize::from(token.opens()) - usize::from(token.closes());
        if depth == 0
            && let Some(start) = start.take()
        {
            items.push(&page[start..token.end()]);
        }
    }
    items
}

/// The value's tokens of the last member with this name, at the top of an object.
pub(crate) fn member<'a>(object: &'a str, name: &str) -> Option<Vec<&'a str>> {
    let (mut found, mut depth) = (None, 0);
    let tokens = tokens(object);
    for (index, token) in tokens.iter().enumerate() {
        let is_key = depth == 1 && tokens.get(index + 1).is_some_and(|next| next.text == ":");
        if is_key && token.text == format!("\"{name}\"") {
            let mut inner = 0;
            let value = tokens[index + 2..].iter().take_while(|token| {
                inner = inner + i32::from(token.opens()) - i32::from(token.closes());
                inner > 0 || (inner == 0 && token.text != ",")
            });
            found = Some(value.map(|token| token.text).collect());
        }
        depth = depth + usize::from(token.opens()) - usize::from(token.closes());
    }
    found
}

#[test]
fn a_text_is_cut_where_json_says() {
    let text = "{ \"a\\\"}\" : [1.0e+2,\ttrue,\r\n\"\\\\\"], \"ä\":{}}";
    let want =
        ["{", "\"a\\\"}\"", ":", "[", "1.0e+2", ",", "true", ",", "\"\\\\\"", "]", ",", "\"ä\"", ":", "{", "}", "}"];
    assert_eq!(texts(text), want);
    assert_eq!(items("{\"items\": [ {\"a\": [1, 2]} , 7,\n\"x\" ] }"), ["{\"a\": [1, 2]}", "7", "\"x\""]);
    assert!(items("{\"items\":[]}").is_empty());
    assert_eq!(member("{\"a\":{\"b\":1},\"b\":[2,{}],\"c\":3}", "b"), Some(vec!["[", "2", ",", "{", "}", "]"]));
    assert_eq!(member("{\"a\":{\"b\":1}}", "b"), None);
}

//! An object of JSON that grows key by key, in the order in which Webex writes them.

use serde_json::Value;

#[derive(Clone, Debug)]
pub(super) struct JsonObject(String);

impl JsonObject {
    pub(super) fn new() -> Self {
        Self("{".to_owned())
    }

    /// A member whose value is text.
    pub(super) fn text(self, key: &str, value: &str) -> Self {
        self.json(key, &Value::from(value).to_string())
    }

    /// A member whose value is JSON already.
    pub(super) fn json(mut self, key: &str, value: &str) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&Value::from(key).to_string());
        self.0.push(':');
        self.0.push_str(value);
        self
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn close(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_are_escaped() {
        let object = JsonObject::new().text("b", "\"\n").json("a", "[null]").close();
        assert_eq!(object, r#"{"b":"\"\n","a":[null]}"#);
        assert_eq!(JsonObject::new().close(), "{}");
    }
}

use std::collections::VecDeque;
use std::path::Path;

use super::*;
use crate::config::{Config, template};
use crate::runtime::Runtime;

/// A person who answers in this order. What is not written here is asked in vain.
struct Scripted {
    answers: VecDeque<&'static str>,
    asked: Vec<String>,
}

impl Scripted {
    fn next(&mut self, question: &str) -> &'static str {
        self.asked.push(question.to_owned());
        self.answers.pop_front().unwrap_or_else(|| panic!("not expected: {question}"))
    }
}

impl Questions for Scripted {
    fn yes(&mut self, question: &str, default: bool) -> Result<bool, CliError> {
        Ok(match self.next(question) {
            "" => default,
            answer => answer == "yes",
        })
    }

    fn text(&mut self, question: &str, default: &str) -> Result<String, CliError> {
        Ok(match self.next(question) {
            "" => default.to_owned(),
            answer => answer.to_owned(),
        })
    }

    fn choice(&mut self, question: &str, choices: &[String], default: usize) -> Result<usize, CliError> {
        Ok(match self.next(question) {
            "" => default,
            answer => choices.iter().position(|choice| choice.contains(answer)).unwrap(),
        })
    }

    fn secret(&mut self, question: &str) -> Result<Secret, CliError> {
        Ok(self.next(question).into())
    }
}

async fn plugin() -> Description {
    Runtime::new().unwrap().load(crate::COMPONENT).unwrap().describe().await.unwrap()
}

/// The file that these answers make, what is to be kept, and what was asked.
async fn filled(answers: &[&'static str], mut given: Answers) -> (String, Vec<ToKeep>, Vec<String>) {
    let plugin = plugin().await;
    let mut person = Scripted { answers: answers.iter().copied().collect(), asked: Vec::new() };
    let to_keep = ask(&plugin, &mut given, false, &mut person).unwrap();
    assert!(person.answers.is_empty(), "not asked: {:?}", person.answers);
    (template(&plugin, &given), to_keep, person.asked)
}

#[tokio::test]
async fn everything_that_is_asked_stands_in_the_file_and_secrets_do_not() {
    let (text, to_keep, asked) = filled(
        &[
            "yes",
            "C-admin",
            "encrypted store",
            "fake-secret",
            "",
            "", // the admin
            "yes",
            "C-officer",
            "environment",
            "MY_SECRET",
            "https://siem.example/callback", // the officer
            "yes",
            "hash", // security audits, message text
            "a file",
            "webex.ndjson",
        ],
        Answers::default(),
    )
    .await;
    for line in [
        "client_id = \"C-admin\"",
        "client_secret = { store = true }",
        "redirect_uri = \"http://127.0.0.1:8765/callback\"",
        "org_id = \"\"",
        "client_id = \"C-officer\"",
        "client_secret = { env = \"MY_SECRET\" }",
        "redirect_uri = \"https://siem.example/callback\"",
        "security_audits = true",
        "message_text = \"hash\"",
        "path = \"webex.ndjson\"",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    assert!(!text.contains("fake-secret"));
    assert!(asked.iter().any(|question| question.contains("`login` finds it")), "{asked:?}");
    assert_eq!(to_keep, [("admin_credentials", Secret::from("fake-secret"))]);
    assert!(asked.iter().any(|question| question.contains("to read Admin audit events and Security")), "{asked:?}");
}

#[tokio::test]
async fn a_user_that_is_not_there_is_commented_out_and_not_asked_about() {
    let (text, _, asked) =
        filled(&["no", "yes", "C-officer", "in a file", "co.secret", "", "", "standard output"], Answers::default())
            .await;
    assert!(text.contains("\n# [admin]\n") && text.contains("\n# client_id = \"\"\n"), "{text}");
    assert!(text.contains("client_secret = { file = \"co.secret\" }"), "{text}");
    assert!(!asked.iter().any(|question| question.contains("Sign-ins and sign-outs")), "{asked:?}");
    // The file with the secret is not there: everything before it was understood.
    let error = Config::parse(&text, Path::new("webex.toml")).unwrap_err().to_string();
    assert!(error.contains("co.secret"), "{error}");
}

#[tokio::test]
async fn what_options_have_said_is_not_asked_again() {
    let plugin = plugin().await;
    let mut given = Answers::default();
    given.only(&plugin, &["admin".to_owned()]).unwrap();
    for (key, value) in [
        ("admin.client_id", "C"),
        ("admin.client_secret", "env:X"),
        ("admin.redirect_uri", "http://127.0.0.1:1/"),
        ("admin.org_id", "O"),
        ("collect.security_audits", "false"),
        ("privacy.message_text", "drop"),
    ] {
        given.put(&plugin, key, value).unwrap();
    }
    given.sink("syslog");
    let mut nobody = Scripted { answers: VecDeque::new(), asked: Vec::new() };
    assert_eq!(ask(&plugin, &mut given, true, &mut nobody).unwrap(), []);
    let text = template(&plugin, &given);
    assert!(text.contains("type = \"syslog\"\naddress = ") && text.contains("org_id = [\"O\"]"), "{text}");
}

#[tokio::test]
async fn a_client_id_is_asked_for_until_there_is_one() {
    let (text, _, asked) =
        filled(&["yes", " ", "C", "environment", "", "", "", "no", "", "", "standard output"], Answers::default())
            .await;
    assert!(asked.iter().any(|question| question.starts_with("It is needed.")), "{asked:?}");
    assert!(text.contains("client_secret = { env = \"WEBEX_ADMIN_CLIENT_SECRET\" }"), "{text}");
}

#[tokio::test]
async fn an_answer_that_cannot_stand_in_the_file_says_what_can() {
    let plugin = plugin().await;
    let mut answers = Answers::default();
    for (key, value, want) in [
        ("admin.client_idd", "C", "did you mean `admin.client_id`?"),
        ("admin.client_secret", "fake-secret", "`store`, `env:NAME` or `file:PATH`"),
        ("collect.security_audits", "maybe", "true or false"),
        ("collect.max_fetch", "many", "a whole number"),
        ("privacy.message_text", "burn", "one of keep, drop, hash"),
        ("network.proxy_password", "store", "`env:NAME`"),
    ] {
        let error = answers.put(&plugin, key, value).unwrap_err().to_string();
        assert!(error.contains(want) && !error.contains("fake-secret"), "{error}");
    }
    let error = answers.only(&plugin, &["root".to_owned()]).unwrap_err().to_string();
    assert!(error.contains("there are admin and compliance_officer"), "{error}");
}

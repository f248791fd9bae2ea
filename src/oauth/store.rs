//! The user's part of the host's secrets.

use crate::answer::FAULT_WAIT;
use crate::effect::{Io, SecretsError};
use crate::failure::{Code, Failure};
use crate::secret::{Revision, Secret, SecretName, Versioned};
use crate::stream::User;

/// Reads and writes the secrets of one user.
#[derive(Clone, Debug)]
pub struct Store {
    io: Io,
    user: User,
}

/// Somebody else has written since it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict;

impl Store {
    /// Of this user.
    pub const fn new(io: Io, user: User) -> Self {
        Self { io, user }
    }

    /// What is stored; none: nothing.
    pub async fn read(&self, name: SecretName) -> Result<Option<Versioned>, Failure> {
        self.io.read_secret(name).await.map_err(|error| self.failure(name, &error))
    }

    /// Writes if nobody else has written since `expected` was read.
    pub async fn replace(
        &self,
        name: SecretName,
        expected: Option<Revision>,
        value: Secret,
    ) -> Result<Result<Revision, Conflict>, Failure> {
        match self.io.replace_secret(name, expected, value).await {
            Ok(revision) => Ok(Ok(revision)),
            Err(SecretsError::Conflict) => Ok(Err(Conflict)),
            Err(error) => Err(self.failure(name, &error)),
        }
    }

    /// The client secret, without which Webex gives no token.
    pub async fn client_secret(&self) -> Result<Secret, Failure> {
        let name = SecretName::Credentials(self.user);
        self.text(name).await?.ok_or_else(|| {
            let remedy = format!("set the client secret of the {}'s integration", self.user.title());
            Failure::setting(name.name(), "has a client id, but its client secret is missing", remedy)
                .of_user(self.user)
        })
    }

    /// A Service App's refresh token, if the operator has supplied one.
    pub async fn supplied(&self) -> Result<Option<Secret>, Failure> {
        self.text(SecretName::RefreshToken(self.user)).await
    }

    /// Without the white space that pasting leaves; empty counts as absent.
    async fn text(&self, name: SecretName) -> Result<Option<Secret>, Failure> {
        let text = self.read(name).await?.map(|stored| stored.value.expose().trim().to_owned());
        Ok(text.filter(|text| !text.is_empty()).map(Secret::new))
    }

    fn failure(&self, name: SecretName, error: &SecretsError) -> Failure {
        let failure = |remedy: &str| {
            let message = format!("secret `{}`: {error}", name.name());
            Failure::new(Code::SecretsUnavailable, message, remedy).of_user(self.user)
        };
        match error {
            SecretsError::Denied => failure("let the plugin use the secrets that it lists in its description"),
            SecretsError::Unavailable(_) | SecretsError::Conflict => failure("").at(self.io.now() + FAULT_WAIT),
        }
    }
}

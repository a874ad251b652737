//! Encryption and decryption with a key, for callers and for services on their behalf.

use crate::fake_aws::arn::Arn;
use crate::fake_aws::crypto::{self, EncryptionContext};
use crate::fake_aws::error::{AwsError, Outcome};
use crate::fake_aws::iam::{Access, Keys};
use crate::fake_aws::world::{Context, World};

/// How a call reaches a key.
#[derive(Clone, Copy)]
pub(in crate::fake_aws) struct Through<'a> {
    /// The service that calls on behalf of the caller, as the policies of AWS-managed keys require.
    service: Option<&'static str>,
    /// The key as the call names it.
    key_id: Option<&'a str>,
}

impl<'a> Through<'a> {
    /// The caller's own request.
    pub(in crate::fake_aws) fn direct(key_id: Option<&'a str>) -> Self {
        Self { service: None, key_id }
    }

    /// A request of Parameter Store.
    pub(in crate::fake_aws) fn ssm(key_id: Option<&'a str>) -> Self {
        Self { service: Some("ssm"), key_id }
    }

    /// A request of Secrets Manager.
    pub(in crate::fake_aws) fn secrets_manager() -> Self {
        Self { service: Some("secretsmanager"), key_id: None }
    }

    /// The condition keys of the call.
    pub(super) fn keys(self, context: &Context, pairs: &EncryptionContext) -> Keys {
        let alias = self.key_id.map(|id| Arn::parse(id).map_or(id, |arn| arn.resource));
        let service = self.service.map(|service| format!("{service}.{}.amazonaws.com", context.region));
        let mut keys = Keys::default()
            .with("kms:CallerAccount", &context.caller.account)
            .with_some("kms:ViaService", service.as_deref())
            .with_some("kms:RequestAlias", alias.filter(|id| id.starts_with("alias/")))
            .with_all("kms:EncryptionContextKeys", pairs.keys().map(String::as_str));
        for (name, value) in pairs {
            keys = keys.with(&format!("kms:EncryptionContext:{name}"), value);
        }
        keys
    }
}

/// Encrypts with the key. `action` is `kms:Encrypt` or `kms:GenerateDataKey`.
pub(in crate::fake_aws) fn encrypt(
    world: &World,
    context: &Context,
    key_arn: &str,
    action: &str,
    plaintext: &[u8],
    encryption_context: &EncryptionContext,
    through: Through<'_>,
) -> Outcome<Vec<u8>> {
    check(world, context, key_arn, action, encryption_context, through)?;
    Ok(world.keys.get(key_arn)?.cipher.encrypt(key_arn, encryption_context, plaintext))
}

/// Decrypts a blob with the key it names, and counts it.
pub(in crate::fake_aws) fn decrypt(
    world: &mut World,
    context: &Context,
    blob: &[u8],
    encryption_context: &EncryptionContext,
    through: Through<'_>,
) -> Outcome<Vec<u8>> {
    // As in KMS, the error has no message.
    let invalid = |_| AwsError::new("InvalidCiphertextException", "");
    let key_arn = crypto::key_of(blob).map_err(invalid)?;
    check_decryption(world, context, key_arn, encryption_context, through)?;
    let plaintext = world.keys.get(key_arn)?.cipher.decrypt(blob, encryption_context).map_err(invalid)?;
    if !context.is_test {
        world.recorder.count_decrypt();
    }
    Ok(plaintext)
}

/// Lets the caller decrypt with the key, or returns the error of KMS.
pub(in crate::fake_aws) fn check_decryption(
    world: &World,
    context: &Context,
    key_arn: &str,
    encryption_context: &EncryptionContext,
    through: Through<'_>,
) -> Outcome<()> {
    check(world, context, key_arn, "kms:Decrypt", encryption_context, through)
}

fn check(
    world: &World,
    context: &Context,
    key_arn: &str,
    action: &str,
    pairs: &EncryptionContext,
    through: Through<'_>,
) -> Outcome<()> {
    let key = match world.keys.get(key_arn) {
        // Its policy allows only services, for principals of its own account.
        Ok(key) if key.aws_managed && (through.service.is_none() || key.account != context.caller.account) => {
            return Err(no_such_key_for_you());
        }
        Ok(key) => key,
        Err(error) if through.service.is_some() => return Err(error),
        Err(_) => return Err(no_such_key_for_you()),
    };
    // The policy of an AWS-managed key grants its use, so that an identity needs no statement for it.
    let access = Access::new(action, key_arn).with_keys(through.keys(context, pairs)).granted(key.aws_managed);
    world.permit(context, key.guard(context, access))?;
    key.check_usable()
}

fn no_such_key_for_you() -> AwsError {
    AwsError::new(
        "AccessDeniedException",
        "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you \
         are not allowed to access.",
    )
}

//! Encryption and decryption with a key, for callers and for services on their behalf.

use crate::fake_aws::crypto::{self, EncryptionContext};
use crate::fake_aws::error::{AwsError, Outcome};
use crate::fake_aws::world::{Context, World};

/// The user of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::fake_aws) enum Through {
    /// The caller.
    Direct,
    /// Parameter Store, as the policy of `aws/ssm` requires.
    Ssm,
}

/// Encrypts with the key. `action` is `kms:Encrypt` or `kms:GenerateDataKey`.
pub(in crate::fake_aws) fn encrypt(
    world: &World,
    context: &Context,
    key_arn: &str,
    action: &str,
    plaintext: &[u8],
    encryption_context: &EncryptionContext,
    through: Through,
) -> Outcome<Vec<u8>> {
    check(world, context, key_arn, action, through)?;
    Ok(world.keys.get(key_arn)?.cipher.encrypt(key_arn, encryption_context, plaintext))
}

/// Decrypts a blob with the key it names, and counts it.
pub(in crate::fake_aws) fn decrypt(
    world: &mut World,
    context: &Context,
    blob: &[u8],
    encryption_context: &EncryptionContext,
    through: Through,
) -> Outcome<Vec<u8>> {
    // As in KMS, the error has no message.
    let invalid = |_| AwsError::new("InvalidCiphertextException", "");
    let key_arn = crypto::key_of(blob).map_err(invalid)?;
    check(world, context, key_arn, "kms:Decrypt", through)?;
    let plaintext = world.keys.get(key_arn)?.cipher.decrypt(blob, encryption_context).map_err(invalid)?;
    if !context.is_test {
        world.recorder.count_decrypt();
    }
    Ok(plaintext)
}

fn check(world: &World, context: &Context, key_arn: &str, action: &str, through: Through) -> Outcome<()> {
    let key = match (world.keys.get(key_arn), through) {
        // Its policy allows only Parameter Store and principals of its own account.
        (Ok(key), _) if key.aws_managed && (through == Through::Direct || key.account != context.caller.account) => {
            return Err(no_such_key_for_you());
        }
        (Ok(key), _) => key,
        (Err(_), Through::Direct) => return Err(no_such_key_for_you()),
        (Err(error), Through::Ssm) => return Err(error),
    };
    // The policy of an AWS-managed key grants its use, so that an identity needs no statement for it.
    world.authorize_shared(context, action, key_arn, key.aws_managed)?;
    key.check_usable()
}

fn no_such_key_for_you() -> AwsError {
    AwsError::new(
        "AccessDeniedException",
        "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you \
         are not allowed to access.",
    )
}

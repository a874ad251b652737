//! Encrypting and decrypting with a key, for callers and for services on their behalf.

use crate::fake_aws::crypto::{self, EncryptionContext};
use crate::fake_aws::error::{AwsError, Outcome};
use crate::fake_aws::world::{Context, World};

/// On whose behalf a key is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::fake_aws) enum Through {
    /// The caller itself.
    Nobody,
    /// Parameter Store, which is what the policy of `aws/ssm` asks for.
    Ssm,
}

/// Encrypts under the key. `action` is `kms:Encrypt` or `kms:GenerateDataKey`.
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
    // KMS says no more than the name of the exception, or it would help those who probe.
    let invalid = |_| AwsError::new("InvalidCiphertextException", "");
    let key_arn = crypto::key_of(blob).map_err(invalid)?;
    check(world, context, key_arn, "kms:Decrypt", through)?;
    let plaintext = world.keys.get(key_arn)?.cipher.decrypt(blob, encryption_context).map_err(invalid)?;
    if !context.behind_the_scenes {
        world.recorder.count_decrypt();
    }
    Ok(plaintext)
}

fn check(world: &World, context: &Context, key_arn: &str, action: &str, through: Through) -> Outcome<()> {
    let key = match (world.keys.get(key_arn), through) {
        // Its policy names Parameter Store and the principals of its own account, nobody else.
        (Ok(key), _) if key.aws_managed && (through == Through::Nobody || key.account != context.caller.account) => {
            return Err(no_such_key_for_you());
        }
        (Ok(key), _) => key,
        (Err(_), Through::Nobody) => return Err(no_such_key_for_you()),
        (Err(error), Through::Ssm) => return Err(error),
    };
    // To those its policy grants the use of an AWS-managed key, so that an identity needs no statement for it.
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

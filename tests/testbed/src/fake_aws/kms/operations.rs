//! Operations of KMS that callers use directly.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use super::cipher::{self, Through};
use super::keys::KeyState;
use crate::fake_aws::arn;
use crate::fake_aws::clock;
use crate::fake_aws::crypto::{self, EncryptionContext};
use crate::fake_aws::error::{AwsError, Outcome};
use crate::fake_aws::iam::Access;
use crate::fake_aws::recorder::{Event, lower_camel};
use crate::fake_aws::service::{Reply, parse_input, unknown_operation};
use crate::fake_aws::world::{Context, World};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Largest plaintext, in bytes.
const PLAINTEXT_LIMIT: usize = 4096;
const BLOB_LIMIT: usize = 6144;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Input {
    key_id: Option<String>,
    target_key_id: String,
    alias_name: String,
    description: String,
    plaintext: String,
    ciphertext_blob: String,
    encryption_context: EncryptionContext,
    pending_window_in_days: Option<i64>,
}

impl Input {
    fn key_id(&self) -> Outcome<&str> {
        let missing = || AwsError::constraint("null", "keyId", "Member must not be null");
        self.key_id.as_deref().ok_or_else(missing)
    }

    fn bytes(text: &str, limit: usize, field: &str) -> Outcome<Vec<u8>> {
        let bytes = BASE64.decode(text).map_err(|_| AwsError::new("SerializationException", "Not base64."))?;
        let constraint = match bytes.len() {
            0 => "Member must have length greater than or equal to 1".to_owned(),
            n if n > limit => format!("Member must have length less than or equal to {limit}"),
            _ => return Ok(bytes),
        };
        Err(AwsError::constraint("java.nio.HeapByteBuffer", field, &constraint))
    }
}

/// Executes an operation.
pub(in crate::fake_aws) fn dispatch(
    world: &mut World,
    context: &Context,
    operation: &str,
    input: &Value,
) -> Outcome<Reply> {
    let input: Input = parse_input(input)?;
    match operation {
        "CreateKey" => create_key(world, context, &input),
        "CreateAlias" => create_alias(world, context, &input),
        "Encrypt" => encrypt(world, context, &input),
        "Decrypt" => decrypt(world, context, &input),
        "DescribeKey" => describe_key(world, context, &input),
        "DisableKey" => change(world, context, &input, "kms:DisableKey", KeyState::Disabled),
        "EnableKey" => change(world, context, &input, "kms:EnableKey", KeyState::Enabled),
        "CancelKeyDeletion" => cancel_deletion(world, context, &input),
        "ScheduleKeyDeletion" => change(world, context, &input, "kms:ScheduleKeyDeletion", KeyState::PendingDeletion),
        other => Err(unknown_operation(other)),
    }
}

/// Event fields of the record: never plaintext or ciphertext.
pub(in crate::fake_aws) fn event(world: &World, context: &Context, operation: &str, input: &Value) -> Event {
    let mut request = lower_camel(input);
    if let Some(fields) = request.as_object_mut() {
        fields.remove("plaintext");
        fields.remove("ciphertextBlob");
        if matches!(operation, "Encrypt" | "Decrypt") {
            fields.entry("encryptionAlgorithm").or_insert(json!("SYMMETRIC_DEFAULT"));
        }
        // The names in the context are data, so they keep their case.
        if let Some(pairs) = input.get("EncryptionContext") {
            fields.insert("encryptionContext".to_owned(), pairs.clone());
        }
    }
    let id = ["KeyId", "TargetKeyId"].iter().find_map(|field| input[*field].as_str());
    let named = id.and_then(|id| world.keys.resolve(context, id).ok());
    let blob = input["CiphertextBlob"].as_str().and_then(|text| BASE64.decode(text).ok());
    let encrypting = blob.as_deref().and_then(|blob| crypto::key_of(blob).ok().map(str::to_owned));
    Event {
        source: "kms.amazonaws.com",
        name: operation.to_owned(),
        read_only: matches!(operation, "Encrypt" | "Decrypt" | "DescribeKey"),
        request,
        response: Value::Null,
        resources: named.or(encrypting).iter().map(|arn| key_resource(arn)).collect(),
    }
}

/// A key in `resources`.
pub(in crate::fake_aws) fn key_resource(key_arn: &str) -> Value {
    let account = arn::Arn::parse(key_arn).map(|arn| arn.account);
    json!({"accountId": account, "type": "AWS::KMS::Key", "ARN": key_arn})
}

fn create_key(world: &mut World, context: &Context, input: &Input) -> Outcome<Reply> {
    world.authorize(context, "kms:CreateKey", "*")?;
    let key = world.keys.create(context, &input.description, false);
    let metadata = world.keys.get(&key)?.metadata();
    Ok(Reply::json(json!({"KeyMetadata": metadata})))
}

fn create_alias(world: &mut World, context: &Context, input: &Input) -> Outcome<Reply> {
    let alias = arn::kms(&context.region, &context.caller.account, &input.alias_name);
    if !input.alias_name.starts_with("alias/") {
        return Err(AwsError::validation("Alias must start with the prefix \"alias/\". Please see the documentation."));
    }
    if input.alias_name.starts_with("alias/aws/") {
        return Err(AwsError::new("NotAuthorizedException", ""));
    }
    let key = world.keys.resolve(context, &input.target_key_id)?;
    world.authorize(context, "kms:CreateAlias", &key)?;
    if world.keys.has_alias(&alias) {
        let message = format!("An alias with the name {alias} already exists");
        return Err(AwsError::new("AlreadyExistsException", message));
    }
    world.keys.alias(&alias, &key);
    Ok(Reply::json(json!({})))
}

fn encrypt(world: &mut World, context: &Context, input: &Input) -> Outcome<Reply> {
    let plaintext = Input::bytes(&input.plaintext, PLAINTEXT_LIMIT, "plaintext")?;
    let id = input.key_id()?;
    let key = world.keys.resolve(context, id)?;
    let (pairs, through) = (&input.encryption_context, Through::direct(Some(id)));
    let blob = cipher::encrypt(world, context, &key, "kms:Encrypt", &plaintext, pairs, through)?;
    let blob = BASE64.encode(blob);
    Ok(Reply::json(json!({"CiphertextBlob": blob, "KeyId": key, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"})))
}

fn decrypt(world: &mut World, context: &Context, input: &Input) -> Outcome<Reply> {
    let blob = Input::bytes(&input.ciphertext_blob, BLOB_LIMIT, "ciphertextBlob")?;
    let key = crypto::key_of(&blob).map_err(|_| AwsError::new("InvalidCiphertextException", ""))?;
    if let Some(id) = &input.key_id
        && world.keys.resolve(context, id)? != key
    {
        let message = "The key ID in the request does not identify a CMK that can perform this operation.";
        return Err(AwsError::new("IncorrectKeyException", message));
    }
    let plaintext =
        cipher::decrypt(world, context, &blob, &input.encryption_context, Through::direct(input.key_id.as_deref()))?;
    let plaintext = BASE64.encode(plaintext);
    Ok(Reply::json(json!({"Plaintext": plaintext, "KeyId": key, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"})))
}

fn describe_key(world: &mut World, context: &Context, input: &Input) -> Outcome<Reply> {
    let id = input.key_id()?;
    world.keys.create_on_demand(context, id);
    let key = world.keys.resolve(context, id)?;
    let keys = Through::direct(Some(id)).keys(context, &EncryptionContext::new());
    let described = world.keys.get(&key)?;
    let access = Access::new("kms:DescribeKey", &key).with_keys(keys);
    world.permit(context, described.guard(context, access))?;
    Ok(Reply::json(json!({"KeyMetadata": described.metadata()})))
}

fn change(world: &mut World, context: &Context, input: &Input, action: &str, state: KeyState) -> Outcome<Reply> {
    let arn = world.keys.resolve(context, input.key_id()?)?;
    world.authorize(context, action, &arn)?;
    let key = world.keys.get_mut(&arn).ok_or_else(|| AwsError::new("NotFoundException", ""))?;
    if key.aws_managed {
        return Err(AwsError::new("AccessDeniedException", "An AWS managed key cannot be changed."));
    }
    if key.state == KeyState::PendingDeletion {
        key.check_usable()?;
    }
    let days = input.pending_window_in_days.unwrap_or(30);
    let deletion = context.now_ms + days * DAY_MS;
    key.set_state(state, Some(deletion));
    Ok(Reply::json(match state {
        KeyState::PendingDeletion => json!({"KeyId": arn, "DeletionDate": clock::json(deletion),
            "KeyState": "PendingDeletion", "PendingWindowInDays": days}),
        _ => json!({}),
    }))
}

fn cancel_deletion(world: &mut World, context: &Context, input: &Input) -> Outcome<Reply> {
    let arn = world.keys.resolve(context, input.key_id()?)?;
    world.authorize(context, "kms:CancelKeyDeletion", &arn)?;
    let key = world.keys.get_mut(&arn).filter(|key| key.state == KeyState::PendingDeletion);
    let wrong = || AwsError::new("KMSInvalidStateException", format!("{arn} is not pending deletion."));
    key.ok_or_else(wrong)?.set_state(KeyState::Disabled, None);
    Ok(Reply::json(json!({"KeyId": arn})))
}

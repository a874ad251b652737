//! The last part of each help: examples, and what the exit status means.

/// Of the program.
pub(super) const PROGRAM: &str = "\
Examples:
  secure-parameter-operator run --log-format text      run the operator from your machine
  secure-parameter-operator check                      see whether the stores work
  secure-parameter-operator help run                   all flags of a command

Exit status: 0 success, 1 failure, 2 wrong arguments.";

/// Of `run`.
pub(super) const RUN: &str = "\
Every flag can be set by the environment variable that it names. The command line wins over the environment. An empty
variable counts as none, except that SPO_NAMESPACES and SPO_WATCH_SELECTOR must not be empty. Region, credentials and
endpoints of AWS are configured as for every AWS tool; the cluster by KUBECONFIG, or by the pod.

Examples:
  secure-parameter-operator run --log-format text --listen 127.0.0.1:8080
  secure-parameter-operator run --namespaces shop,billing --leader-elect
  SPO_LOG_FILTER=debug SPO_QUOTA_SHARE=0.5 secure-parameter-operator run

Exit status: 0 after SIGTERM or SIGINT, 1 if the operator cannot start or go on, 2 for wrong arguments.";

/// Of `crds`.
pub(super) const CRDS: &str = "\
Examples:
  secure-parameter-operator crds | kubectl apply -f -
  secure-parameter-operator crds --write crds

Exit status: 0 success, 1 failure, 2 wrong arguments.";

/// Of `iam`.
pub(super) const IAM: &str = "\
Examples:
  secure-parameter-operator iam --namespace shop       what the objects of a namespace need
  secure-parameter-operator iam --account 111122223333 --region eu-central-1 manifests/
  kustomize build . | secure-parameter-operator iam --output json -

Exit status: 0 success, 1 if the objects cannot be read or there are none, 2 for wrong arguments.";

/// Of `migrate`.
pub(super) const MIGRATE: &str = "\
Read what it prints before you apply it: comments say what has no equivalent, and which grants are needed.

Examples:
  secure-parameter-operator migrate --namespace shop   the objects of a namespace
  secure-parameter-operator migrate manifests/ > secure-parameters.yaml
  kustomize build . | secure-parameter-operator migrate --output json -

Exit status: 0 success, 1 if the objects cannot be read, 2 for wrong arguments.";

/// Of `check`.
pub(super) const CHECK: &str = "\
Run it where the operator runs, with the same variables, so that it has the same credentials.

Examples:
  secure-parameter-operator check --namespace shop
  secure-parameter-operator check --store default --output json

Exit status: 0 if everything that was tried works, 1 if something does not or nothing could be tried, 2 for wrong
arguments.";

/// Of `completions`.
pub(super) const COMPLETIONS: &str = "\
Examples:
  source <(secure-parameter-operator completions bash)
  secure-parameter-operator completions zsh > \"${fpath[1]}/_secure-parameter-operator\"
  secure-parameter-operator completions fish > ~/.config/fish/completions/secure-parameter-operator.fish

Exit status: 0 success, 2 for wrong arguments.";

/// Of the plugin.
pub(super) const PLUGIN: &str = "\
Nothing that these commands print contains a value: they do not read Secrets. status, tree, diff and can-i need the role
view, the others edit.

Examples:
  kubectl secureparam status -A                        what is wrong in the cluster
  kubectl secureparam tree checkout -n shop            where the keys of a Secret come from
  kubectl secureparam sync checkout -n shop            read now, and wait for it

Exit status: 0 success, 1 failure or something is wrong, 2 wrong arguments.";

/// Of `status`.
pub(super) const STATUS: &str = "\
Examples:
  kubectl secureparam status                           the namespace of the context
  kubectl secureparam status -A -o json
  kubectl secureparam status checkout -n shop

Exit status: 0 if nothing is broken (warnings and suspended objects are listed), 1 if something is or cannot be read, 2
for wrong arguments.";

/// Of `tree`.
pub(super) const TREE: &str = "\
Examples:
  kubectl secureparam tree -n shop
  kubectl secureparam tree checkout -n shop -o json

Exit status: 0 success, 1 failure, 2 wrong arguments.";

/// Of `sync`.
pub(super) const SYNC: &str = "\
Examples:
  kubectl secureparam sync checkout invoices -n shop
  kubectl secureparam sync --all -n shop --timeout 5m

Exit status: 0 if all are in sync, 1 if one is not, 2 for wrong arguments.";

/// Of `suspend` and `resume`.
pub(super) const SUSPEND: &str = "\
Examples:
  kubectl secureparam suspend checkout -n shop
  kubectl secureparam resume checkout -n shop

Exit status: 0 success, 1 failure, 2 wrong arguments.";

/// Of `diff`.
pub(super) const DIFF: &str = "\
Keys come from the manifests and from the status of the object, which lists 50 keys of each of 50 parameters. What only
the values or a path would tell is said so.

Examples:
  kubectl secureparam diff -f checkout.yaml
  kustomize build overlays/prod | kubectl secureparam diff -f -
  kubectl secureparam diff checkout -n shop

Exit status: 0 if no key changes, 1 if one does or on failure, 2 for wrong arguments.";

/// Of `can-i`.
pub(super) const CAN_I: &str = "\
The rules are those of ClusterParameterStores; to read them takes the role view for the whole cluster. What a
ParameterStore may read is up to its identity in AWS.

Examples:
  kubectl secureparam can-i /shop/db-password -n shop
  kubectl secureparam can-i /shop/ -n shop             everything below the path
  kubectl secureparam can-i /shop/db-password --list

Exit status: 0 if a rule allows it, 1 if none does or on failure, 2 for wrong arguments.";

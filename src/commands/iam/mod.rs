//! `iam`: prints the policies that the identities behind some objects need.

mod print;

use crate::{
    cli::{IamArgs, Output},
    commands::manifests,
    domain::{
        access::namespace::Namespace,
        iam::{
            advice::{Objects, Question, advise},
            store::{Place, Store},
        },
    },
    kubernetes::{connect, listing::Listing, listing::list},
};

/// Returns what the command prints.
///
/// # Errors
/// One sentence, if the objects cannot be read or there are none.
pub async fn iam(args: IamArgs) -> Result<String, String> {
    let IamArgs { namespace, store, account, region, issuer, compact, output, files } = args;
    let objects = if files.is_empty() {
        let listing = list(&connect().await?.requests, namespace.as_deref()).await?;
        objects(&listing)?
    } else {
        objects(&manifests::read(&files, namespace.as_deref())?)?
    };
    let issuer = issuer.map(|issuer| issuer.trim_start_matches("https://").trim_end_matches('/').to_owned());
    let question = Question { namespace, store, place: Place { account, region }, issuer, compact };
    let advice = advise(&objects, &question);
    if advice.is_empty() {
        return Err(
            "No SecureParameter was found for which to make a policy; check the files, --namespace and --store."
                .to_owned(),
        );
    }
    match output {
        Output::Text => Ok(print::text(&advice)),
        Output::Json => print::json(&advice),
    }
}

fn objects(listing: &Listing) -> Result<Objects, String> {
    let namespaced: Result<Vec<_>, _> = listing.stores.iter().map(Store::of_namespace).collect();
    let cluster = listing.cluster_stores.iter().map(Store::of_cluster);
    let namespace = |namespace: &k8s_openapi::api::core::v1::Namespace| Namespace {
        name: namespace.metadata.name.clone().unwrap_or_default(),
        labels: namespace.metadata.labels.clone().unwrap_or_default(),
        is_hidden: false,
    };
    Ok(Objects {
        stores: cluster.chain(namespaced?).collect(),
        namespaces: listing.namespaces.iter().map(namespace).collect(),
        secure_parameters: listing.secure_parameters.clone(),
    })
}

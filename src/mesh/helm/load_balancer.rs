//! Annotations by which a Service asks a cloud for its load balancer: one table of clouds, options and annotations.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

/// A cloud, or another implementation of load balancers.
struct Cloud {
    /// Its name in the function's first argument.
    name: &'static str,
    /// Its name in the documentation.
    title: &'static str,
    /// Where its annotations are documented.
    source: &'static str,
    /// The annotations that its load balancer always needs.
    always: &'static [Annotation],
    options: &'static [Choice],
}

/// A key and its value.
type Annotation = (&'static str, &'static str);

/// An option of a cloud.
struct Choice {
    name: &'static str,
    /// What it decides: the end of a sentence.
    meaning: &'static str,
    sort: Sort,
}

enum Sort {
    /// `true` or `false`, and the annotations of each; without the option it is `false`.
    Flag { on: &'static [Annotation], off: &'static [Annotation] },
    /// Any text, as the value of the annotation.
    Text(&'static str),
    /// One of some values, the first of which is the default.
    OneOf(&'static str, &'static [&'static str]),
}

const NAME: &str = "is the load balancer's name";

const INTERNAL: &str = "gives it a private address only";

const AWS: &str = "service.beta.kubernetes.io/aws-load-balancer-attributes";

const CLOUDS: &[Cloud] = &[
    Cloud {
        name: "eks",
        title: "Amazon EKS, a Network Load Balancer of the AWS Load Balancer Controller",
        source: "https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/service/annotations/",
        always: &[("service.beta.kubernetes.io/aws-load-balancer-type", "external")],
        options: &[
            Choice {
                name: "internal",
                meaning: INTERNAL,
                sort: Sort::Flag {
                    on: &[("service.beta.kubernetes.io/aws-load-balancer-scheme", "internal")],
                    off: &[("service.beta.kubernetes.io/aws-load-balancer-scheme", "internet-facing")],
                },
            },
            Choice {
                name: "target_type",
                meaning: "is how it reaches the pods: directly, or by the nodes",
                sort: Sort::OneOf("service.beta.kubernetes.io/aws-load-balancer-nlb-target-type", &["ip", "instance"]),
            },
            Choice {
                name: "cross_zone",
                meaning: "lets each zone's address reach the pods of all zones",
                sort: Sort::Flag { on: &[(AWS, "load_balancing.cross_zone.enabled=true")], off: &[] },
            },
            Choice { name: "name", meaning: NAME, sort: Sort::Text("service.beta.kubernetes.io/aws-load-balancer-name") },
            Choice {
                name: "subnets",
                meaning: "lists its subnets, by ID or name, with commas",
                sort: Sort::Text("service.beta.kubernetes.io/aws-load-balancer-subnets"),
            },
            Choice {
                name: "eip_allocations",
                meaning: "lists the allocation IDs of its Elastic IPs, one for each subnet, with commas",
                sort: Sort::Text("service.beta.kubernetes.io/aws-load-balancer-eip-allocations"),
            },
        ],
    },
    Cloud {
        name: "gke",
        title: "Google GKE, a passthrough Network Load Balancer",
        source: "https://cloud.google.com/kubernetes-engine/docs/concepts/service-load-balancer-parameters",
        always: &[],
        options: &[
            Choice {
                name: "internal",
                meaning: INTERNAL,
                sort: Sort::Flag {
                    on: &[("networking.gke.io/load-balancer-type", "Internal")],
                    off: &[("cloud.google.com/l4-rbs", "enabled")],
                },
            },
            Choice {
                name: "global_access",
                meaning: "lets clients of other regions reach an internal one, as a mesh over regions needs",
                sort: Sort::Flag { on: &[("networking.gke.io/internal-load-balancer-allow-global-access", "true")], off: &[] },
            },
        ],
    },
    Cloud {
        name: "aks",
        title: "Azure AKS",
        source: "https://cloud-provider-azure.sigs.k8s.io/topics/loadbalancer/",
        always: &[],
        options: &[
            Choice {
                name: "internal",
                meaning: INTERNAL,
                sort: Sort::Flag { on: &[("service.beta.kubernetes.io/azure-load-balancer-internal", "true")], off: &[] },
            },
            Choice {
                name: "subnet",
                meaning: "is the subnet of an internal one",
                sort: Sort::Text("service.beta.kubernetes.io/azure-load-balancer-internal-subnet"),
            },
            Choice {
                name: "public_ip_name",
                meaning: "is the public IP resource that it uses",
                sort: Sort::Text("service.beta.kubernetes.io/azure-pip-name"),
            },
            Choice {
                name: "resource_group",
                meaning: "is the resource group of that public IP, if it isn't the cluster's",
                sort: Sort::Text("service.beta.kubernetes.io/azure-load-balancer-resource-group"),
            },
        ],
    },
    Cloud {
        name: "digitalocean",
        title: "DigitalOcean Kubernetes, a regional load balancer that passes TCP on",
        source: "https://docs.digitalocean.com/products/kubernetes/how-to/configure-load-balancers/",
        always: &[("service.beta.kubernetes.io/do-loadbalancer-protocol", "tcp")],
        options: &[
            Choice {
                name: "internal",
                meaning: INTERNAL,
                sort: Sort::Flag { on: &[("service.beta.kubernetes.io/do-loadbalancer-network", "INTERNAL")], off: &[] },
            },
            Choice { name: "name", meaning: NAME, sort: Sort::Text("service.beta.kubernetes.io/do-loadbalancer-name") },
        ],
    },
    Cloud {
        name: "hetzner",
        title: "Hetzner Cloud",
        source: "https://github.com/hetznercloud/hcloud-cloud-controller-manager/blob/main/docs/reference/load_balancer_annotations.md",
        always: &[],
        options: &[
            Choice {
                name: "internal",
                meaning: "gives it an address in the private network only, from which it reaches the nodes, too",
                sort: Sort::Flag {
                    on: &[
                        ("load-balancer.hetzner.cloud/disable-public-network", "true"),
                        ("load-balancer.hetzner.cloud/use-private-ip", "true"),
                    ],
                    off: &[],
                },
            },
            Choice {
                name: "location",
                meaning: "is where it runs, such as `fsn1`",
                sort: Sort::Text("load-balancer.hetzner.cloud/location"),
            },
            Choice {
                name: "network_zone",
                meaning: "is the zone in which it may run, instead of a location, such as `eu-central`",
                sort: Sort::Text("load-balancer.hetzner.cloud/network-zone"),
            },
            Choice { name: "type", meaning: "is its size, such as `lb11`", sort: Sort::Text("load-balancer.hetzner.cloud/type") },
            Choice { name: "name", meaning: NAME, sort: Sort::Text("load-balancer.hetzner.cloud/name") },
        ],
    },
    Cloud {
        name: "metallb",
        title: "MetalLB 0.14 and newer",
        source: "https://metallb.io/usage/",
        always: &[],
        options: &[
            Choice {
                name: "address_pool",
                meaning: "is the pool that the address comes from",
                sort: Sort::Text("metallb.io/address-pool"),
            },
            Choice {
                name: "addresses",
                meaning: "is the address that it has; for dual stack two, with a comma",
                sort: Sort::Text("metallb.io/loadBalancerIPs"),
            },
        ],
    },
];

/// Pairs of options that exclude each other, or of which the first needs the second, on a cloud.
const EXCLUSIVE: &[(&str, &str, &str)] = &[("hetzner", "location", "network_zone")];
const NEEDED: &[(&str, &str, &str)] =
    &[("gke", "global_access", "internal"), ("aks", "subnet", "internal"), ("aks", "resource_group", "public_ip_name")];

/// What is wrong with a request for annotations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such cloud.
    Cloud(String),
    /// The options are wrong.
    Options(String),
}

/// Returns the annotations of a cloud's load balancer with some options.
///
/// # Errors
/// A cloud or an option that there isn't, or that has no such value.
pub fn annotations(cloud: &str, options: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Refused> {
    let found = CLOUDS
        .iter()
        .find(|known| known.name == cloud)
        .ok_or_else(|| Refused::Cloud(format!("must be {}, got {cloud:?}.", alternatives(CLOUDS.iter().map(|known| known.name)))))?;
    found.annotations(options).map_err(Refused::Options)
}

impl Cloud {
    fn annotations(&self, options: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, String> {
        if let Some(unknown) = options.keys().find(|name| !self.options.iter().any(|option| option.name == *name)) {
            let known = alternatives(self.options.iter().map(|option| option.name));
            return Err(format!("{} has no option {unknown:?}. Its options are {known}.", self.name));
        }
        let of_us = |pairs: &&(&str, &str, &str)| pairs.0 == self.name && options.contains_key(pairs.1);
        if let Some((_, one, other)) = EXCLUSIVE.iter().filter(of_us).find(|(_, _, other)| options.contains_key(*other)) {
            return Err(format!("The options {one:?} and {other:?} exclude each other. Set one of them."));
        }
        let is_set = |name: &str| options.get(name).is_some_and(|value| value != "false");
        if let Some((_, one, other)) =
            NEEDED.iter().filter(|(cloud, one, _)| *cloud == self.name && is_set(one)).find(|(_, _, other)| !is_set(other))
        {
            return Err(format!("The option {one:?} has no effect without {other:?}. Set both, or neither."));
        }
        let mut found: Vec<(&str, String)> = self.always.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        for option in self.options {
            found.extend(option.annotations(options.get(option.name).map(String::as_str))?);
        }
        Ok(found.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }
}

impl Choice {
    fn annotations(&self, value: Option<&str>) -> Result<Vec<(&'static str, String)>, String> {
        let fixed = |annotations: &[Annotation]| annotations.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        Ok(match (&self.sort, value) {
            (Sort::Flag { on, .. }, Some("true")) => fixed(on),
            (Sort::Flag { off, .. }, Some("false") | None) => fixed(off),
            (Sort::Flag { .. }, Some(other)) => return Err(format!("The option {:?} must be true or false, got {other:?}.", self.name)),
            (Sort::OneOf(key, values), value) => {
                let value = value.unwrap_or(values[0]);
                if !values.contains(&value) {
                    return Err(format!("The option {:?} must be {}, got {value:?}.", self.name, alternatives(values.iter().copied())));
                }
                vec![(*key, value.to_owned())]
            }
            (Sort::Text(_), Some(value)) if value.trim().is_empty() => {
                return Err(format!("The option {:?} must not be empty.", self.name));
            }
            (Sort::Text(key), Some(value)) => vec![(*key, value.to_owned())],
            (Sort::Text(_), None) => Vec::new(),
        })
    }
}

/// Names in a sentence: `"a", "b" or "c"`.
fn alternatives<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|name| format!("{name:?}")).collect();
    match names.as_slice() {
        [rest @ .., last] if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

/// Describes every cloud with its options, in Markdown.
pub fn documentation() -> String {
    let mut text = String::new();
    for cloud in CLOUDS {
        let _ = write!(text, "\n\n`{}`: {}, as [documented there]({}).\n", cloud.name, cloud.title, cloud.source);
        for (key, value) in cloud.always {
            let _ = write!(text, "\n- always `{key}: {value}`");
        }
        for option in cloud.options {
            let _ = write!(text, "\n- `{}` {}: {}.", option.name, option.meaning, option.sort);
        }
    }
    text
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |annotations: &[Annotation]| {
            annotations.iter().map(|(key, value)| format!("`{key}: {value}`")).collect::<Vec<_>>().join(" and ")
        };
        match self {
            Self::Flag { on, off: [] } => f.write_str(&list(on)),
            Self::Flag { on, off } => write!(f, "{}, or else {}", list(on), list(off)),
            Self::Text(key) => write!(f, "`{key}`"),
            Self::OneOf(key, values) => write!(f, "`{key}`, {}; {:?} if not set", alternatives(values.iter().copied()), values[0]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cloud: &str, options: &[(&str, &str)]) -> Result<Vec<String>, Refused> {
        let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        annotations(cloud, &options).map(|found| found.into_iter().map(|(key, value)| format!("{key}={value}")).collect())
    }

    #[test]
    fn each_cloud_has_its_annotations() {
        let aws = "service.beta.kubernetes.io/aws-load-balancer";
        let external = [format!("{aws}-nlb-target-type=ip"), format!("{aws}-scheme=internet-facing"), format!("{aws}-type=external")];
        assert_eq!(of("eks", &[]).unwrap(), external);
        let internal = of("eks", &[("internal", "true"), ("cross_zone", "true"), ("target_type", "instance")]).unwrap();
        let expected =
            ["-attributes=load_balancing.cross_zone.enabled=true", "-nlb-target-type=instance", "-scheme=internal", "-type=external"];
        assert_eq!(internal, expected.map(|end| format!("{aws}{end}")));
        assert_eq!(of("gke", &[]).unwrap(), ["cloud.google.com/l4-rbs=enabled"]);
        assert_eq!(
            of("gke", &[("internal", "true"), ("global_access", "true")]).unwrap(),
            ["networking.gke.io/internal-load-balancer-allow-global-access=true", "networking.gke.io/load-balancer-type=Internal"]
        );
        assert_eq!(of("aks", &[]).unwrap(), [""; 0]);
        assert_eq!(of("aks", &[("internal", "true"), ("subnet", "apps")]).unwrap().len(), 2);
        assert_eq!(of("hetzner", &[("location", "fsn1")]).unwrap(), ["load-balancer.hetzner.cloud/location=fsn1"]);
        assert_eq!(of("metallb", &[("addresses", "192.0.2.9")]).unwrap(), ["metallb.io/loadBalancerIPs=192.0.2.9"]);
        assert_eq!(of("digitalocean", &[("internal", "true")]).unwrap().len(), 2);
    }

    #[test]
    fn what_there_is_not_is_refused_with_what_there_is() {
        let problem = |cloud, options: &[(&str, &str)]| match of(cloud, options).unwrap_err() {
            Refused::Cloud(problem) | Refused::Options(problem) => problem,
        };
        assert!(problem("aws", &[]).contains("\"hetzner\" or \"metallb\", got \"aws\""));
        assert!(problem("metallb", &[("internal", "true")]).contains("Its options are \"address_pool\" or \"addresses\""));
        assert!(problem("eks", &[("internal", "yes")]).contains("must be true or false, got \"yes\""));
        assert!(problem("eks", &[("target_type", "pod")]).contains("\"ip\" or \"instance\""));
        assert!(problem("eks", &[("name", " ")]).contains("must not be empty"));
        assert!(problem("hetzner", &[("location", "a"), ("network_zone", "b")]).contains("exclude each other"));
        assert!(problem("gke", &[("global_access", "true"), ("internal", "false")]).contains("no effect without \"internal\""));
        assert!(matches!(of("aws", &[]), Err(Refused::Cloud(_))));
    }

    #[test]
    fn every_annotation_is_documented_with_its_source() {
        let text = documentation();
        for cloud in CLOUDS {
            assert!(text.contains(cloud.source) && cloud.source.starts_with("https://"));
            let pairs = EXCLUSIVE.iter().chain(NEEDED).filter(|(of, _, _)| *of == cloud.name);
            for name in pairs.flat_map(|(_, one, other)| [one, other]) {
                assert!(cloud.options.iter().any(|option| option.name == *name), "{name}");
            }
        }
        assert!(text.contains("`metallb.io/address-pool`") && text.contains("aws-load-balancer-scheme: internet-facing"));
    }
}

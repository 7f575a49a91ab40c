//! Virtual addresses: what a host's name resolves to in the importing clusters. No packet ever carries one beyond the pod's sidecar.

use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use ipnet::IpNet;

use super::host::{Host, fnv1a};

/// An address of a range that isn't routed publicly: private IPv4, 240.0.0.0/4, or fc00::/7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vip(IpAddr);

impl Vip {
    /// Reads an address.
    ///
    /// # Errors
    /// A message that says what is wrong and what would be valid.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains('/') {
            let advice = text.parse::<IpNet>().map_or_else(|_| String::new(), |net| format!(" Write \"{}\".", net.addr()));
            return Err(format!("{text:?} is a range. A virtual address is a single address, without a suffix.{advice}"));
        }
        let address: IpAddr = text.parse().map_err(|_| format!("{text:?} is not a valid IP address. Write one such as \"240.0.0.2\"."))?;
        if is_virtual(address) {
            return Ok(Self(address));
        }
        Err(format!(
            "{text} could belong to a real host. Choose an address of 240.0.0.0/4 (such as \"240.0.0.2\"), 10.0.0.0/8, 172.16.0.0/12, \
             192.168.0.0/16 or fc00::/7 that nothing uses."
        ))
    }

    /// Returns the address that a host gets unless it is taken, and if it is, the next free one. `None` if the whole range is taken.
    ///
    /// Addresses come out of 240.241.0.0/16, by the host's hash. istiod hands out 240.240.0.0/16 by itself (the default of
    /// `PILOT_IP_AUTOALLOCATE_IPV4_PREFIX`), so that range would collide with it.
    pub fn stable(host: &Host, taken: &BTreeSet<Self>) -> Option<Self> {
        // The first and the last address of the range are left out: tools take them for the network's and the broadcast address.
        const USABLE: u64 = 65_534;
        let wanted = fnv1a(host.as_str().as_bytes()) % USABLE;
        (0..USABLE).map(|step| Self::of_range((wanted + step) % USABLE + 1)).find(|vip| !taken.contains(vip))
    }

    /// Returns the address of a host for which none is set: out of 241.0.0.0 to 254.255.255.254, by the host's hash alone, so that it is
    /// the same in every plan and cluster. Of 1,000 hosts two share one with a probability of 0.2 %; a plan warns of it.
    ///
    /// Without an address, a TCP port of the host would be captured on all addresses by proxies without DNS capture. The range
    /// neither meets istiod's own (240.240.0.0/16) nor that of [`Vip::stable`].
    pub fn of_host(host: &Host) -> Self {
        let hash = fnv1a(host.as_str().as_bytes());
        // Networks and broadcast addresses of the smallest usual subnets are left out, as above.
        let (last, hash) = (1 + hash % 254, hash / 254);
        let [.., second, third] = (hash % (1 << 16)).to_be_bytes();
        let first = 241 + (hash >> 16) % 14;
        let octet = |value: u64| u8::try_from(value).unwrap_or(u8::MAX);
        Self(IpAddr::V4(Ipv4Addr::new(octet(first), second, third, octet(last))))
    }

    /// Returns the address that a host has in the exporting cluster: the one that importers have, unless that is a private IPv4 address.
    /// It is chosen as unused in the importing clusters, and may belong to a real host in the exporting one.
    #[must_use]
    pub fn at_exporter(self, host: &Host) -> Self {
        if matches!(self.0, IpAddr::V4(address) if address.is_private()) { Self::of_host(host) } else { self }
    }

    fn of_range(offset: u64) -> Self {
        let [.., high, low] = offset.to_be_bytes();
        Self(IpAddr::V4(Ipv4Addr::new(240, 241, high, low)))
    }

    /// Whether it is of 240.0.0.0/4, from which no cluster gives its Services addresses.
    pub const fn is_reserved(self) -> bool {
        matches!(self.0, IpAddr::V4(address) if address.octets()[0] >= 240)
    }

    /// Returns the address.
    pub const fn address(self) -> IpAddr {
        self.0
    }
}

fn is_virtual(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || (v4.octets()[0] >= 240 && !v4.is_broadcast()),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

impl fmt::Display for Vip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_not_routed_are_vips() {
        for text in ["240.0.0.2", "255.255.255.254", "10.1.2.3", "172.31.0.1", "192.168.0.9", "fd00::2"] {
            assert_eq!(Vip::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_addresses_are_refused_with_the_reason() {
        for (text, words) in [
            ("240.0.0.2/32", "Write \"240.0.0.2\""),
            ("fd00::/64", "Write \"fd00::\""),
            ("x/32", "without a suffix"),
            ("8.8.8.8", "real host"),
            ("172.32.0.1", "real host"),
            ("255.255.255.255", "real host"),
            ("127.0.0.1", "real host"),
            ("2001:db8::1", "real host"),
            ("echo.eu", "not a valid IP address"),
            ("", "not a valid IP address"),
        ] {
            let error = Vip::parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn a_host_keeps_its_address_and_steps_aside_for_others() {
        let host = Host::parse("echo.eu.mesh.local").unwrap();
        let first = Vip::stable(&host, &BTreeSet::new()).unwrap();
        assert_eq!(first, Vip::stable(&host, &BTreeSet::new()).unwrap());
        assert!(first.to_string().starts_with("240.241."));
        let second = Vip::stable(&host, &BTreeSet::from([first])).unwrap();
        assert_ne!(first, second);
        assert!(Vip::parse(&second.to_string()).is_ok());
    }

    #[test]
    fn a_host_has_an_address_without_being_given_one() {
        let of = |host: &str| Vip::of_host(&Host::parse(host).unwrap());
        assert_eq!(of("echo.eu.mesh.local").to_string(), "243.206.159.177", "an address in use never changes");
        let addresses: BTreeSet<_> = (0..1000).map(|number| of(&format!("h{number}.mesh.local"))).collect();
        assert_eq!(addresses.len(), 1000);
        for address in addresses {
            let IpAddr::V4(v4) = address.address() else { panic!("{address}") };
            assert!((241..=254).contains(&v4.octets()[0]) && (1..=254).contains(&v4.octets()[3]), "{v4}");
            assert!(Vip::parse(&address.to_string()).is_ok());
        }
    }

    #[test]
    fn a_full_range_gives_none() {
        let all: BTreeSet<_> = (1..=65_534).map(Vip::of_range).collect();
        assert_eq!(Vip::stable(&Host::parse("a.b").unwrap(), &all), None);
    }
}

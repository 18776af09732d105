//! Which addresses may be reached?
//!
//! Whoever may make a subscription could otherwise have this server ask what only this server can reach: other
//! services of its network, its own ports, the metadata of its cloud. So it connects to addresses of the public
//! internet only, unless the operator allows more. What is looked at is the address that is about to be connected to,
//! each time; what a name meant a moment ago does not matter.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What an operator allows besides the public internet.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Allowed {
    nets: Vec<IpNet>,
    /// Lower case. One that begins with a dot is what a name ends with.
    hosts: Vec<String>,
}

impl Allowed {
    /// Networks such as `10.0.0.0/8`, addresses, names, and `*.` with what names end with. The error says which is
    /// none of these.
    pub(crate) fn parse(entries: &[String]) -> Result<Self, String> {
        let mut allowed = Self::default();
        for entry in entries {
            if let Ok(net) = entry.parse() {
                allowed.nets.push(net);
            } else if let Ok(address) = entry.parse::<IpAddr>() {
                allowed.nets.push(address.into());
            } else {
                allowed.hosts.push(host(entry).ok_or_else(|| {
                    format!("'{entry}' is neither a network such as 10.0.0.0/8, nor an address, nor a name such as hooks.internal")
                })?);
            }
        }
        Ok(allowed)
    }

    /// Whether a connection to this address may be opened, which this name stands for.
    pub(crate) fn permits(&self, name: &str, address: IpAddr) -> bool {
        let plain = address.to_canonical();
        is_public(plain)
            || self
                .nets
                .iter()
                .any(|net| net.contains(&address) || net.contains(&plain))
            || self.permits_name(name)
    }

    fn permits_name(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        self.hosts.iter().any(|host| match host.starts_with('.') {
            true => name.ends_with(host.as_str()) && name.len() > host.len(),
            false => name == *host,
        })
    }
}

fn host(entry: &str) -> Option<String> {
    let name = entry.strip_prefix('*').unwrap_or(entry);
    let labels = match entry.starts_with('*') {
        true => name.strip_prefix('.')?,
        false => name,
    };
    let is_label = |label: &str| {
        let mut bytes = label.bytes();
        (1..=63).contains(&label.len())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    // What ends in a number is an address that is written wrongly.
    let last = labels.rsplit('.').next()?;
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = labels.split('.').all(is_label) && !is_number && labels.len() <= 253;
    is_name.then(|| name.to_ascii_lowercase())
}

/// Whether an address belongs to the public internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => {
            GLOBAL_V6.contains(&address)
                && !SPECIAL_V6.iter().any(|net| net.contains(&address))
                // A router may unpack it.
                && inner(address).is_none_or(|inner| is_public(inner.into()))
        }
    }
}

/// The address of IPv4 within one of 6to4.
fn inner(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [first, high, low, ..] = address.segments();
    (first == 0x2002).then(|| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(first: u16, second: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0), length)
}

/// What the registry of IANA calls special, and an address at which a cloud tells its machines about themselves.
const SPECIAL_V4: [Ipv4Net; 17] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(168, 63, 129, 16, 32),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 31, 196, 0, 24),
    v4(192, 52, 193, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    // Groups of receivers, what is reserved, and everybody.
    v4(224, 0, 0, 0, 3),
];

/// All that was given out of IPv6 to be reached from everywhere. So the unspecified and the loopback address, what
/// holds an address of IPv4, unique local, link-local and site-local ones, groups, and the ways from IPv6 to IPv4 are
/// refused without being named.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 3);

const SPECIAL_V6: [Ipv6Net; 4] = [
    // Protocols, Teredo among them, which holds an address of IPv4.
    v6(0x2001, 0, 23),
    v6(0x2001, 0x0db8, 32),
    v6(0x2620, 0x004f, 48),
    v6(0x3fff, 0, 20),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(entries: &[&str]) -> Allowed {
        let entries: Vec<_> = entries.iter().map(|entry| entry.to_string()).collect();
        Allowed::parse(&entries).unwrap()
    }

    #[test]
    fn only_the_public_internet_may_be_reached() {
        let none = Allowed::default();
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:7f00:1::",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!none.permits("x", address.parse().unwrap()), "{address}");
        }
        for address in [
            "1.1.1.1",
            "93.184.216.34",
            "172.32.0.1",
            "192.169.0.1",
            "::ffff:1.1.1.1",
            "2606:4700:4700::1111",
            "2a00:1450::1",
            "2002:101:101::1",
        ] {
            assert!(none.permits("x", address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn an_operator_allows_networks_addresses_and_names() {
        let allowed = allowed(&[
            "10.0.0.0/8",
            "192.168.7.9",
            "fd00::/8",
            "Hooks.internal",
            "*.svc.local",
        ]);
        let permits = |name: &str, address: &str| allowed.permits(name, address.parse().unwrap());
        assert!(permits("x", "10.9.9.9"));
        assert!(permits("x", "::ffff:10.9.9.9"));
        assert!(permits("x", "192.168.7.9"));
        assert!(!permits("x", "192.168.7.8"));
        assert!(permits("x", "fd12::1"));
        assert!(!permits("x", "127.0.0.1"));
        assert!(permits("hooks.INTERNAL.", "127.0.0.1"));
        assert!(!permits("more.hooks.internal", "127.0.0.1"));
        assert!(permits("a.b.svc.local", "127.0.0.1"));
        assert!(!permits("svc.local", "127.0.0.1"));
        assert!(!permits(".svc.local", "127.0.0.1"));
        assert!(!permits("evilsvc.local", "127.0.0.1"));
    }

    #[test]
    fn what_is_no_entry_is_told() {
        for entry in [
            "",
            "*",
            "*.",
            "10.0.0.0/33",
            "10.0.0",
            "a b",
            "http://x",
            "a..b",
            "*a.b",
            "256.1.1.1",
        ] {
            let error = Allowed::parse(&[entry.to_owned()]).unwrap_err();
            assert!(error.contains(&format!("'{entry}'")), "{error}");
        }
    }
}

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Case {
    host: String,
    /// What a name resolves to.
    resolved: Option<Vec<IpAddr>>,
    /// `WEBHOOK_ALLOWED_ADDRESSES`
    #[serde(default)]
    allowed: String,
    /// `public`, `allowed` or an error's code.
    verdict: String,
    /// What a literal is read as.
    address: Option<IpAddr>,
    source: String,
}

#[test]
fn the_address_vectors_pass() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../../tests/vectors/addresses.json")).unwrap();
    assert_eq!(cases.len(), 390);
    for Case { host, resolved, allowed, verdict, address, source } in cases {
        let got = policy(&allowed).judge_host(&host).and_then(|judged| match judged {
            Host::Address(judged) => {
                assert_eq!(resolved, None, "{host}: an address is not resolved");
                assert_eq!(Some(judged), address, "{host}");
                Ok(AddressClass::of(judged) == AddressClass::Public)
            }
            Host::Name(name) => {
                assert_eq!(address, None, "{host}: a name is no address");
                let resolved = resolved.as_ref().unwrap_or_else(|| panic!("{host}: a name is resolved"));
                policy(&allowed).judge_resolved(&name, resolved)?;
                Ok(resolved.iter().all(|address| AddressClass::of(*address) == AddressClass::Public))
            }
        });
        let got = match &got {
            Ok(true) => "public",
            Ok(false) => "allowed",
            Err(error) => error.code(),
        };
        assert_eq!(got, verdict, "{host} {resolved:?} {allowed:?}: {source}");
    }
}

#[test]
fn messages_name_the_host_and_the_fix() {
    let host = |host: &str| policy("").judge_host(host).unwrap_err().to_string();
    assert_eq!(
        host("0x7f.1"),
        "url: 127.0.0.1 is a loopback address and is not called; a self-hoster can allow it by WEBHOOK_ALLOWED_ADDRESSES=127.0.0.1/32"
    );
    assert_eq!(
        host("[FE80::0:1]"),
        "url: fe80::1 is a link-local address and is not called; a self-hoster can allow it by WEBHOOK_ALLOWED_ADDRESSES=fe80::1/128"
    );
    assert_eq!(
        host("Localhost."),
        "url: localhost is a local name and is not called; a self-hoster can allow it by WEBHOOK_ALLOWED_ADDRESSES=localhost"
    );
    assert_eq!(
        policy("")
            .judge_resolved("Internal.Example.", &[ip("1.1.1.1"), ip("::ffff:10.0.0.5")])
            .unwrap_err()
            .to_string(),
        "url: internal.example resolves to 10.0.0.5, a private address, and is not called; a self-hoster can allow it by WEBHOOK_ALLOWED_ADDRESSES=10.0.0.5/32"
    );
    assert_eq!(
        policy("").judge_resolved("a.example", &[]).unwrap_err().to_string(),
        "url: a.example resolves to no address; check the name and its A and AAAA records"
    );
    assert_eq!(host(""), "url: has no host; expected a name or an address");
    assert_eq!(
        host("256.1"),
        "url: \"256.1\" is no valid address; expected four numbers from 0 to 255 or an IPv6 address"
    );
    assert_eq!(
        host("[fe80::1%25eth0]"),
        "url: \"[fe80::1%25eth0]\" has a zone after the address; remove the % and what follows"
    );
    assert_eq!(
        host("a b"),
        "url: \"a b\" is no valid host name; expected at most 253 ASCII letters, digits, - and _, with dots between parts of 1 to 63 of them"
    );
    let long = "é".repeat(500);
    assert!(host(&long).contains(&format!("\"{}\"", "é".repeat(253))));
}

#[test]
fn entries_that_are_wrong_say_what_was_expected_and_allow_nothing() {
    const ENTRY: &str = "a range like 10.1.0.0/16, an address, a host name or *.DOMAIN";
    let long = "x".repeat(65) + "/8";
    let cases = [
        ("10.0.0.1/8", "10.0.0.0/8 or 10.0.0.1/32"),
        ("10.0.0.1/0", "0.0.0.0/0 or 10.0.0.1/32"),
        ("fd00::1/8", "fd00::/8 or fd00::1/128"),
        ("::ffff:10.0.0.1/104", "::ffff:10.0.0.0/104 or ::ffff:10.0.0.1/128"),
        ("10.0.0.0/33", "a number from 0 to 32 after the /"),
        ("10.0.0.0/08", "a number from 0 to 32 after the /"),
        ("10.0.0.0/+8", "a number from 0 to 32 after the /"),
        ("10.0.0.0/255.0.0.0", "a number from 0 to 32 after the /"),
        ("10.0.0.0/", "a number from 0 to 32 after the /"),
        ("::/129", "a number from 0 to 128 after the /"),
        ("10.0.0.0/8/8", "a number from 0 to 32 after the /"),
        ("010.0.0.0/8", ENTRY),
        ("10/8", ENTRY),
        ("127.1", ENTRY),
        ("0x7f000001", ENTRY),
        ("*.127.1", ENTRY),
        ("fe80::1%eth0", ENTRY),
        ("[::1]", ENTRY),
        ("localhost:8080", ENTRY),
        ("http://localhost", ENTRY),
        ("*", ENTRY),
        ("*.", ENTRY),
        ("*.*.example", ENTRY),
        ("a.*.example", ENTRY),
        ("a..example", ENTRY),
        ("bücher.example", ENTRY),
        (long.as_str(), ENTRY),
    ];
    for (entry, expected) in cases {
        let (allowed, errors) = AllowedAddresses::parse(entry);
        assert_eq!(allowed, AllowedAddresses::default(), "{entry}");
        let shown: String = entry.chars().take(64).collect();
        let messages: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            messages,
            [format!("WEBHOOK_ALLOWED_ADDRESSES: expected {expected}, got {shown:?}; this entry is ignored")]
        );
    }
    let (allowed, errors) = AllowedAddresses::parse(" ,10.0.0.1/8,, 10.1.0.0/16\tDB.\n*.Internal.Example ");
    assert_eq!(errors.len(), 1);
    assert!(allowed.covers_address(ip("10.1.2.3")) && !allowed.covers_address(ip("10.0.0.1")));
    assert!(allowed.covers_name("db") && allowed.covers_name("a.internal.example."));
    assert_eq!(AllowedAddresses::parse(" , \n").1, []);
}

#[test]
fn ipv4_is_judged_as_the_standard_library_judges_it_where_it_can() {
    // One address of each /16, and its edges: the library's stable predicates are an independent reading of the RFCs.
    for high in 0..=u16::MAX {
        for low in [0, 1, 255, 256, 0x7fff, u16::MAX] {
            let address = Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
            let class = AddressClass::of(address.into());
            let expected = (
                address.is_private(),
                address.is_loopback(),
                address.is_link_local(),
                address.is_multicast(),
                address.is_broadcast(),
                address.is_documentation(),
            );
            let got = (
                class == AddressClass::Private,
                class == AddressClass::Loopback,
                class == AddressClass::LinkLocal || address.octets() == [169, 254, 169, 254],
                class == AddressClass::Multicast,
                class == AddressClass::Broadcast,
                class == AddressClass::Documentation,
            );
            assert_eq!(got, expected, "{address}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_panics(text: String, allowed: String) {
        let policy = policy(&allowed);
        let _ = policy.judge_host(&text);
        let _ = policy.judge_resolved(&text, &[]);
    }

    #[test]
    fn no_host_like_text_panics(
        text in "[0-9a-fxX.:\\[\\]%-]{0,24}",
        allowed in "([0-9a-f.:]{1,9}(/[0-9]{0,3})?[, ]){0,4}(\\*\\.)?[a-z.]{0,6}",
    ) {
        let policy = policy(&allowed);
        let _ = policy.judge_host(&text);
    }

    #[test]
    fn hosts_are_read_as_the_url_standard_reads_them(text in "[0-9a-fxX.]{1,20}|(0[xX]?)?[0-9a-f]{1,9}(\\.[0-9xa-f]{0,3}){0,4}") {
        let standard = ::url::Host::parse(&text);
        match Host::parse(&text) {
            Ok(Host::Address(address)) => {
                prop_assert_eq!(standard.map(|host| host.to_string()), Ok(address.to_string()));
            }
            Ok(Host::Name(_)) => prop_assert!(matches!(standard, Ok(::url::Host::Domain(_)))),
            // Names are stricter here; addresses are not.
            Err(error) => prop_assert!(
                !matches!(standard, Ok(::url::Host::Ipv4(_) | ::url::Host::Ipv6(_))), "{}", error
            ),
        }
    }

    #[test]
    fn what_is_not_public_is_refused_in_every_form(bits in inside(), at in 0_usize..14) {
        let address = Ipv4Addr::from_bits(bits);
        let class = AddressClass::of(address.into());
        prop_assume!(class != AddressClass::Public);
        let host = &forms(address)[at];
        let error = policy("").judge_host(host).unwrap_err();
        prop_assert_eq!(error.code(), class.as_str(), "{}", host);
        let error = policy("").judge_resolved("a.example", &[address.to_ipv6_mapped().into()]).unwrap_err();
        prop_assert_eq!(error.code(), class.as_str());
    }

    #[test]
    fn what_is_public_is_read_alike_in_every_form(bits: u32, at in 0_usize..13) {
        let address = Ipv4Addr::from_bits(bits);
        prop_assume!(AddressClass::of(address.into()) == AddressClass::Public);
        prop_assert_eq!(policy("").judge_host(&forms(address)[at]), Ok(Host::Address(address.into())));
    }

    #[test]
    fn ranges_allow_nothing_outside_of_them(
        range: u32, prefix in 0_u32..=32, flip in 0_u32..32, elsewhere in inside(),
    ) {
        // By arithmetic of its own: how many leading bits are the same.
        let base = Ipv4Addr::from_bits((u64::from(range) >> (32 - prefix) << (32 - prefix)) as u32);
        let policy = policy(&format!("{base}/{prefix}"));
        for bits in [elsewhere, base.to_bits() ^ 1 << flip, base.to_bits()] {
            let address = Ipv4Addr::from_bits(bits);
            let is_inside = (bits ^ base.to_bits()).leading_zeros() >= prefix;
            let is_public = AddressClass::of(address.into()) == AddressClass::Public;
            for address in [IpAddr::from(address), address.to_ipv6_mapped().into()] {
                let judged = policy.judge_resolved("a.example", &[address]).is_ok();
                prop_assert_eq!(judged, is_inside || is_public, "{} in {}/{}", address, base, prefix);
            }
        }
    }

    #[test]
    fn ranges_of_ipv6_allow_nothing_outside_of_them(range: u128, prefix in 0_u32..=128, flip in 0_u32..128) {
        let base = range.checked_shr(128 - prefix).map_or(0, |bits| bits << (128 - prefix));
        let (allowed, errors) = AllowedAddresses::parse(&format!("{}/{prefix}", Ipv6Addr::from_bits(base)));
        prop_assert_eq!(errors, []);
        let address = base ^ 1 << flip;
        let is_mapped = Ipv6Addr::from_bits(address).to_ipv4_mapped().is_some();
        let is_inside = (address ^ base).leading_zeros() >= prefix && (!is_mapped || prefix >= 96);
        prop_assert_eq!(allowed.covers_address(Ipv6Addr::from_bits(address).into()), is_inside);
        prop_assert!(prefix > 0 || !allowed.covers_address(ip("10.0.0.1")));
    }

    #[test]
    fn an_entry_opens_what_it_says_or_nothing(entry in "[0-9a-f.:*x/]{1,18}", bits in inside()) {
        let address = IpAddr::from(Ipv4Addr::from_bits(bits));
        prop_assume!(AddressClass::of(address) != AddressClass::Public);
        if policy(&entry).judge_host(&address.to_string()).is_ok() {
            let (base, prefix) = entry.split_once('/').unwrap_or((&entry, "32"));
            let base: Ipv4Addr = base.parse().unwrap();
            prop_assert!((base.to_bits() ^ bits).leading_zeros() >= prefix.parse::<u32>().unwrap());
        }
    }
}

/// IPv4 addresses, most of them in or about a range that is not public.
fn inside() -> impl Strategy<Value = u32> {
    let bases: Vec<u32> = ["0.0.0.0", "10.0.0.0", "100.64.0.0", "127.0.0.0", "169.254.0.0", "172.16.0.0"]
        .into_iter()
        .chain(["192.0.0.0", "192.168.0.0", "198.18.0.0", "203.0.113.0", "224.0.0.0", "240.0.0.0"])
        .map(|text| text.parse::<Ipv4Addr>().unwrap().to_bits())
        .collect();
    (prop::sample::select(bases), 0_u32..=32, any::<u32>())
        .prop_map(|(base, shift, noise)| base ^ noise.checked_shr(shift).unwrap_or(0))
}

/// The forms in which an IPv4 address can be written; in the last one a translator would call it.
fn forms(address: Ipv4Addr) -> [String; 14] {
    let bits = address.to_bits();
    let [a, b, c, d] = address.octets();
    [
        format!("{address}"),
        format!("{address}."),
        format!("{bits}"),
        format!("{bits}."),
        format!("0{bits:o}"),
        format!("0x{bits:x}"),
        format!("0X{bits:08X}."),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("0x{a:x}.0x{b:x}.{c}.00{d:o}"),
        format!("{a}.{}", bits & 0x00ff_ffff),
        format!("{a}.0x{b:x}.{}", bits & 0xffff),
        format!("[::ffff:{address}]"),
        format!("::FFFF:{:x}:{:x}", bits >> 16, bits & 0xffff),
        format!("[64:ff9b::{address}]"),
    ]
}

fn policy(allowed: &str) -> AddressPolicy {
    AddressPolicy::new(AllowedAddresses::parse(allowed).0)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

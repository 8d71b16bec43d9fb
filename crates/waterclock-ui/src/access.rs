//! Who may come in. Pure.

use std::net::SocketAddr;

/// What a visitor must know.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    /// Nothing: then only this machine may ask, under its own name.
    None,
    /// This, as a bearer token or as the password of any user.
    Word(String),
}

/// Why a visitor is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The request names another host: a page of that host made the browser ask.
    Host,
    /// The secret is missing or wrong.
    Secret,
}

/// Whether the page may be served at this address.
pub(crate) fn may_serve(address: SocketAddr, secret: &Secret) -> bool {
    address.ip().is_loopback() || *secret != Secret::None
}

/// Whether a request may be answered, by its headers `Host` and `Authorization`.
pub(crate) fn may_enter(
    secret: &Secret,
    host: Option<&str>,
    authorization: Option<&str>,
) -> Result<(), Refused> {
    match secret {
        Secret::None if host.is_some_and(is_this_machine) => Ok(()),
        Secret::None => Err(Refused::Host),
        Secret::Word(word) => {
            let given = authorization.and_then(given).unwrap_or_default();
            if is_same(&given, word.as_bytes()) { Ok(()) } else { Err(Refused::Secret) }
        }
    }
}

/// Whether a `Host` header names this machine. A name of somebody else's may lead here, too, and then the page would
/// be that somebody's to read.
fn is_this_machine(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let name = rest.split_once(']').map(|(name, _)| name.parse::<std::net::Ipv6Addr>());
        return matches!(name, Some(Ok(name)) if name.is_loopback());
    }
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    let address = name.parse::<std::net::Ipv4Addr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// The secret in an `Authorization` header.
fn given(header: &str) -> Option<Vec<u8>> {
    let (scheme, rest) = header.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().as_bytes().to_vec());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = base64(rest.trim())?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(pair[colon + 1..].to_vec())
}

/// Whether both are the same, in a time that does not tell where they differ.
fn is_same(given: &[u8], word: &[u8]) -> bool {
    let padded = given.iter().copied().chain(std::iter::repeat(0));
    let differs = padded.zip(word).fold(given.len() ^ word.len(), |sofar, (a, b)| sofar | usize::from(a ^ b));
    differs == 0
}

/// The bytes of a text in base 64; none where it is not.
fn base64(text: &str) -> Option<Vec<u8>> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for digit in text.trim_end_matches('=').bytes() {
        let value = DIGITS.iter().position(|other| *other == digit)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word() -> Secret {
        Secret::Word("open sesame".into())
    }

    #[test]
    fn only_this_machine_is_served_without_a_secret() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert!(may_serve(at("127.0.0.1:80"), &Secret::None) && may_serve(at("[::1]:80"), &Secret::None));
        for outside in ["0.0.0.0:80", "[::]:80", "192.168.0.7:80"] {
            assert!(!may_serve(at(outside), &Secret::None), "{outside}");
            assert!(may_serve(at(outside), &word()), "{outside}");
        }
    }

    #[test]
    fn without_a_secret_the_name_must_be_this_machine() {
        for host in ["localhost", "LOCALHOST:4040", "127.0.0.1:4040", "127.3.2.1", "[::1]:4040"] {
            assert_eq!(may_enter(&Secret::None, Some(host), None), Ok(()), "{host}");
        }
        let others = [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "[::2]",
            "[::1",
            "",
            "10.0.0.1",
        ];
        for host in others {
            assert_eq!(may_enter(&Secret::None, Some(host), None), Err(Refused::Host), "{host}");
        }
        assert_eq!(may_enter(&Secret::None, None, None), Err(Refused::Host));
    }

    #[test]
    fn a_secret_opens_as_token_and_as_password() {
        let enter = |header: Option<&str>| may_enter(&word(), Some("anything"), header);
        assert_eq!(enter(Some("Bearer open sesame")), Ok(()));
        // "anyone:open sesame"
        assert_eq!(enter(Some("Basic YW55b25lOm9wZW4gc2VzYW1l")), Ok(()));
        let wrong = [
            "Bearer open",
            "Bearer open sesame!",
            "Basic b3BlbiBzZXNhbWU=",
            "Basic ####",
            "open sesame",
            "Digest x",
            "",
        ];
        for header in wrong {
            assert_eq!(enter(Some(header)), Err(Refused::Secret), "{header}");
        }
        assert_eq!(enter(None), Err(Refused::Secret));
    }

    #[test]
    fn base_64_is_read() {
        assert_eq!(base64("").unwrap(), b"");
        assert_eq!(base64("Zg==").unwrap(), b"f");
        assert_eq!(base64("Zm9vYmFy").unwrap(), b"foobar");
        assert_eq!(base64("Zm9v!"), None);
    }
}

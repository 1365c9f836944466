use super::*;
use proptest::prelude::*;

fn jwt(header: &str, payload: &str) -> String {
    format!(
        "{}.{}.c2ln",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    )
}

#[test]
fn what_looks_like_a_token_is_masked() {
    let token = jwt(r#"{"alg":"RS256","typ":"JWT"}"#, r#"{"sub":"repo:a/b:pull_request"}"#);
    let cut = token.trim_end_matches("c2ln");
    let lines = token.split_at(40);
    let words: Vec<&str> = token
        .as_bytes()
        .chunks(20)
        .map(|word| std::str::from_utf8(word).unwrap())
        .collect();
    let session = "IQoJb3JpZ2luX2VjEHAaCXVzLWVhc3QtMSJHMEUCIQD/+x0==";
    let key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    for (text, expected) in [
        (token.clone(), "***"),
        (format!("a `{token}` b\n{cut}"), "a `***` b\n***"),
        (format!("apiKeyJwt={token}"), "apiKeyJwt=***"),
        (format!("monkeyJob-{token}"), "monkeyJob-***"),
        (format!("log\\n{token}%22"), "log\\n***%22"),
        (format!("\u{1b}[36m{token}\u{1b}[0m"), "\u{1b}[36m***\u{1b}[0m"),
        (format!("{}\n  {} end", lines.0, lines.1), "*** end"),
        (format!("bad {}", words.join(" ")), "bad *** c2ln"),
        (format!("bad {} end", token.replace('.', "/")), "bad *** end"),
        (format!("bad {} end", token.replace('.', "%2E")), "bad *** end"),
        (format!("bad {} end", token.replace('.', "%252e")), "bad *** end"),
        (format!("bad {} end", token.replace('.', "&#46;")), "bad *** end"),
        (format!("bad {} end", token.replace('.', "\\u002e")), "bad *** end"),
        (format!("bad {} end", URL_SAFE_NO_PAD.encode(&token)), "bad *** end"),
        (format!("x {session}, y"), "x ***, y"),
        ("x ghs_0123456789abcdefghij.".to_owned(), "x ***."),
        ("github_pat_11ABCDEFG0123456789_abc".to_owned(), "***"),
        (format!("AKIAIOSFODNN7EXAMPLE:{key}"), "AKIAIOSFODNN7EXAMPLE:***"),
        (
            format!("ASIAIOSFODNN7EXAMPLE and ä {key} z"),
            "ASIAIOSFODNN7EXAMPLE and ä *** z",
        ),
        (
            format!("<SecretAccessKey>{key}/</SecretAccessKey><SessionToken>{session}</SessionToken>"),
            "<SecretAccessKey>***</SecretAccessKey><SessionToken>***</SessionToken>",
        ),
        (format!("AWS_SECRET_ACCESS_KEY={key}a"), "AWS_SECRET_ACCESS_KEY=***"),
        (
            format!("?X-Amz-Signature={}&x", "0123456789abcdef".repeat(4)),
            "?X-Amz-Signature=***&x",
        ),
        ("https://user:pa@ss@host/x".to_owned(), "https://user:***@host/x"),
    ] {
        assert_eq!(without_tokens(&text), expected, "{text}");
        assert_eq!(without_tokens(expected), expected, "once is enough");
    }
    for text in [
        "",
        "ä",
        "arn:aws:iam::1:role/monkeyJobs",
        "monkeyJob-deploy.production-eu-west-1",
        "eyJobs.json eyJ monkeyJobs.json.gz",
        "aws-session-token: ${{ secrets.AWS_SESSION_TOKEN }}",
        "AKIAIOSFODNN7EXAMPLE at 4d3b1f6e0c2a5b7d9e8f7a6c5b4d3e2f1a0b9c8d",
        "https://token.actions.githubusercontent.com:443/x@y",
        "100 % of &amp; and \\n, 50%20",
        "***",
    ] {
        assert!(
            matches!(without_tokens(text), Cow::Borrowed(same) if same == text),
            "{text}"
        );
    }
}

#[test]
fn an_ordinary_word_is_no_secret() {
    let secrets = Secrets::of([
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "password"),
        ("GITHUB_REPOSITORY", "acme/widgets-0123456789"),
        ("https_proxy", "http://corp:x@proxy:3128"),
    ]);
    for word in ["e", "deploy", "not-found", "two words of 10", "   "] {
        secrets.add(word);
    }
    secrets.hand_over(&|secret| panic!("{secret}"));
    let text = "test the password of acme/widgets-0123456789, not-found";
    assert_eq!(secrets.scrub(text), text);
}

#[test]
fn a_new_secret_is_handed_over_once() {
    let secrets = Secrets::of([("AWS_SECRET_ACCESS_KEY", "of-the-environment-0")]);
    let clone = secrets.clone();
    clone.add("Abcd-1234-of-sts-and-more");
    clone.add("Abcd-1234-of-sts-and-more");
    let masked = std::cell::RefCell::new(Vec::new());
    for _ in 0..2 {
        secrets.hand_over(&|secret| masked.borrow_mut().push(secret.to_owned()));
    }
    assert_eq!(*masked.borrow(), ["Abcd-1234-of-sts-and-more"]);
    assert_eq!(secrets.scrub("a of-the-environment-0 b"), "a *** b");
    assert_eq!(secrets.scrub("a ABCD.1234.of.sts.and.more b"), "a *** b");
}

#[test]
fn an_address_keeps_its_host_and_path() {
    for (address, bare) in [
        (
            "https://user:p@ss@sts.example:8443/x?sig=1#y",
            "https://sts.example:8443/x",
        ),
        ("user:pw@proxy:3128", "proxy:3128"),
        ("https://sts.example/a@b", "https://sts.example/a@b"),
        ("no address", "no address"),
        ("https://[", "https://["),
        ("", ""),
    ] {
        assert_eq!(bare_address(address), bare);
    }
    let secrets = Secrets::of([(
        "AWS_ENDPOINT_URL",
        "https://user:hunter%2022@sts.example/?region=eu-west-1&sig=0123456789abcdefg",
    )]);
    for shown in [
        "hunter%2022",
        "hunter 22",
        "0123456789abcdefg",
        &STANDARD.encode("user:hunter 22"),
    ] {
        assert_eq!(secrets.scrub(shown), "***", "{shown}");
    }
    assert_eq!(secrets.scrub("eu-west-1 of user"), "eu-west-1 of user");
}

#[test]
fn a_secret_within_a_secret_leaves_nothing() {
    let (one, other) = ("0123456789abcdefghijklmnopqrst", "Zyxwvutsrqponmlkjihgfedcba9876");
    let secrets = Secrets::default();
    secrets.know(one);
    secrets.know(other);
    let nest = |inner: &str, outer: &str| {
        let (head, tail) = outer.split_at(15);
        format!("{head}{inner}{tail}")
    };
    assert_eq!(secrets.scrub(&nest(one, other)), "***");
    let mut deep = one.to_owned();
    for level in 0..9 {
        deep = nest(&deep, if level % 2 == 0 { other } else { one });
    }
    assert_eq!(secrets.scrub(&deep), "***");
}

#[test]
fn hostile_text_takes_no_longer() {
    let secrets = Secrets::default();
    let secret: String = (0..700_u32)
        .map(|at| char::from(b"aB3-_xYz9."[(at * at % 71 % 10) as usize]))
        .collect();
    secrets.know(&secret);
    // If it were quadratic in the length, this would take minutes.
    for piece in [
        "eyJ",
        "eyJhbGciOiJSUzI1",
        "eyJ ",
        "AKIAIOSFODNN7EXAMPLE",
        "sessiontoken=",
        "session-",
        "s-",
        "://a:",
        "://",
        "%25",
        "%2525",
        "&#x26;",
        "&",
        "\\u005c",
        "\\",
        "IQoJb3JpZ2lu ",
        "ghs_a",
        "a",
        " ",
        "-",
        "ä",
        "ZXlK",
        "signature=eyJ",
        secret.split_at(16).0,
        secret.split_at(15).0,
    ] {
        let text = piece.repeat((64 << 10) / piece.len());
        let clean = secrets.scrub(&text);
        assert!(clean.len() <= text.len());
    }
}

/// A form in which a secret comes back.
fn changed(secret: &str, way: usize, every: usize, separator: &str) -> String {
    let all = |letter: fn(u8) -> String| secret.bytes().map(letter).collect::<String>();
    let padded = |pad: &str| format!("{pad}{secret}{pad}");
    match way {
        0 => secret.to_owned(),
        1 => secret.replace('.', "/"),
        2 => secret.to_uppercase(),
        3 => secret.to_lowercase(),
        4 => secret.chars().rev().collect(),
        5 => all(|byte| format!("%{byte:02X}")),
        6 => all(|byte| format!("%25{byte:02x}")),
        7 => all(|byte| format!("\\u{byte:04x}")),
        8 => all(|byte| format!("&#{byte};")),
        9 => all(|byte| format!("&#x{byte:X};")),
        10 => all(|byte| format!("&amp;#{byte};")),
        11 => all(|byte| format!("{byte:02x}")),
        12 => all(|byte| format!("{byte:02X}:")),
        13 => all(|byte| format!("\\x{byte:02x}")),
        14 => STANDARD.encode(secret),
        15 => URL_SAFE_NO_PAD.encode(padded("?")),
        16 => STANDARD.encode(padded("{\"")),
        17 => serde_json::to_string(&serde_json::to_string(secret).unwrap()).unwrap(),
        _ => {
            let letters: Vec<char> = secret.chars().collect();
            let pieces: Vec<String> = letters.chunks(every).map(|piece| piece.iter().collect()).collect();
            pieces.join(separator)
        }
    }
}

/// Every reading of a text: as is, its decoded forms, and each of them without separators.
fn readings(text: &str) -> Vec<String> {
    let mut readings = vec![text.to_owned()];
    let mut view = Decoded::from(text, None);
    while let Some(decoded) = view {
        readings.push(decoded.text.clone());
        view = Decoded::from(&decoded.text, Some(&decoded));
    }
    let plain = |text: &String| {
        text.chars()
            .filter(|&letter| letter.is_alphanumeric() || letter == '*')
            .collect()
    };
    let plain: Vec<String> = readings.iter().map(plain).collect();
    readings.extend(plain);
    readings
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_run_of_a_secret_survives(
        secret in "[A-Za-z0-9_-]{8,80}\\.[A-Za-z0-9_-]{30,200}\\.[A-Za-z0-9_-]{20,90}|[A-Za-z0-9+/]{40,200}={0,2}",
        before in ".{0,30}",
        after in ".{0,30}",
        way in 0_usize..24,
        every in 1_usize..30,
        separator in proptest::sample::select(vec![
            " ", "\n", "\r\n\t ", "-", ", ", "\" \"", "<>", "...", "\\n", "%20", "&#10;", "\u{200b}", "\\r\\n",
        ]),
    ) {
        let secrets = Secrets::default();
        secrets.know(&secret);
        let text = format!("{before}{}{after}", changed(&secret, way, every, separator));
        let clean = secrets.scrub(&text);
        prop_assert!(clean.contains(MASK));
        prop_assert_eq!(secrets.scrub(&clean), &*clean);
        let readings: Vec<String> = readings(&clean).iter().map(|text| text.to_lowercase()).collect();
        let plain: String = secret.chars().filter(char::is_ascii_alphanumeric).collect();
        let hidden = [secret.clone(), plain.clone(), plain.chars().rev().collect()];
        for form in hidden.map(|form| form.to_lowercase()) {
            for run in form.as_bytes().windows(RUN).map(|run| std::str::from_utf8(run).unwrap()) {
                prop_assert!(!readings.iter().any(|text| text.contains(run)), "{} in {}", run, clean);
            }
        }
        // In base64 and hexadecimal, measured by the characters that a run of this length becomes.
        let encoded = match way {
            11 | 12 => changed(&secret, 11, 0, ""),
            14..=16 => changed(&secret, way, 0, ""),
            _ => String::new(),
        };
        let encoded: String = encoded.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
        for run in encoded.as_bytes().windows(22).map(|run| std::str::from_utf8(run).unwrap()) {
            prop_assert!(!readings.iter().any(|text| text.contains(run)), "{} in {}", run, clean);
        }
    }

    #[test]
    fn no_text_makes_it_panic_and_once_is_enough(text in ".{0,80}|[%\\\\&#;xu0-9a-fIQoJghs_:@/ =]{0,80}") {
        let secrets = Secrets::default();
        secrets.know("0123456789abcdef%2E&amp;");
        let once = secrets.scrub(&text);
        prop_assert_eq!(secrets.scrub(&once), &*once);
    }
}

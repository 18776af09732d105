use super::*;

const TYPE: &str = "multipart/form-data; boundary=\"x-y\"";

type Parts = Vec<(Part, Vec<u8>)>;

/// The parts of a form with their contents, however its bytes arrive.
fn read(form: &[u8]) -> Result<(Parts, bool), Malformed> {
    let mut all = None;
    for piece in [form.len().max(1), 1, 2, 3, 7] {
        let mut parts = Parts::new();
        let mut multipart = Multipart::new(TYPE)?;
        let mut outcome = Ok(false);
        'form: for piece in form.chunks(piece) {
            multipart.push(piece);
            loop {
                match multipart.next() {
                    Ok(Some(Piece::Part(part))) => parts.push((part, Vec::new())),
                    Ok(Some(Piece::Content(bytes))) => {
                        assert!(!bytes.is_empty());
                        parts.last_mut().unwrap().1.extend_from_slice(&bytes);
                    }
                    Ok(Some(Piece::End)) => {
                        outcome = Ok(true);
                        break 'form;
                    }
                    Ok(None) => break,
                    Err(error) => {
                        outcome = Err(error);
                        break 'form;
                    }
                }
            }
        }
        let outcome = outcome.map(|ended| (parts, ended));
        match &all {
            None => all = Some(outcome),
            // What ends in the middle can differ in how much of the last part is there.
            Some(first) => {
                let is_whole = matches!(first, Ok((_, true)) | Err(_));
                assert!(
                    !is_whole || first.as_ref().ok() == outcome.as_ref().ok(),
                    "{form:?}"
                );
            }
        }
    }
    all.unwrap()
}

fn field(name: &str) -> Part {
    Part {
        name: name.to_owned(),
        ..Part::default()
    }
}

#[test]
fn a_form_is_cut_into_its_parts() {
    let form = b"preamble\r\n--x-y \t\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x-\r\n--x-y\r\n\
        content-disposition:form-data;name=b\r\n\r\n\r\n--x-y\r\n\r\nno head\r\n--x-y\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"c:\\d\\e;\\\"f.txt\"\r\n\
        Content-Type: text/plain; charset=utf-8\r\n\r\n\x00\xff\r\n\r\n--x-y--epilogue";
    let (parts, ended) = read(form).unwrap();
    let file = Part {
        name: "file".to_owned(),
        filename: Some("c:\\d\\e;\"f.txt".to_owned()),
        content_type: Some("text/plain; charset=utf-8".to_owned()),
    };
    assert!(ended);
    assert_eq!(
        parts,
        [
            (field("a"), b"1\r\n--x-".to_vec()),
            (field("b"), b"".to_vec()),
            (field(""), b"no head".to_vec()),
            (file, b"\x00\xff\r\n".to_vec()),
        ]
    );
    assert_eq!(read(b"--x-y--").unwrap(), (vec![], true));
    assert_eq!(read(b"--x-y\r\n\r\n\r\n--x-y--\r\n").unwrap().0.len(), 1);
}

#[test]
fn what_is_no_form_or_has_no_end_is_told() {
    let head = "h: x\r\n".repeat(2_000);
    for (form, expected) in [
        ("", Ok(false)),
        ("no boundary", Ok(false)),
        ("--x-y", Ok(false)),
        ("--x-y\r\nA: b", Ok(false)),
        ("--x-y\r\nA: b\r\n\r\nc", Ok(false)),
        ("--x-y\r\nA: b\r\n\r\nc\r\n--x-y", Ok(false)),
        ("--x-yz\r\n\r\n\r\n--x-y--", Err(())),
        ("--x-y-\r\n", Err(())),
        (&format!("--x-y\r\n{head}\r\n"), Err(())),
        (&format!("--x-y\r\n{head}"), Err(())),
        (&format!("--x-y{}", " ".repeat(9_000)), Err(())),
    ] {
        let ended = match form {
            "" => Ok(false),
            form => read(form.as_bytes())
                .map(|(_, ended)| ended)
                .map_err(|_| ()),
        };
        assert_eq!(ended, expected, "{form}");
    }
    for kind in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary",
        &format!("multipart/form-data; boundary={}", "x".repeat(71)),
    ] {
        assert!(Multipart::new(kind).is_err(), "{kind}");
    }
}

#[test]
fn files_are_named_as_clients_name_them() {
    for (disposition, expected) in [
        ("form-data; name=a; filename=b.txt", Some("b.txt")),
        ("form-data; filename=\"/c/d/b.txt\"", Some("b.txt")),
        ("form-data; filename=\"c/d/\"", Some("d")),
        ("form-data; filename=\"/\"", Some("/")),
        ("form-data; filename=\"\"", None),
        ("form-data; filename", None),
        ("form-data; FILENAME = \"b\"", Some("b")),
        ("attachment; filename=b", Some("b")),
        ("form-data; filename=\"b", Some("b")),
        (
            "form-data; filename=x; filename*=UTF-8''b%20%e2%82%ac",
            Some("b €"),
        ),
        ("form-data; filename=x; filename*=latin-1''b%20", Some("x")),
        ("form-data; filename*=utf-8''%ff", None),
        ("form-data; filename=\"ä.txt\"; name=\"b\"", Some("ä.txt")),
    ] {
        let part = head(format!("Content-Disposition: {disposition}").as_bytes());
        assert_eq!(part.filename.as_deref(), expected, "{disposition}");
    }
}

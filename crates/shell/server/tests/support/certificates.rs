//! Certificates for a test: authorities, and what they sign, made by openssl on the spot.

use std::path::{Path, PathBuf};
use std::process::Command;

/// An authority of our own.
pub(crate) struct Authority {
    folder: PathBuf,
}

/// From when to when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Valid {
    /// For some days from now.
    Now,
    /// In January 2020.
    Long,
}

/// What `openssl ca` wants to know.
const SETTINGS: &str = "\
[ca]
default_ca = own
[own]
database = index.txt
rand_serial = yes
new_certs_dir = .
default_md = sha256
default_days = 3
unique_subject = no
policy = any
[any]
commonName = supplied
";

impl Authority {
    /// Makes one, in a folder that it makes too. `None` without openssl.
    pub(crate) fn new(folder: &Path) -> Option<Self> {
        Command::new("openssl").arg("version").output().ok()?;
        std::fs::create_dir_all(folder).expect("a folder");
        let authority = Self { folder: folder.to_owned() };
        authority.write("settings", SETTINGS);
        authority.write("index.txt", "");
        authority.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "3",
            "-keyout",
            "key.pem",
            "-out",
            "ca.crt",
            "-subj",
            "/CN=an authority of this test",
        ]);
        Some(authority)
    }

    /// Its certificate, which clients trust.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// Key, certificate for 127.0.0.1 alone, and authority, as a broker takes them.
    pub(crate) fn broker(&self, valid: Valid) -> String {
        let subject = "/CN=broker";
        self.openssl(&["req", "-newkey", "rsa:2048", "-nodes", "-keyout", "b.key", "-out", "b.csr", "-subj", subject]);
        self.write("names", "subjectAltName = IP:127.0.0.1\n");
        let sign =
            ["ca", "-batch", "-config", "settings", "-cert", "ca.crt", "-keyfile", "key.pem", "-extfile", "names"];
        let long_ago = ["-startdate", "20200101000000Z", "-enddate", "20200131000000Z"];
        let dates = if valid == Valid::Long { &long_ago[..] } else { &[] };
        self.openssl(&[&sign[..], dates, &["-notext", "-in", "b.csr", "-out", "b.crt"]].concat());
        ["b.key", "b.crt", "ca.crt"]
            .map(|file| std::fs::read_to_string(self.folder.join(file)).expect("a file"))
            .concat()
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.folder.join(file), text).expect("a file");
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl").args(arguments).current_dir(&self.folder).output().expect("openssl");
        assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

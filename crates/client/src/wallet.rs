//! Keys: secp256k1 accounts, kept in Ethereum keystore files (version 3, scrypt, AES-128-CTR) that
//! any wallet imports, and signing of EIP-1559 transactions with them.

use std::{
    fmt, fs,
    io::Write,
    path::{Path, PathBuf},
};

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes};
use alloy_signer::{SignerSync, k256::elliptic_curve::rand_core::OsRng};
use alloy_signer_local::{LocalSignerError, PrivateKeySigner};

/// Why a key could not be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// Not 32 bytes of hexadecimal that make a key.
    #[error("this is not a private key: expected 64 hexadecimal digits of a secp256k1 key")]
    NotAKey,
    /// Another password, or a damaged file.
    #[error("{} does not open with this password", .path.display())]
    WrongPassword {
        /// The file.
        path: PathBuf,
    },
    /// Not a keystore file.
    #[error("{} is not an Ethereum keystore file", .path.display())]
    NotAKeystore {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: LocalSignerError,
    },
    /// No key for this account here.
    #[error("no key of {address} in {}", .dir.display())]
    NotFound {
        /// Whose key.
        address: Address,
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// The account's key is there already.
    #[error("a key of {address} is already there: {}", .path.display())]
    Exists {
        /// Whose key.
        address: Address,
        /// Its file.
        path: PathBuf,
    },
    /// The file system failed.
    #[error("could not {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The signer failed.
    #[error("signing failed")]
    Sign(#[source] alloy_signer::Error),
}

/// An account that can sign.
#[derive(Clone)]
pub struct Wallet {
    signer: PrivateKeySigner,
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wallet({})", self.address())
    }
}

impl Wallet {
    /// A new random key.
    pub fn random() -> Self {
        Self { signer: PrivateKeySigner::random() }
    }

    /// The wallet of a raw key.
    pub fn from_key(key: &B256) -> Result<Self, WalletError> {
        PrivateKeySigner::from_bytes(key).map(|signer| Self { signer }).map_err(|_| WalletError::NotAKey)
    }

    /// The wallet of a key written in hexadecimal, `0x` or not.
    pub fn from_hex(text: &str) -> Result<Self, WalletError> {
        let key: B256 = text.trim().parse().map_err(|_| WalletError::NotAKey)?;
        Self::from_key(&key)
    }

    /// The raw key, for its owner to keep.
    pub fn key(&self) -> B256 {
        self.signer.to_bytes()
    }

    /// Its account.
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// Signs a transaction; returns its hash and EIP-2718 bytes.
    pub fn sign(&self, tx: TxEip1559) -> Result<(B256, Bytes), WalletError> {
        let signature = self.signer.sign_hash_sync(&tx.signature_hash()).map_err(WalletError::Sign)?;
        let envelope = TxEnvelope::from(tx.into_signed(signature));
        Ok((*envelope.tx_hash(), envelope.encoded_2718().into()))
    }

    /// Reads a keystore file. Takes a moment: scrypt is slow on purpose.
    pub fn open(path: &Path, password: &str) -> Result<Self, WalletError> {
        fs::metadata(path).map_err(|source| WalletError::Io { action: "read", path: path.to_owned(), source })?;
        match PrivateKeySigner::decrypt_keystore(path, password) {
            Ok(signer) => Ok(Self { signer }),
            Err(error) if error.to_string().contains("Mac Mismatch") => {
                Err(WalletError::WrongPassword { path: path.to_owned() })
            }
            Err(source) => Err(WalletError::NotAKeystore { path: path.to_owned(), source }),
        }
    }
}

/// A directory of keystore files, named as geth names them: `UTC--…--address`.
#[derive(Debug, Clone)]
pub struct Keystore {
    dir: PathBuf,
}

/// One key of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeystoreEntry {
    /// Its account.
    pub address: Address,
    /// Its file.
    pub path: PathBuf,
}

impl Keystore {
    /// The keystore in `dir`, which is created readable by its owner only.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, WalletError> {
        let dir = dir.into();
        fs::create_dir_all(&dir).map_err(|source| WalletError::Io { action: "create", path: dir.clone(), source })?;
        restrict(&dir, 0o700)?;
        Ok(Self { dir })
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes a new key and keeps it.
    pub fn create(&self, password: &str) -> Result<(Wallet, PathBuf), WalletError> {
        let wallet = Wallet::random();
        let path = self.import(&wallet, password)?;
        Ok((wallet, path))
    }

    /// Keeps a key under a password. The file appears whole or not at all.
    pub fn import(&self, wallet: &Wallet, password: &str) -> Result<PathBuf, WalletError> {
        let address = wallet.address();
        if let Some(entry) = self.list()?.into_iter().find(|e| e.address == address) {
            return Err(WalletError::Exists { address, path: entry.path });
        }
        let aside = format!(".{}.new", lower_hex(&address));
        let written = self.dir.join(&aside);
        let sealed = PrivateKeySigner::encrypt_keystore(&self.dir, &mut OsRng, wallet.key(), password, Some(&aside));
        sealed.map_err(|source| WalletError::NotAKeystore { path: written.clone(), source })?;
        restrict(&written, 0o600)?;
        let text = fs::read_to_string(&written).map_err(io("read", &written))?;
        // geth lists only files that name their account; the specification has it optional.
        let text = match text.strip_prefix('{') {
            Some(rest) => format!("{{\"address\":\"{}\",{rest}", lower_hex(&address)),
            None => text,
        };
        let path = self.dir.join(format!("UTC--{}--{}", utc_now(), lower_hex(&address)));
        let mut file = fs::File::create(&written).map_err(io("write", &written))?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io("write", &written))?;
        fs::rename(&written, &path).map_err(io("rename", &written))?;
        Ok(path)
    }

    /// The keys here, ascending by account. Files that are no keystores are left out.
    pub fn list(&self) -> Result<Vec<KeystoreEntry>, WalletError> {
        let entries = fs::read_dir(&self.dir).map_err(io("list", &self.dir))?;
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(io("list", &self.dir))?.path();
            let hidden = path.file_name().and_then(|n| n.to_str()).is_none_or(|n| n.starts_with('.'));
            if hidden || !path.is_file() {
                continue;
            }
            if let Some(address) = address_in(&path) {
                found.push(KeystoreEntry { address, path });
            }
        }
        found.sort_by(|a, b| (a.address, &a.path).cmp(&(b.address, &b.path)));
        Ok(found)
    }

    /// Opens the key of `address`.
    pub fn unlock(&self, address: Address, password: &str) -> Result<Wallet, WalletError> {
        let entry = self.list()?.into_iter().find(|e| e.address == address);
        let entry = entry.ok_or_else(|| WalletError::NotFound { address, dir: self.dir.clone() })?;
        Wallet::open(&entry.path, password)
    }
}

fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> WalletError + 'a {
    move |source| WalletError::Io { action, path: path.to_owned(), source }
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> Result<(), WalletError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(io("protect", path))
}

#[cfg(not(unix))]
fn restrict(_path: &Path, _mode: u32) -> Result<(), WalletError> {
    Ok(())
}

fn lower_hex(address: &Address) -> String {
    address.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The account a keystore file says it holds; foreign files may leave it to their name.
fn address_in(path: &Path) -> Option<Address> {
    let text = fs::read_to_string(path).ok()?;
    let json: serde_json::Value = serde_json::from_str(&text).ok()?;
    json.get("crypto").or_else(|| json.get("Crypto"))?;
    let written = json.get("address").and_then(|a| a.as_str()).and_then(|a| a.parse().ok());
    let named = || path.file_name()?.to_str()?.rsplit("--").next()?.parse().ok();
    written.or_else(named)
}

/// Now, as geth writes it in file names: `2026-01-30T12-00-00.000000000Z`.
fn utc_now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let (days, rest) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (h, m, s, n) = (rest / 3_600, rest / 60 % 60, rest % 60, since.subsec_nanos());
    format!("{year:04}-{month:02}-{day:02}T{h:02}-{m:02}-{s:02}.{n:09}Z")
}

/// Date of a day since 1970-01-01 (H. Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_keystore_file_and_is_listed_by_its_account() {
        let dir = tempfile::tempdir().expect("a directory");
        let keys = Keystore::open(dir.path()).expect("opens");
        let (wallet, path) = keys.create("correct horse").expect("creates");
        let listed = keys.list().expect("lists");
        assert_eq!(listed, [KeystoreEntry { address: wallet.address(), path: path.clone() }]);
        assert_eq!(keys.unlock(wallet.address(), "correct horse").expect("opens").key(), wallet.key());
        assert!(matches!(Wallet::open(&path, "wrong"), Err(WalletError::WrongPassword { .. })));
        assert!(matches!(keys.import(&wallet, "again"), Err(WalletError::Exists { .. })));
        let nobody = Address::repeat_byte(1);
        assert!(matches!(keys.unlock(nobody, ""), Err(WalletError::NotFound { .. })));
    }

    #[test]
    fn a_keystore_file_has_the_fields_other_wallets_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let keys = Keystore::open(dir.path()).expect("opens");
        let (wallet, path) = keys.create("x").expect("creates");
        let json: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(&path).expect("reads")).expect("is JSON");
        assert_eq!(json["version"], 3);
        assert_eq!(json["address"], lower_hex(&wallet.address()));
        assert_eq!(json["crypto"]["kdf"], "scrypt");
        assert_eq!(json["crypto"]["cipher"], "aes-128-ctr");
        assert!(path.to_str().expect("UTF-8").ends_with(&lower_hex(&wallet.address())));
    }

    #[test]
    fn the_example_of_the_keystore_standard_opens() {
        // Web3 Secret Storage Definition, test vector "PBKDF2-SHA-256".
        let standard = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
            "ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2",
            "kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256",
            "salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
            "mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
            "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("standard.json");
        fs::write(&path, standard).expect("writes");
        let wallet = Wallet::open(&path, "testpassword").expect("opens");
        assert_eq!(wallet.key().to_string(), "0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d");
    }

    #[test]
    fn text_that_is_no_key_and_files_that_are_no_keystore_are_refused() {
        for bad in ["", "0x12", &"0".repeat(64), &"f".repeat(64), &"g".repeat(64)] {
            assert!(matches!(Wallet::from_hex(bad), Err(WalletError::NotAKey)), "{bad}");
        }
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("noise");
        fs::write(&path, "{}").expect("writes");
        assert!(matches!(Wallet::open(&path, ""), Err(WalletError::NotAKeystore { .. })));
        assert!(matches!(Wallet::open(&dir.path().join("none"), ""), Err(WalletError::Io { .. })));
        assert!(Keystore::open(dir.path()).expect("opens").list().expect("lists").is_empty());
    }

    #[test]
    fn days_have_the_right_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_483), (2026, 1, 30));
    }
}

//! A member's secrets on its disk: shares of the key, seeds of its dealings, dealings it received.

use commonware_codec::{DecodeExt as _, Encode as _};
use commonware_consensus::types::Epoch;
use commonware_cryptography::{
    PublicKey,
    bls12381::{dkg::feldman_desmedt::DealerPrivMsg, primitives::group::Share},
    transcript::Summary,
};
use commonware_glue::dkg::SecretStore;
use commonware_runtime::deterministic::Context;
use commonware_storage::metadata::{Config, Metadata};
use commonware_utils::sequence::FixedBytes;

/// What of a secret its first byte says.
const SHARE: u8 = 0;
const SEED: u8 = 1;
const DEALING: u8 = 2;

/// Kind, epoch, dealer.
type Key = FixedBytes<41>;

fn key(kind: u8, epoch: Epoch, dealer: &[u8]) -> Key {
    let mut bytes = [0; 41];
    bytes[0] = kind;
    bytes[1..9].copy_from_slice(&epoch.get().to_be_bytes());
    bytes[9..9 + dealer.len()].copy_from_slice(dealer);
    Key::new(bytes)
}

/// A partition of the runtime's storage; each write is synced before it returns.
pub(crate) struct Secrets {
    // Syncing takes the store and gives it back.
    store: Option<Metadata<Context, Key, Vec<u8>>>,
}

impl Secrets {
    /// Opens the partition.
    pub(crate) async fn open(context: Context, partition: String) -> Self {
        let config = Config { partition, codec_config: ((0..).into(), ()) };
        Self { store: Some(Metadata::init(context, config).await.expect("secrets are readable")) }
    }

    async fn put(&mut self, key: Key, value: Vec<u8>) {
        let store = self.store.take().expect("the last write ended");
        self.store = Some(store.put_sync(key, value).await.expect("secrets are written"));
    }

    fn get(&self, key: &Key) -> Option<Vec<u8>> {
        self.store.as_ref().expect("the last write ended").get(key).cloned()
    }
}

impl SecretStore for Secrets {
    async fn put_share(&mut self, epoch: Epoch, share: Share) {
        self.put(key(SHARE, epoch, &[]), share.encode().to_vec()).await;
    }

    async fn get_share(&mut self, epoch: Epoch) -> Option<Share> {
        self.get(&key(SHARE, epoch, &[])).map(|bytes| Share::decode(bytes).expect("own bytes"))
    }

    async fn put_seed(&mut self, epoch: Epoch, seed: Summary) {
        self.put(key(SEED, epoch, &[]), seed.encode().to_vec()).await;
    }

    async fn get_seed(&mut self, epoch: Epoch) -> Option<Summary> {
        self.get(&key(SEED, epoch, &[])).map(|bytes| Summary::decode(bytes).expect("own bytes"))
    }

    async fn put_dealing<P: PublicKey>(&mut self, epoch: Epoch, dealer: P, private: DealerPrivMsg) {
        self.put(key(DEALING, epoch, dealer.as_ref()), private.encode().to_vec()).await;
    }

    async fn get_dealing<P: PublicKey>(&mut self, epoch: Epoch, dealer: &P) -> Option<DealerPrivMsg> {
        self.get(&key(DEALING, epoch, dealer.as_ref())).map(|bytes| DealerPrivMsg::decode(bytes).expect("own bytes"))
    }

    async fn prune(&mut self, min: Epoch) {
        let mut store = self.store.take().expect("the last write ended");
        store.retain(|key, _| key.as_ref()[1..9] >= min.get().to_be_bytes()[..]);
        self.store = Some(store.sync().await.expect("secrets are written"));
    }
}

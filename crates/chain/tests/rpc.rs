//! The RPC server as clients meet it, over real sockets.

#[path = "rpc/dev.rs"]
mod dev;

use std::time::Duration;

use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolEvent};
use assay_chain::{
    index::{LogLimits, end_hash},
    mempool::Limits,
    rpc::{RpcConfig, RpcError, serve},
};
use assay_types::{
    FinalizedBlock, GRAINS_PER_KRT,
    abi::{IChain, IJobs, IProviders},
    node::{Certificate, NodeStatus, PlacedReceipt, StateProof},
    system,
    view::Books,
};
use dev::{CHAIN_ID, Dev, key, sign, transfer};
use jsonrpsee::{
    core::{
        ClientError,
        client::{ClientT, Subscription, SubscriptionClientT},
        params::BatchRequestBuilder,
    },
    http_client::HttpClient,
    rpc_params,
    ws_client::{WsClient, WsClientBuilder},
};
use serde_json::{Value, json};

type Answer = Result<Value, ClientError>;

fn http(dev: &Dev) -> HttpClient {
    HttpClient::builder().build(dev.http()).expect("a client")
}

async fn ws(dev: &Dev) -> WsClient {
    WsClientBuilder::default().build(dev.ws()).await.expect("connects")
}

/// The next message of a subscription; one that does not come is a failure, not a hang.
async fn next<T: serde::de::DeserializeOwned>(subscription: &mut Subscription<T>) -> T {
    let message = tokio::time::timeout(Duration::from_secs(20), subscription.next()).await;
    message.expect("comes in time").expect("open").expect("JSON")
}

/// Code, message and data of an error answer.
fn error(answer: Answer) -> (i32, String, Value) {
    match answer {
        Err(ClientError::Call(object)) => {
            let data = object.data().map_or(Value::Null, |data| serde_json::from_str(data.get()).expect("JSON"));
            (object.code(), object.message().to_owned(), data)
        }
        other => panic!("expected an error answer, got {other:?}"),
    }
}

/// A registration as provider, which logs one event.
fn registration(nonce: u64) -> TxEip1559 {
    let call = IProviders::registerCall {
        operator: Address::repeat_byte(7),
        sealingKey: B256::repeat_byte(8),
        endpoint: vec![9; 32].into(),
        ask: IProviders::Ask {
            class: 1,
            capacity: 1_000,
            runtimeId: B256::repeat_byte(1),
            pricePerGigafuel: 1_000,
            maxLots: 2,
            maxFuelPerTask: 1_000_000_000,
            maxMemoryMib: 512,
            open: true,
        },
    };
    TxEip1559 {
        gas_limit: 1_000_000,
        value: U256::from(20 * GRAINS_PER_KRT),
        input: call.abi_encode().into(),
        ..transfer(system::PROVIDERS, nonce)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_finds_the_chain_sends_a_transfer_and_reads_what_became_of_it() {
    let dev = Dev::start().await;
    let rpc = http(&dev);
    let ask = |method: &'static str, params: Value| {
        let rpc = &rpc;
        async move {
            let params: Vec<Value> = serde_json::from_value(params).expect("a list");
            rpc.request::<Value, _>(method, params).await.expect(method)
        }
    };
    let (me, you) = (key(0).address(), Address::repeat_byte(0x77));
    assert_eq!(ask("eth_chainId", json!([])).await, json!(format!("{CHAIN_ID:#x}")));
    assert_eq!(ask("net_version", json!([])).await, json!(CHAIN_ID.to_string()));
    assert_eq!(ask("net_listening", json!([])).await, json!(true));
    assert_eq!(ask("eth_accounts", json!([])).await, json!([]));
    assert_eq!(ask("eth_syncing", json!([])).await, json!(false));
    assert!(ask("web3_clientVersion", json!([])).await.as_str().is_some_and(|v| v.starts_with("assay/v")));
    assert_eq!(ask("eth_blockNumber", json!([])).await, json!("0x0"));
    assert_eq!(ask("eth_getCode", json!([system::JOBS, "latest"])).await, json!("0xfe"));
    assert_eq!(ask("eth_getCode", json!([you, "latest"])).await, json!("0x"));
    assert_eq!(ask("eth_maxPriorityFeePerGas", json!([])).await, json!("0x2710"), "a hundredth of the base fee");
    assert_eq!(ask("eth_gasPrice", json!([])).await, json!("0xf6950"), "1,000,000 and the tip");
    let gas = ask("eth_estimateGas", json!([{"from": me, "to": you, "value": "0x5"}])).await;
    assert_eq!(gas, json!("0x5208"));

    let raw = sign(&key(0), transfer(you, 0));
    let hash = keccak256(&raw);
    assert_eq!(ask("eth_sendRawTransaction", json!([raw])).await, json!(hash));
    assert_eq!(ask("eth_getTransactionCount", json!([me, "pending"])).await, json!("0x1"));
    assert_eq!(ask("eth_getTransactionCount", json!([me, "latest"])).await, json!("0x0"));
    assert_eq!(ask("eth_getTransactionReceipt", json!([hash])).await, Value::Null);
    let waiting = ask("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!((&waiting["blockHash"], &waiting["from"]), (&Value::Null, &json!(me)));

    let block = dev.block().await;
    let receipt = ask("eth_getTransactionReceipt", json!([hash])).await;
    let zeros = format!("0x{}", "0".repeat(512));
    assert_eq!(
        receipt,
        json!({
            "type": "0x2", "status": "0x1", "cumulativeGasUsed": "0x5208", "logs": [], "logsBloom": zeros,
            "transactionHash": hash, "transactionIndex": "0x0", "blockHash": block.hash, "blockNumber": "0x1",
            "gasUsed": "0x5208", "effectiveGasPrice": "0xf4628", "from": me, "to": you, "contractAddress": null,
        })
    );
    let tx = ask("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!((&tx["blockNumber"], &tx["nonce"], &tx["to"]), (&json!("0x1"), &json!("0x0"), &json!(you)));
    assert_eq!(ask("eth_getTransactionByBlockNumberAndIndex", json!(["0x1", "0x0"])).await, tx);
    assert_eq!(ask("eth_getBalance", json!([you, "latest"])).await, json!("0x5"));
    assert_eq!(ask("eth_getTransactionCount", json!([me])).await, json!("0x1"));

    let by_number = ask("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!(by_number["transactions"], json!([hash]));
    for (field, value) in [
        ("number", json!("0x1")),
        ("hash", json!(block.hash)),
        ("parentHash", json!(block.parent_hash)),
        ("stateRoot", json!(block.state_root)),
        ("miner", json!(block.proposer)),
        ("baseFeePerGas", json!("0xf4240")),
        ("gasUsed", json!("0x5208")),
        ("timestamp", json!(format!("{:#x}", block.timestamp_ms / 1_000))),
        ("mixHash", json!(block.beacon)),
        ("uncles", json!([])),
        ("difficulty", json!("0x0")),
    ] {
        assert_eq!(by_number[field], value, "{field}");
    }
    for tag in ["safe", "finalized", "pending", "0x1"] {
        assert_eq!(ask("eth_getBlockByNumber", json!([tag, false])).await, by_number, "{tag}");
    }
    let full = ask("eth_getBlockByHash", json!([block.hash, true])).await;
    assert_eq!(full["transactions"], json!([tx]));
    assert_eq!(ask("eth_getBlockByNumber", json!(["earliest", false])).await["number"], json!("0x0"));
    assert_eq!(ask("eth_getBlockByNumber", json!(["0x99", false])).await, Value::Null);
    assert_eq!(ask("eth_getBlockReceipts", json!(["latest"])).await, json!([receipt]));
    assert_eq!(ask("eth_getBlockTransactionCountByNumber", json!(["latest"])).await, json!("0x1"));
    let fees = ask("eth_feeHistory", json!(["0xa", "latest", [20.0, 50.0]])).await;
    assert_eq!(fees["oldestBlock"], json!("0x0"));
    assert_eq!(fees["baseFeePerGas"], json!(["0xf4240", "0xf4240", "0xf4240"]), "two blocks and the next");
    assert_eq!(fees["reward"], json!([["0x0", "0x0"], ["0x3e8", "0x3e8"]]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_transaction_is_refused_with_words_wallets_know_and_a_stable_number() {
    let dev = Dev::with(|_| {}, Limits { max_nonce_gap: 8, ..Limits::default() }).await;
    let rpc = http(&dev);
    let you = Address::repeat_byte(0x77);
    let stranger = alloy_signer_local::PrivateKeySigner::from_bytes(&B256::repeat_byte(5)).expect("a key");
    let first = sign(&key(0), transfer(you, 0));
    rpc.request::<B256, _>("eth_sendRawTransaction", rpc_params![&first]).await.expect("taken");
    dev.block().await;
    let waits = sign(&key(1), transfer(you, 0));
    rpc.request::<B256, _>("eth_sendRawTransaction", rpc_params![&waits]).await.expect("taken");

    let mut unsigned_tail = waits.to_vec();
    unsigned_tail.push(0);
    let of = |tx: TxEip1559| sign(&key(2), tx);
    let base = || transfer(you, 0);
    let table: Vec<(&str, Bytes, &str, u16, &str)> = vec![
        ("used nonce", sign(&key(0), TxEip1559 { value: U256::from(9), ..base() }), "nonce too low", 20, "NonceTooLow"),
        ("same again", waits.clone(), "already known", 40, "AlreadyKnown"),
        (
            "no raise",
            sign(&key(1), TxEip1559 { value: U256::from(9), ..base() }),
            "replacement transaction underpriced",
            41,
            "ReplacementUnderpriced",
        ),
        ("gap", of(TxEip1559 { nonce: 9, ..base() }), "nonce too high", 21, "NonceGap"),
        ("no money", sign(&stranger, base()), "insufficient funds for gas * price + value", 23, "InsufficientFunds"),
        (
            "too little gas",
            of(TxEip1559 { gas_limit: 20_999, ..base() }),
            "intrinsic gas too low",
            12,
            "GasLimitTooLow",
        ),
        (
            "too much gas",
            of(TxEip1559 { gas_limit: 60_000_001, ..base() }),
            "exceeds block gas limit",
            13,
            "GasLimitTooHigh",
        ),
        ("other chain", of(TxEip1559 { chain_id: 1, ..base() }), "invalid chain id", 4, "WrongChainId"),
        (
            "low fee",
            of(TxEip1559 { max_fee_per_gas: 999_999, ..base() }),
            "max fee per gas less than block base fee",
            22,
            "FeeBelowBase",
        ),
        (
            "tip above cap",
            of(TxEip1559 { max_priority_fee_per_gas: 10_000_001, ..base() }),
            "max priority fee per gas higher than max fee per gas",
            8,
            "TipAboveMaxFee",
        ),
        ("beyond 128 bits", of(TxEip1559 { value: U256::MAX, ..base() }), "amount overflow", 7, "AmountOverflow"),
        ("data to nobody", of(TxEip1559 { input: vec![1].into(), ..base() }), "invalid calldata", 9, "DataToAccount"),
        (
            "bad calldata",
            of(TxEip1559 { input: vec![1].into(), ..transfer(system::JOBS, 0) }),
            "invalid calldata",
            10,
            "MalformedAbi",
        ),
        ("oversized", of(TxEip1559 { input: vec![1; 200_000].into(), ..base() }), "oversized data", 1, "Oversized"),
        ("trailing byte", unsigned_tail.into(), "malformed transaction", 2, "Malformed"),
        ("garbage", vec![0xc0, 1, 2].into(), "malformed transaction", 2, "Malformed"),
        ("blob type", vec![3, 1, 2].into(), "transaction type not supported", 3, "UnsupportedType"),
    ];
    for (what, raw, words, code, name) in table {
        let refused = error(rpc.request("eth_sendRawTransaction", rpc_params![raw]).await);
        assert_eq!(refused.0, -32_000, "{what}");
        assert!(refused.1.starts_with(words), "{what}: {}", refused.1);
        assert_eq!(refused.2, json!({"code": code, "name": name}), "{what}");
    }
    let status: NodeStatus = rpc.request("assay_status", rpc_params![]).await.expect("answers");
    assert_eq!(status.waiting_txs, 1, "nothing was lost and nothing slipped in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn system_contracts_answer_calls_and_a_revert_carries_its_reason() {
    let dev = Dev::start().await;
    let rpc = http(&dev);
    let call = |to: Address, data: Vec<u8>| {
        let rpc = &rpc;
        async move {
            let call = json!({"to": to, "from": key(3).address(), "data": Bytes::from(data)});
            rpc.request::<Bytes, _>("eth_call", rpc_params![call, "latest"]).await
        }
    };
    dev.block().await;
    let height = call(system::CHAIN, IChain::heightCall {}.abi_encode()).await.expect("answers");
    assert_eq!(IChain::heightCall::abi_decode_returns(&height), Ok(1));
    let providers = call(system::PROVIDERS, IProviders::providersCall {}.abi_encode()).await.expect("answers");
    assert_eq!(IProviders::providersCall::abi_decode_returns(&providers), Ok(vec![]));
    assert_eq!(call(Address::repeat_byte(1), vec![1, 2, 3, 4]).await.expect("answers"), Bytes::new(), "no code there");

    let update = IProviders::withdrawCall {}.abi_encode();
    let request = json!({"to": system::PROVIDERS, "from": key(3).address(), "input": Bytes::from(update)});
    for method in ["eth_call", "eth_estimateGas"] {
        let (code, message, data) = error(rpc.request(method, rpc_params![&request]).await);
        assert_eq!(code, 3);
        assert!(message.starts_with("execution reverted: UnknownProvider (111)"), "{message}");
        assert!(data.as_str().is_some_and(|data| data.starts_with("0x08c379a0")), "Error(string): {data}");
    }
    let garbage = json!({"to": system::PROVIDERS, "data": "0xdeadbeef"});
    let (code, _, data) = error(rpc.request("eth_call", rpc_params![garbage]).await);
    assert_eq!((code, data), (3, json!("0x")));

    let hash: B256 = rpc
        .request(
            "eth_sendRawTransaction",
            rpc_params![sign(
                &key(3),
                TxEip1559 {
                    gas_limit: 1_000_000,
                    value: U256::ZERO,
                    input: IProviders::withdrawCall {}.abi_encode().into(),
                    ..transfer(system::PROVIDERS, 0)
                }
            )],
        )
        .await
        .expect("taken: a failed call still pays");
    dev.block().await;
    let receipt: Value = rpc.request("eth_getTransactionReceipt", rpc_params![hash]).await.expect("answers");
    assert_eq!((&receipt["status"], &receipt["failure"]["name"]), (&json!("0x0"), &json!("UnknownProvider")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_state_is_pruned_and_says_so() {
    let dev = Dev::start().await;
    let rpc = http(&dev);
    let first = dev.block().await;
    dev.block().await;
    let me = key(0).address();
    for old in [json!("0x1"), json!("earliest"), json!({"blockHash": first.hash})] {
        let (code, message, _) = error(rpc.request("eth_getBalance", rpc_params![me, &old]).await);
        assert_eq!(code, -32_000, "{old}");
        assert!(message.starts_with("historical state is pruned"), "{message}");
    }
    let newest = rpc.request::<U256, _>("eth_getBalance", rpc_params![me, "0x2"]).await;
    assert_eq!(newest.expect("answers"), U256::from(1_000_000 * GRAINS_PER_KRT));
    for ahead in [json!("0x9"), json!({"blockHash": B256::repeat_byte(9)})] {
        let (code, message, _) = error(rpc.request("eth_getBalance", rpc_params![me, &ahead]).await);
        assert_eq!((code, message.starts_with("header not found")), (-32_001, true), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_are_found_by_address_topic_and_range_within_bounds() {
    let limits = LogLimits { max_blocks: 50, max_logs: 3, ..LogLimits::default() };
    let dev = Dev::with(|config| config.logs = limits, Limits::default()).await;
    let rpc = http(&dev);
    let mut hashes = Vec::new();
    for number in 0..4 {
        let raw = sign(&key(number), registration(0));
        hashes.push(keccak256(&raw));
        rpc.request::<B256, _>("eth_sendRawTransaction", rpc_params![raw]).await.expect("taken");
        dev.block().await;
    }
    let registered = IProviders::ProviderRegistered::SIGNATURE_HASH;
    let find = |filter: Value| {
        let rpc = &rpc;
        async move { rpc.request::<Value, _>("eth_getLogs", rpc_params![filter]).await }
    };
    let one = find(json!({"fromBlock": "0x2", "toBlock": "0x2", "address": system::PROVIDERS})).await.expect("finds");
    let one = one.as_array().expect("a list").clone();
    assert_eq!(one.len(), 1);
    let block: Value = rpc.request("eth_getBlockByNumber", rpc_params!["0x2", false]).await.expect("answers");
    for (field, value) in [
        ("address", json!(system::PROVIDERS)),
        ("transactionHash", json!(hashes[1])),
        ("transactionIndex", json!("0x0")),
        ("logIndex", json!("0x0")),
        ("blockNumber", json!("0x2")),
        ("blockHash", block["hash"].clone()),
        ("removed", json!(false)),
    ] {
        assert_eq!(one[0][field], value, "{field}");
    }
    assert_eq!(one[0]["topics"][0], json!(registered));
    let who = B256::left_padding_from(key(2).address().as_slice());
    let by_topic = find(json!({"fromBlock": "earliest", "topics": [[registered, B256::ZERO], who]})).await;
    assert_eq!(by_topic.expect("finds")[0]["transactionHash"], json!(hashes[2]));
    let by_hash = find(json!({"blockHash": block["hash"]})).await.expect("finds");
    assert_eq!(by_hash, json!(one));
    let none = find(json!({"fromBlock": "0x1", "address": system::JOBS})).await.expect("finds");
    assert_eq!(none, json!([]));
    assert_eq!(find(json!({})).await.expect("the newest block").as_array().map(Vec::len), Some(1));

    let (code, message, _) = error(find(json!({"fromBlock": "0x0"})).await);
    assert_eq!(
        (code, message.as_str()),
        (-32_005, "query returned more than 3 results: retry with blocks 0 to 3, or a narrower filter")
    );
    let (code, _, _) = error(find(json!({"fromBlock": "0x3", "toBlock": "0x2"})).await);
    assert_eq!(code, -32_602);
    for _ in 0..50 {
        dev.node.produce();
    }
    dev.block().await;
    let (code, message, _) = error(find(json!({"fromBlock": "0x1"})).await);
    assert_eq!(code, -32_005, "{message}");
    assert!(message.starts_with("query spans 55 blocks, at most 50 are allowed"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_get_heads_logs_and_blocks_as_they_become_final() {
    let dev = Dev::start().await;
    let rpc = ws(&dev).await;
    let mut heads: Subscription<Value> =
        rpc.subscribe("eth_subscribe", rpc_params!["newHeads"], "eth_unsubscribe").await.expect("subscribes");
    let filter = json!({"address": system::PROVIDERS});
    let mut logs: Subscription<Value> =
        rpc.subscribe("eth_subscribe", rpc_params!["logs", filter], "eth_unsubscribe").await.expect("subscribes");
    let mut blocks: Subscription<FinalizedBlock> =
        rpc.subscribe("assay_subscribe", rpc_params!["blocks"], "assay_unsubscribe").await.expect("subscribes");
    let mut same: Subscription<FinalizedBlock> =
        rpc.subscribe("assay_subscribeBlocks", rpc_params![], "assay_unsubscribeBlocks").await.expect("subscribes");

    let raw = sign(&key(0), registration(0));
    rpc.request::<B256, _>("eth_sendRawTransaction", rpc_params![&raw]).await.expect("taken");
    let block = dev.block().await;
    let head = next(&mut heads).await;
    assert_eq!((&head["number"], &head["hash"]), (&json!("0x1"), &json!(block.hash)));
    let log = next(&mut logs).await;
    assert_eq!(log["transactionHash"], json!(keccak256(&raw)));
    assert_eq!(next(&mut blocks).await, *block);
    assert_eq!(next(&mut same).await, *block);
    // What a subscriber hears of, it can read.
    let again: FinalizedBlock = rpc.request("assay_block", rpc_params![1]).await.expect("answers");
    assert_eq!(again, *block);

    logs.unsubscribe().await.expect("unsubscribes");
    let second = dev.block().await;
    assert_eq!(next(&mut heads).await["hash"], json!(second.hash));
    let unknown = rpc
        .subscribe::<Value, _>("eth_subscribe", rpc_params!["newPendingTransactions"], "eth_unsubscribe")
        .await
        .expect_err("not offered");
    assert!(matches!(unknown, ClientError::Call(error) if error.code() == -32_602));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_methods_answer_in_the_shapes_of_the_types_crate() {
    let dev = Dev::start().await;
    let rpc = http(&dev);
    let raw = sign(&key(0), registration(0));
    rpc.request::<B256, _>("eth_sendRawTransaction", rpc_params![&raw]).await.expect("taken");
    let block = dev.block().await;
    let status: NodeStatus = rpc.request("assay_status", rpc_params![]).await.expect("answers");
    assert_eq!((status.height, status.hash, status.state_root), (1, block.hash, block.state_root));
    assert_eq!((status.peers, status.finality_ms.map(|q| q.p99)), (3, Some(90)));
    let genesis: assay_types::Genesis = rpc.request("assay_genesis", rpc_params![]).await.expect("answers");
    assert_eq!(genesis, dev::genesis());
    let params: assay_types::Params = rpc.request("assay_params", rpc_params![]).await.expect("answers");
    assert_eq!(params, genesis.params);
    let books: Books = rpc.request("assay_books", rpc_params![]).await.expect("answers");
    assert!(books.balance());
    assert_eq!(books.collateral, 20 * GRAINS_PER_KRT);
    let receipt: PlacedReceipt = rpc.request("assay_receipt", rpc_params![keccak256(&raw)]).await.expect("answers");
    assert_eq!((receipt.height, receipt.index, &receipt.receipt), (1, 0, &block.txs[0].receipt));
    let me = key(0).address();
    let provider: Value = rpc.request("assay_provider", rpc_params![me]).await.expect("answers");
    assert_eq!((&provider["account"], &provider["collateral"]), (&json!(me), &json!("20000000000000000000")));
    let providers: Value = rpc.request("assay_providers", rpc_params![]).await.expect("answers");
    assert_eq!(providers, json!([provider]));
    for (method, params) in [("assay_jobs", json!([])), ("assay_jobs", json!([me, 5])), ("assay_work", json!([me]))] {
        let params: Vec<Value> = serde_json::from_value(params).expect("a list");
        assert_eq!(rpc.request::<Value, _>(method, params).await.expect(method), json!([]));
    }
    let unknown = B256::repeat_byte(1);
    for method in ["assay_job", "assay_jobProof", "assay_receipt"] {
        assert_eq!(rpc.request::<Value, _>(method, rpc_params![unknown]).await.expect(method), Value::Null);
    }
    let certificate: Certificate = rpc.request("assay_certificate", rpc_params![1]).await.expect("answers");
    assert_eq!(certificate.hash, block.hash);
    let (code, _, _) = error(rpc.request("assay_certificate", rpc_params![99]).await);
    assert_eq!(code, -32_001);
    let state_key = Bytes::from(assay_ledger::keys::account(&me));
    let proof: StateProof = rpc.request("assay_stateProof", rpc_params![&state_key, "latest"]).await.expect("answers");
    assert_eq!((proof.height, &proof.key, proof.value.is_some()), (1, &state_key, true));
    let (code, message, _) = error(rpc.request("assay_stateProof", rpc_params![&state_key, 0]).await);
    assert!(code == -32_000 && message.starts_with("historical state is pruned"), "{message}");
    let long = Bytes::from(vec![1; 300]);
    assert_eq!(error(rpc.request("assay_stateProof", rpc_params![long]).await).0, -32_602);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_the_end_of_a_block_are_logs_of_the_protocols_own_transaction() {
    let dev = Dev::start().await;
    let rpc = http(&dev);
    // A withdrawal matures at no fixed block here, so the test waits for nothing: a job whose lots
    // find no provider is assigned or requeued at the end of blocks.
    let Some((block, _)) = submit_until_end_logs(&dev, &rpc).await else {
        panic!("no block ended with events");
    };
    let hash = end_hash(block.height);
    let receipt: Value = rpc.request("eth_getTransactionReceipt", rpc_params![hash]).await.expect("answers");
    let index = format!("{:#x}", block.txs.len());
    assert_eq!((&receipt["status"], &receipt["gasUsed"]), (&json!("0x1"), &json!("0x0")));
    assert_eq!((&receipt["transactionIndex"], &receipt["to"]), (&json!(index), &json!(system::CHAIN)));
    assert_eq!(receipt["logs"].as_array().map(Vec::len), Some(block.end_logs.len()));
    let tx: Value = rpc.request("eth_getTransactionByHash", rpc_params![hash]).await.expect("answers");
    assert_eq!((&tx["hash"], &tx["from"], &tx["gas"]), (&json!(hash), &json!(Address::ZERO), &json!("0x0")));
    let listed: Value = rpc.request("eth_getBlockByHash", rpc_params![block.hash, true]).await.expect("answers");
    assert_eq!(listed["transactions"].as_array().and_then(|txs| txs.last()), Some(&tx));
    let receipts: Value = rpc.request("eth_getBlockReceipts", rpc_params![block.hash]).await.expect("answers");
    assert_eq!(receipts.as_array().and_then(|all| all.last()), Some(&receipt));
    let filter = json!({"blockHash": block.hash});
    let logs: Value = rpc.request("eth_getLogs", rpc_params![filter]).await.expect("answers");
    let logs = logs.as_array().expect("a list");
    for (at, log) in logs.iter().enumerate() {
        assert_eq!(log["logIndex"], json!(format!("{at:#x}")), "indexes count through the block");
    }
    assert_eq!(logs.iter().filter(|log| log["transactionHash"] == json!(hash)).count(), block.end_logs.len());
}

/// Submits a job and makes blocks until one ends with events of its own.
async fn submit_until_end_logs(dev: &Dev, rpc: &HttpClient) -> Option<(assay_types::block::SharedBlock, B256)> {
    let spec = IJobs::JobSpec {
        program: B256::repeat_byte(1),
        programSealed: false,
        abi: 0,
        runtimeId: B256::repeat_byte(1),
        class: 1,
        substitutes: Vec::new(),
        inputs: vec![B256::repeat_byte(2)],
        fuelPerTask: 1_000_000_000,
        memoryMib: 16,
        outputBytes: 1_024,
        tasksPerLot: 1,
        replicas: 2,
        auditBps: 0,
        auditDraws: 0,
        auditors: 0,
        minReputation: 0,
        maxPricePerGigafuel: 1_000,
        commitWindow: 100,
        challengeWindow: 2,
        lifetime: 300,
        keyHash: B256::repeat_byte(3),
        source: vec![1].into(),
    };
    let raw = sign(
        &key(1),
        TxEip1559 {
            gas_limit: 5_000_000,
            value: U256::from(GRAINS_PER_KRT),
            input: IJobs::submitCall { spec }.abi_encode().into(),
            ..transfer(system::JOBS, 0)
        },
    );
    let hash = rpc.request::<B256, _>("eth_sendRawTransaction", rpc_params![raw]).await.expect("taken");
    for _ in 0..400 {
        let block = dev.block().await;
        for tx in &block.txs {
            assert_eq!(tx.receipt.failure, None, "the job is accepted");
        }
        if !block.end_logs.is_empty() {
            return Some((block, hash));
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_that_waits_gives_the_receipt_or_says_that_it_still_waits() {
    let dev = Dev::start().await;
    let rpc = http(&dev);
    let you = Address::repeat_byte(0x77);
    let raw = sign(&key(0), transfer(you, 0));
    let (code, _, data) = error(rpc.request("eth_sendRawTransactionSync", rpc_params![&raw, "0x32"]).await);
    assert_eq!((code, data), (4, json!(keccak256(&raw))));
    let raw = sign(&key(1), transfer(you, 0));
    let sent = tokio::spawn({
        let (rpc, raw) = (rpc.clone(), raw.clone());
        async move { rpc.request::<Value, _>("eth_sendRawTransactionSync", rpc_params![raw]).await }
    });
    while dev.node.tip().txs.iter().all(|tx| tx.raw != raw) {
        dev.block().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let receipt = sent.await.expect("joins").expect("answers");
    assert_eq!((&receipt["transactionHash"], &receipt["status"]), (&json!(keccak256(&raw)), &json!("0x1")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_parameters_batches_and_oversized_requests_get_typed_errors() {
    let dev = Dev::with(
        |config| {
            config.max_request_bytes = 100_000;
            config.max_batch = 10;
        },
        Limits::default(),
    )
    .await;
    let rpc = http(&dev);
    let ask = |method: &'static str, params: Value| {
        let rpc = &rpc;
        async move {
            let params: Vec<Value> = serde_json::from_value(params).expect("a list");
            error(rpc.request(method, params).await)
        }
    };
    for (method, params) in [
        ("eth_getBalance", json!([])),
        ("eth_getBalance", json!(["0x12"])),
        ("eth_getBalance", json!([Address::ZERO, "yesterday"])),
        ("eth_getBlockByNumber", json!([7])),
        ("eth_getBlockByHash", json!(["0x1", true])),
        ("eth_sendRawTransaction", json!(["not hex"])),
        ("eth_getTransactionReceipt", json!([1])),
        ("eth_call", json!([{"data": "0x00"}])),
        ("eth_call", json!([{"to": Address::ZERO}, "latest", {"0x00": {}}])),
        ("eth_getLogs", json!([{"fromBlock": "latest", "blockHash": B256::ZERO}])),
        ("eth_feeHistory", json!(["0x1", "latest", [50.0, 20.0]])),
        ("assay_block", json!(["soon"])),
        ("assay_job", json!(["0x1"])),
    ] {
        assert_eq!(ask(method, params.clone()).await.0, -32_602, "{method} {params}");
    }
    assert_eq!(ask("eth_mine", json!([])).await.0, -32_601);
    assert_eq!(ask("eth_feeHistory", json!(["0x1", "0x99"])).await.0, -32_001);

    let mut batch = BatchRequestBuilder::new();
    for _ in 0..10 {
        batch.insert("eth_chainId", rpc_params![]).expect("JSON");
    }
    let answers = rpc.batch_request::<String>(batch.clone()).await.expect("answers");
    assert_eq!(answers.num_successful_calls(), 10);
    batch.insert("eth_chainId", rpc_params![]).expect("JSON");
    assert!(rpc.batch_request::<String>(batch).await.is_err(), "eleven are too many");

    let large = Bytes::from(vec![0; 60_000]);
    let refused = rpc.request::<Value, _>("eth_sendRawTransaction", rpc_params![large]).await;
    assert!(refused.is_err(), "a request beyond the bound is not read");
    let still: String = rpc.request("eth_chainId", rpc_params![]).await.expect("the server lives on");
    assert_eq!(still, format!("{CHAIN_ID:#x}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_subscribers_are_served_and_one_that_does_not_read_is_dropped() {
    let dev = Dev::with(
        |config| {
            config.max_subscriptions = 4;
            config.message_backlog = 2;
            config.patience = Duration::from_millis(300);
        },
        Limits::default(),
    )
    .await;
    let mut readers = Vec::new();
    for _ in 0..24 {
        let client = ws(&dev).await;
        let mut topics = Vec::new();
        for _ in 0..4 {
            let topic: Subscription<Value> = client
                .subscribe("eth_subscribe", rpc_params!["newHeads"], "eth_unsubscribe")
                .await
                .expect("subscribes");
            topics.push(topic);
        }
        let fifth = client.subscribe::<Value, _>("eth_subscribe", rpc_params!["newHeads"], "eth_unsubscribe").await;
        assert!(fifth.is_err(), "a connection has a bounded number of subscriptions");
        readers.push((client, topics));
    }
    // A socket that subscribes and then reads nothing: the server may hold its short queue and no more.
    let mut silent = silent_subscriber(&dev).await;
    const BLOCKS: u64 = 80;
    for height in 1..=BLOCKS {
        // Far more in all than the sockets' own buffers hold.
        let call =
            IJobs::deliverKeyCall { job: B256::ZERO, provider: Address::ZERO, sealedKey: vec![1; 100_000].into() };
        let tx = TxEip1559 {
            gas_limit: 5_000_000,
            value: U256::ZERO,
            input: call.abi_encode().into(),
            ..transfer(system::JOBS, height - 1)
        };
        assay_chain::rpc::Backend::submit(&*dev.node, sign(&key(0), tx)).await.expect("taken");
        assert_eq!(dev.block().await.txs.len(), 1);
        for (_, topics) in &mut readers {
            for topic in topics {
                let head = next(topic).await;
                assert_eq!(head["number"], json!(format!("{height:#x}")), "every reader sees every head in order");
            }
        }
    }
    let text = silent.read_all().await;
    assert!(text.contains("too slow"), "the silent one is told why: {}", &text[text.len().saturating_sub(300)..]);
    assert!(text.matches("\"height\":").count() < BLOCKS as usize, "and did not make the server keep every block");
}

/// A WebSocket spoken by hand, so that nothing reads behind the test's back.
struct Silent {
    stream: tokio::net::TcpStream,
}

async fn silent_subscriber(dev: &Dev) -> Silent {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small window");
    let mut stream = socket.connect(dev.address).await.expect("connects");
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        dev.address
    );
    stream.write_all(request.as_bytes()).await.expect("writes");
    let mut answer = [0; 512];
    let read = stream.read(&mut answer).await.expect("reads");
    assert!(answer[..read].starts_with(b"HTTP/1.1 101"), "upgraded");
    let text = br#"{"jsonrpc":"2.0","id":1,"method":"assay_subscribe","params":["blocks"]}"#;
    // One masked text frame; a mask of zeros leaves the payload as it is.
    let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(text);
    stream.write_all(&frame).await.expect("writes");
    let read = stream.read(&mut answer).await.expect("reads");
    assert!(String::from_utf8_lossy(&answer[..read]).contains("result"), "subscribed");
    Silent { stream }
}

impl Silent {
    /// Reads what has come until nothing more comes.
    async fn read_all(&mut self) -> String {
        use tokio::io::AsyncReadExt;
        let (mut all, mut part) = (Vec::new(), vec![0; 65_536]);
        while let Ok(Ok(read)) = tokio::time::timeout(Duration::from_secs(12), self.stream.read(&mut part)).await {
            all.extend_from_slice(&part[..read]);
            if read == 0 || String::from_utf8_lossy(&all).contains("too slow") {
                break;
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_named_and_a_stopped_server_frees_it() {
    let mut dev = Dev::start().await;
    let backend: std::sync::Arc<dyn assay_chain::rpc::Backend> = dev.node.clone();
    let again = serve(RpcConfig::new(dev.address), backend.clone(), dev.history.clone()).await;
    let error = again.expect_err("the port is taken");
    assert!(matches!(error, RpcError::PortInUse(address) if address == dev.address));
    assert!(error.to_string().contains(&dev.address.port().to_string()) && error.to_string().contains("--rpc-port"));
    dev.server.take().expect("runs").stop().await;
    serve(RpcConfig::new(dev.address), backend, dev.history.clone()).await.expect("the port is free again");
}

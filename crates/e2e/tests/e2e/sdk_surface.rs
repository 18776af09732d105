//! Does every call of FireFly's own client lead to what it expects?

use photinus_e2e::{NodeApp, SdkError, Server};
use serde_json::{Value, json};

const NOBODY: &str = "0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01";
const HASH: &str = "5aa762ae383fbb727af3c7a36d4940a5b8c40a989452d2304fc958ff3f354e7a";

fn any(app: &mut NodeApp, method: &str, given: Value) -> Result<Value, SdkError> {
    app.try_call("any", json!({"method": method, "given": given}))
}

#[test]
fn every_list_is_one_and_what_is_not_there_is_undefined() {
    let server = Server::start();
    let mut app = NodeApp::start(server.address());
    for method in [
        "getIdentities",
        "getOrganizations",
        "getNodes",
        "getDatatypes",
        "getSubscriptions",
        "findData",
        "getBatches",
        "getMessages",
        "getTokenPools",
        "getTokenApprovals",
        "getTokenTransfers",
        "getTokenBalances",
        "getContractInterfaces",
        "getContractAPIs",
        "getContractListeners",
        "getOperations",
        "getTransactions",
        "getBlockchainEvents",
    ] {
        let filter = json!({"limit": 5, "created": ">=0"});
        for given in [json!([]), json!([filter])] {
            let list = any(&mut app, method, given).unwrap();
            assert!(list.is_array(), "{method}: {list}");
        }
    }
    for namespace in [Value::Null, json!("default")] {
        let list = any(&mut app, "getVerifiers", json!([namespace, {}])).unwrap();
        assert!(list.is_array(), "{list}");
    }
    for (method, given) in [
        ("getIdentity", json!([NOBODY])),
        ("getOrganization", json!(["nobody"])),
        ("getNode", json!(["nobody"])),
        ("getNamespace", json!(["nowhere"])),
        ("getDatatype", json!(["nothing", "1"])),
        ("getData", json!([NOBODY])),
        ("getMessage", json!([NOBODY])),
        ("getGroup", json!([HASH])),
        ("getTokenPool", json!(["nothing"])),
        ("getTokenTransfer", json!([NOBODY])),
        ("getContractInterface", json!([NOBODY])),
        ("getContractAPI", json!(["nothing"])),
        ("getOperation", json!([NOBODY])),
        ("getTransaction", json!([NOBODY])),
        ("getBlockchainEvent", json!([NOBODY])),
    ] {
        assert_eq!(any(&mut app, method, given), Ok(Value::Null), "{method}");
    }
}

#[test]
fn what_needs_a_chain_is_refused_with_its_code() {
    let server = Server::start();
    let mut app = NodeApp::start(server.address());
    for (method, given) in [
        ("createIdentity", json!([{"name": "i"}])),
        ("updateIdentity", json!([NOBODY, {}])),
        (
            "createTokenPool",
            json!([{"name": "p", "type": "fungible"}]),
        ),
        ("mintTokens", json!([{"amount": "1"}])),
        ("transferTokens", json!([{"amount": "1"}])),
        ("approveTokens", json!([{"approved": true}])),
        ("burnTokens", json!([{"amount": "1"}])),
        ("generateContractInterface", json!([{}])),
        ("createContractInterface", json!([{}])),
        ("createContractAPI", json!([{"name": "a"}])),
        ("invokeContract", json!([{}])),
        ("queryContract", json!([{}])),
        ("invokeContractAPI", json!(["a", "m", {}])),
        ("queryContractAPI", json!(["a", "m", {}])),
        ("createContractListener", json!([{}])),
        ("deleteContractListener", json!([NOBODY])),
        ("createContractAPIListener", json!(["a", "e", {}])),
        ("resolveVerifier", json!([{}])),
        ("retryOperation", json!([NOBODY])),
    ] {
        let error = any(&mut app, method, given).unwrap_err();
        assert_eq!(error.class, "FireFlyError", "{method}");
        let is_coded = ["FF10414: ", "FF10109: "]
            .iter()
            .any(|code| error.message.starts_with(code));
        assert!(is_coded, "{method}: {}", error.message);
    }
}

#[test]
fn values_and_blobs_go_up_and_come_down() {
    let server = Server::start();
    let mut app = NodeApp::start(server.address());
    let value = any(&mut app, "uploadData", json!([{"value": {"n": 1}}])).unwrap();
    let id = value["id"].clone();
    assert_eq!(
        app.call("data", json!({"id": id}))["value"],
        json!({"n": 1})
    );
    any(&mut app, "deleteData", json!([id])).unwrap();
    assert_eq!(app.call("data", json!({"id": id})), Value::Null);

    let up = json!({"text": "a file\n", "blob": {"filename": "a.txt"}, "data": {"metadata": "{\"of\":\"me\"}"}});
    let data = app.call("uploadBlob", up);
    assert_eq!(data["blob"]["name"], "a.txt", "{data}");
    assert_eq!(data["blob"]["size"], 7, "{data}");
    let hash = "da69f286f03c0d2131b3f95afe7c8d31b4f65cbf5ca49a12c41d8bf02d366a34";
    assert_eq!(data["blob"]["hash"], hash, "the SHA-256 of the bytes");
    assert_eq!(app.call("blob", json!({"id": data["id"]})), "a file\n");
}

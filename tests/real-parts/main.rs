//! Tests that need more than Rust: Doorkeeper, DynamoDB Local, moto, and the built binaries. `.ci/run` installs the
//! parts and names them by variables. If a variable is missing, the run fails.
//!
//! | variable | names |
//! |---|---|
//! | `DYNAMODB_LOCAL` | the folder of DynamoDBLocal.jar |
//! | `MOTO_SERVER` | the program `moto_server` |
//! | `PYTHON` | a Python that has aws-sam-translator and the client in clients/python |
//! | `NODE_MODULES_PARENT` | the folder whose `node_modules` holds the simulator of IAM |
//! | `SAM_BUILD` | the folder of the functions that `sam build` has made |

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod alarms;
mod binaries;
mod chaos;
mod costs;
mod doorkeeper;
mod dynamodb_local;
mod engines;
mod examples;
mod gateway;
mod iam;
mod migrating;
mod moto;
mod policies;
mod process;
mod recorder;
mod rehearsal;
mod runtime_api;
mod stack;
mod template;

//! What can fail, and which alarms must ring for it.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use tests::world::{STORING_A_PAIR, Setup};

use super::cloudwatch::Alarm;
use super::operation::{Broken, MINUTE, Operation};
use crate::stack::Stack;

/// Minutes until all alarms must be silent again after a fault: `EventsNotFollowedAlarm` looks two hours back.
const MINUTES_UNTIL_SILENT: i64 = 200;

/// How far CloudWatch looks back beyond the evaluation periods, in its own example.
pub(super) const FURTHER: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    NoSchedule,
    TableDown,
    IndexGone,
    KeyDisabled,
    SecretWrong,
    ProviderDown,
    RefreshCrashes,
    NoConcurrency,
    MessageUnreadable,
    PairsNotStored,
    StreamNotFollowed,
    BusGone,
    CustomerLeaves,
    AnswerLost,
    EveryoneRefused,
    RowUnreadable,
}

pub(super) struct Proof {
    pub(super) fault: Fault,
    pub(super) says: &'static str,
    pub(super) minutes: i64,
    /// The alarms that must ring for this fault.
    pub(super) alarms: &'static [&'static str],
    /// The other alarms that ring, and why that is right.
    pub(super) also: &'static [(&'static str, &'static str)],
}

const READERS_GET_503: (&str, &str) = ("ApiFailuresAlarm", "token reads are answered 503");
const TOKENS_END: (&str, &str) = ("LeastRemainingLifetimeAlarm", "tokens come to their end");

pub(super) const PROOFS: [Proof; 16] = [
    Proof { fault: Fault::NoSchedule, says: "the schedule is off", minutes: 60, alarms: &["NoSweepAlarm"], also: &[] },
    Proof {
        fault: Fault::TableDown,
        says: "the connections table is down",
        minutes: 60,
        alarms: &["AwsAlarm", "ApiFailuresAlarm"],
        also: &[("UnfinishedRunsAlarm", "nothing can be listed")],
    },
    Proof {
        fault: Fault::IndexGone,
        says: "the index `due` is gone",
        minutes: 60,
        alarms: &["UnfinishedRunsAlarm"],
        also: &[("AwsAlarm", "each listing is a failure of DynamoDB")],
    },
    Proof {
        fault: Fault::KeyDisabled,
        says: "the sealing key is disabled, and no data key is kept",
        minutes: 60,
        alarms: &["AwsAlarm"],
        also: &[READERS_GET_503, TOKENS_END],
    },
    Proof {
        fault: Fault::SecretWrong,
        says: "WebinarGeek does not accept the client secret",
        minutes: 60,
        alarms: &["ConfigurationAlarm"],
        also: &[TOKENS_END, ("UnfinishedRunsAlarm", "a run stops at the third refusal")],
    },
    Proof {
        fault: Fault::ProviderDown,
        says: "WebinarGeek answers 500",
        minutes: 180,
        alarms: &["ProviderAlarm", "LeastRemainingLifetimeAlarm"],
        also: &[READERS_GET_503],
    },
    Proof {
        fault: Fault::RefreshCrashes,
        says: "the refresh function crashes",
        minutes: 60,
        alarms: &["FunctionErrorsAlarm", "DeadLettersAlarm"],
        also: &[("NoSweepAlarm", "no run ends")],
    },
    Proof {
        fault: Fault::NoConcurrency,
        says: "the account's concurrency is used up",
        minutes: 60,
        alarms: &["ThrottlesAlarm"],
        also: &[
            ("ApiFailuresAlarm", "API Gateway answers 503"),
            ("DeadLettersAlarm", "runs are not started"),
            ("NoSweepAlarm", "no run ends"),
        ],
    },
    Proof {
        fault: Fault::MessageUnreadable,
        says: "a message in the queue cannot be read",
        minutes: 60,
        alarms: &["EscrowAlarm"],
        also: &[("RowAlarm", "it is counted each time it comes")],
    },
    Proof {
        fault: Fault::PairsNotStored,
        says: "the table takes no new pairs",
        minutes: 60,
        alarms: &["PairInEscrowAlarm", "EscrowAlarm"],
        also: &[("AwsAlarm", "each failed write"), TOKENS_END],
    },
    Proof {
        fault: Fault::StreamNotFollowed,
        says: "the event source mapping is off",
        minutes: 60,
        alarms: &["EventsNotFollowedAlarm"],
        also: &[("EventsLateAlarm", "once it is on again, its first record is an hour old")],
    },
    Proof {
        fault: Fault::BusGone,
        says: "the event bus is gone",
        minutes: 60,
        alarms: &["EventsLateAlarm"],
        also: &[("AwsAlarm", "each refused event")],
    },
    Proof {
        fault: Fault::CustomerLeaves,
        says: "a customer removes the app at WebinarGeek",
        minutes: 120,
        alarms: &["ReauthorizationNeededAlarm"],
        also: &[],
    },
    Proof {
        fault: Fault::AnswerLost,
        says: "an answer is lost, and WebinarGeek ends the old token at once",
        minutes: 60,
        alarms: &["AmbiguousRotationAlarm"],
        also: &[("ReauthorizationNeededAlarm", "that customer must connect again")],
    },
    Proof {
        fault: Fault::EveryoneRefused,
        says: "WebinarGeek refuses every refresh token",
        minutes: 12,
        alarms: &["MarkingFrozenAlarm"],
        also: &[],
    },
    Proof {
        fault: Fault::RowUnreadable,
        says: "a row cannot be read",
        minutes: 60,
        alarms: &["RowAlarm"],
        also: &[("LeastRemainingLifetimeAlarm", "its token comes to its end")],
    },
];

impl Proof {
    pub(super) async fn begin(&self, operation: &mut Operation<'_>) {
        let status =
            |status: u16, error: &str| json!({ "status": { "status": status, "error": error, "retry_after": null } });
        let always = |answer| json!({ "answer": answer, "times": 100_000, "grant_type": "refresh_token" });
        match self.fault {
            Fault::NoSchedule => operation.broken.no_schedule = true,
            Fault::TableDown => operation.world.outage_of(&["Query", "GetItem", "UpdateItem", "BatchGetItem"]),
            Fault::IndexGone => operation.world.outage_of(&["Query"]),
            Fault::KeyDisabled => operation.world.outage_of(&["Decrypt", "GenerateDataKey"]),
            Fault::SecretWrong => operation.world.fault(always(status(401, "invalid_client"))),
            Fault::ProviderDown => operation.world.fault(always(status(500, "server_error"))),
            Fault::RefreshCrashes => operation.broken.refresh_crashes = true,
            Fault::NoConcurrency => operation.broken.no_concurrency = true,
            Fault::MessageUnreadable => operation.unreadable_messages = 1,
            Fault::PairsNotStored => operation.world.outage_of(&[STORING_A_PAIR]),
            Fault::StreamNotFollowed => operation.broken.stream_is_not_followed = true,
            Fault::BusGone => {
                operation.broken.no_bus = true;
                operation.connect("new").await;
            }
            Fault::CustomerLeaves => {
                let token = operation.world.token("t0").await.text("access_token").to_owned();
                assert!(operation.world.simulation.grants.revoke(&token, "client-one"));
            }
            Fault::AnswerLost => {
                let lost = json!({ "answer": "break", "carried_out": true, "grant_type": "refresh_token" });
                operation.world.fault(lost);
            }
            Fault::EveryoneRefused => {
                operation.world.fault(always(status(400, "invalid_grant")));
                operation.all_are_due().await;
            }
            Fault::RowUnreadable => operation.world.set("t0", "format", AttributeValue::N("2".to_owned())).await,
        }
    }

    async fn end(&self, operation: &mut Operation<'_>) {
        operation.broken = Broken::default();
        operation.unreadable_messages = 0;
        operation.world.outage_of(&[]);
        operation.world.simulation.faults.clear();
        if self.fault == Fault::RowUnreadable {
            operation.world.set("t0", "format", AttributeValue::N("1".to_owned())).await;
        }
    }

    /// The alarms that have rung, and after how many minutes.
    pub(super) async fn rehearse(&self, stack: &Stack, alarms: &[Alarm]) -> BTreeMap<String, i64> {
        let setup = match self.fault {
            Fault::AnswerLost => Setup::strict(),
            // Otherwise a warm process goes on with the data keys that it keeps.
            Fault::KeyDisabled => Setup::default().variable("DATA_KEY_MINUTES", "0"),
            _ => Setup::default(),
        };
        let mut operation = Operation::begin(stack, alarms, setup).await;
        assert_eq!(operation.ringing(FURTHER), [""; 0], "before: {}", self.says);
        let begun = operation.now();
        self.begin(&mut operation).await;
        let mut rung: BTreeMap<String, i64> = BTreeMap::new();
        let mut note = |operation: &Operation<'_>| {
            for alarm in operation.ringing(FURTHER) {
                rung.entry(alarm.to_owned()).or_insert((operation.now() - begun) / MINUTE);
            }
        };
        while operation.now() < begun + self.minutes * MINUTE {
            operation.minute().await;
            note(&operation);
        }
        self.end(&mut operation).await;
        let ended = operation.now();
        while !operation.ringing(FURTHER).is_empty() || operation.now() < ended + 30 * MINUTE {
            operation.minute().await;
            note(&operation);
            let still = operation.ringing(FURTHER);
            if operation.now() > ended + MINUTES_UNTIL_SILENT * MINUTE {
                rung.extend(still.into_iter().map(|alarm| (format!("{alarm} without end"), 0)));
                break;
            }
        }
        rung
    }
}

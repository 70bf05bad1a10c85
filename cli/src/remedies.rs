//! What to do about a failure in the log, in a sentence. docs/operating.md, Alarms, says more.

/// `kind` is the `class` of the line, or what `logs` calls a line without one.
pub(crate) fn remedy(kind: &str) -> &'static str {
    match kind {
        "reauth_required" | "invalid_grant" => "send that customer through a new link: wgc link ID",
        "ambiguous_rotation" => "an answer was lost: send that customer through a new link: wgc link ID",
        "no_refresh_token" => "WebinarGeek has granted none: look at the scope and the settings of the app",
        "refused" => "WebinarGeek refuses the refresh: the error says why; tried again by itself",
        "unreachable" | "unknown_outcome" => "WebinarGeek's status, and the way to it; tried again by itself",
        "throttled" => "WebinarGeek asks to wait; tried again by itself",
        "invalid_client" => "compare ClientId and the client secret with the app at WebinarGeek: wgc doctor",
        "secret_unavailable" => "the client secret in Secrets Manager cannot be read: wgc doctor",
        "foreign_client" => "these connections belong to another client id: set ClientId back",
        "key_unavailable" => "KMS: the error names action and key; a changed policy or a disabled key",
        "store_unavailable" => "DynamoDB: the error names action and table; a changed policy, or AWS's own status",
        "pair_in_escrow" => "stored as soon as the table accepts it; see store_unavailable",
        "bus_unavailable" => "the event bus is gone, or its policy has changed",
        "inconsistent_row" | "unopenable" | "panic" => {
            "keep the row and look at it: wgc list --status quarantined; a wrong sealing key fails for every row"
        }
        "frozen" => "many refresh tokens are refused at once, and none is given up: is the app still at WebinarGeek?",
        "out_of_time" => {
            "a run is too short for all connections: WebinarGeek is slow, or a smaller RefreshIntervalMinutes"
        }
        "grant_not_revoked" => "look at RevokeUrl if each disconnect does this: the finding `revocation` of wgc doctor",
        "crashed" => "the function ran out of time, out of memory, or did not start: its log, by the request id",
        _ => "the line in the function's log, by the request id",
    }
}

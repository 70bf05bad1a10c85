//! What to do about a failure in the log, in a sentence. docs/operating.md, Alarms, says more.

/// `kind` is the `class` of the line, or what `logs` calls a line without one.
pub(crate) fn remedy(kind: &str) -> &'static str {
    match kind {
        "reauth_required" | "invalid_grant" => "send that customer through a new link: wgc link ID",
        "ambiguous_rotation" => "an answer was lost: send that customer through a new link: wgc link ID",
        "no_refresh_token" => "WebinarGeek has granted none: look at the scope and the settings of the app",
        "refused" => "WebinarGeek refuses the refresh: the error says why; it is tried again automatically",
        "unreachable" | "unknown_outcome" => {
            "look at WebinarGeek's status and at the network; it is tried again automatically"
        }
        "throttled" => "WebinarGeek asks to wait; it is tried again automatically",
        "invalid_client" => "compare ClientId and the client secret with the app at WebinarGeek: wgc doctor",
        "secret_unavailable" => "the client secret in Secrets Manager cannot be read: wgc doctor",
        "foreign_client" => "these connections belong to another client id: set ClientId back",
        "key_unavailable" => "KMS: the error names action and key; look for a changed policy or a disabled key",
        "store_unavailable" => {
            "DynamoDB: the error names action and table; look for a changed policy, and at AWS's status"
        }
        "pair_in_escrow" => "the pair is stored as soon as the table accepts it; see store_unavailable",
        "bus_unavailable" => "the event bus was deleted, or its policy has changed",
        "inconsistent_row" | "unopenable" | "panic" => {
            "keep the row and look at it: wgc list --status quarantined; with a wrong sealing key every row fails"
        }
        "frozen" => "the process stood still for too long, and nothing was sent: if it goes on, look at AWS's status",
        "marking_frozen" => {
            "many refresh tokens are refused at once; no connection is given up: is the app still at WebinarGeek?"
        }
        "out_of_time" => {
            "a run is too short for all connections: WebinarGeek is slow, or RefreshIntervalMinutes is too large"
        }
        "grant_not_revoked" => {
            "if each disconnect does this, RevokeUrl may be wrong: the finding `revocation` of wgc doctor"
        }
        "crashed" => "the function ran out of time or memory, or did not start: find the request id in its log",
        _ => "find the request id in the function's log",
    }
}

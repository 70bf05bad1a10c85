//! How a connection begins: the form that makes a link, with its API call; and the form that imports.

use maud::{Markup, html};

use super::View;

pub(super) fn form(view: &View, origin: &str, is_empty: bool, is_simulated: bool) -> Markup {
    html! {
        details #begin open[is_empty] {
            summary { "Make a link for a customer, or import" }
            div.columns {
                form method="post" action="/local/console/begin" data-swap {
                    (view.fields())
                    label for="new-id" { "Your name for the customer" }
                    input #new-id name="new" placeholder="acme" autocomplete="off" maxlength="128";
                    button.primary { "Make a link" }
                    p.note { "The same as a call:" }
                    pre tabindex="0" role="region" aria-label="The call that makes a link" { code {
                        "curl '" (origin) "/v1/connect-sessions' \\\n  -H 'content-type: application/json' \\\n"
                        "  -d '{\"connection_id\": \"acme\"}'"
                    } }
                }
                div {
                    form method="post" action="/local/console/import" data-swap {
                        (view.fields())
                        label for="import-id" { "Import under the name" }
                        input #import-id name="new" placeholder="acme" autocomplete="off" required maxlength="128";
                        label for="import-token" { "Its refresh token" }
                        input #import-token name="refresh_token" type="password" autocomplete="off" required;
                        label.check {
                            input type="checkbox" name="replace" value="true";
                            " replace a live connection"
                        }
                        button { "Import" }
                    }
                    @if is_simulated {
                        form method="post" action="/local/console/grant" data-swap {
                            (view.fields())
                            p.note {
                                "You have no refresh token? The simulated WebinarGeek grants one, as if a customer had "
                                "connected to another system."
                            }
                            button { "Grant one" }
                        }
                    }
                }
            }
        }
    }
}

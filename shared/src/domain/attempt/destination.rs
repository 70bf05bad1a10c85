//! Where the grant of a journey goes, and where its browser goes then. It is fixed when the journey begins.

use crate::domain::connection_id::ConnectionId;
use crate::domain::item::{BadAttribute, Item};
use crate::domain::order::Order;
use crate::domain::return_to::ReturnTo;
use crate::domain::secret::Confirmation;
use crate::domain::session::SessionMark;
use crate::domain::write::Change;

/// Where the grant of a journey goes, and where its browser goes then; authenticated by the cookie.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The connection id that the grant is stored under.
    pub connection_id: ConnectionId,
    /// The order of the last event of the connection id before the journey began.
    pub order: Order,
    /// The connect session whose link began the journey; `None` for an install link.
    pub session: Option<SessionMark>,
    /// As in the authorization request: the token request repeats it (RFC 6749 section 4.1.3).
    pub redirect_uri: String,
    /// The address of the integrator's that the browser is sent to at the end; `None` for a page of ours.
    pub return_to: Option<ReturnTo>,
    /// The browser carries it to the integrator's product, whose backend confirms connections.
    pub confirmation: Option<Confirmation>,
    /// Copied from its session: the doctor may make a test with the grant that can end it.
    pub throw_away: bool,
    /// Copied from its session: only the account that is connected already is accepted.
    pub same_account: bool,
}

impl Destination {
    pub(super) fn parse(item: &Item) -> Result<Self, BadAttribute> {
        let return_to = match item.optional_string("return_to")? {
            None => None,
            Some(text) => Some(ReturnTo::stored(text).ok_or(BadAttribute("return_to"))?),
        };
        Ok(Self {
            connection_id: ConnectionId::parse(item.string("connection_id")?)
                .map_err(|_| BadAttribute("connection_id"))?,
            order: Order::of(item, "order")?,
            session: SessionMark::parse(item)?,
            redirect_uri: item.string("redirect_uri")?.to_owned(),
            return_to,
            confirmation: item.optional_string("confirmation")?.map(Confirmation::new),
            throw_away: item.optional_number("throw_away")?.is_some(),
            same_account: item.optional_number("same_account")?.is_some(),
        })
    }

    pub(super) fn changes(&self) -> Vec<Change> {
        let mut changes = vec![
            Change::Set("connection_id", self.connection_id.as_str().into()),
            Change::Set("order", self.order.number().into()),
            Change::Set("redirect_uri", self.redirect_uri.as_str().into()),
        ];
        changes.extend(self.session.iter().flat_map(SessionMark::changes));
        if let Some(return_to) = &self.return_to {
            changes.push(Change::Set("return_to", return_to.as_str().into()));
        }
        if let Some(confirmation) = &self.confirmation {
            changes.push(Change::Set("confirmation", confirmation.expose().into()));
        }
        changes.extend(self.throw_away.then_some(Change::Set("throw_away", 1.into())));
        changes.extend(self.same_account.then_some(Change::Set("same_account", 1.into())));
        changes
    }

    /// Always the same number of parts, in this order.
    pub(super) fn append_to(&self, bytes: &mut Vec<u8>) {
        let number = |order: Order| order.number().to_string();
        let session = self.session.as_ref();
        append(bytes, Some(self.connection_id.as_str()));
        append(bytes, Some(&number(self.order)));
        append(bytes, session.map(|session| session.id.as_str()));
        append(bytes, session.map(|session| number(session.order)).as_deref());
        append(bytes, Some(&self.redirect_uri));
        append(bytes, self.return_to.as_ref().map(ReturnTo::as_str));
        append(bytes, self.confirmation.as_ref().map(Confirmation::expose));
        append(bytes, self.throw_away.then_some("throw-away"));
        append(bytes, self.same_account.then_some("same-account"));
    }
}

/// With its length in front, so that no two lists of parts have the same bytes. An absent part differs from an empty
/// one.
pub(super) fn append(bytes: &mut Vec<u8>, part: Option<&str>) {
    bytes.push(part.is_some().into());
    let part = part.unwrap_or_default().as_bytes();
    bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
    bytes.extend_from_slice(part);
}

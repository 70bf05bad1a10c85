//! Takes the next number in the order of a connection id's events: see [`crate::domain::order`].

use std::sync::Arc;

use crate::domain::connection_id::ConnectionId;
use crate::domain::order::Order;
use crate::domain::write::Written;
use crate::ports::{Clock, StoreError, WriteOrders};

/// How many events of one id may come at the same time.
const TRIES: usize = 20;

/// Gives events of a connection id their order.
#[derive(Clone)]
pub struct Orders {
    /// The counter of an id, in the attempts table.
    pub writes: Arc<dyn WriteOrders>,
    /// The counter is never behind this clock.
    pub clock: Arc<dyn Clock>,
}

impl Orders {
    /// A number that no event of this id had before, and that is below every later one.
    pub async fn take(&self, id: &ConnectionId) -> Result<Order, StoreError> {
        let now = self.clock.now();
        let mut write = Order::take_present(id, now);
        for _ in 0..TRIES {
            let seen = match self.writes.order(&write).await? {
                Written::Applied(order) => return Ok(order),
                Written::ConditionFailed(seen) => seen,
            };
            write = match seen {
                Some(seen) => Order::take_after(id, seen, now),
                None => Order::take_present(id, now),
            };
        }
        Err(StoreError::Unavailable("the order of the connection's events changed at every try".to_owned()))
    }
}

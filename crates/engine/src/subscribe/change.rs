//! How does a stored subscription become another one?
//!
//! Its dispatcher ends, which voids what is in flight; the store writes it, with a new epoch; then its connections are
//! served as it says now. Its position is not touched.

use std::sync::Arc;

use photinus_contract::{ChangeKind, CodedError, Subscription};
use photinus_dispatch::Filter;

use super::{Checked, SubscriptionInput, shown_once};
use crate::core::Core;
use crate::publish::unavailable;

impl Core {
    /// Has a stored subscription be what the input says. To be called by one at a time.
    pub(super) async fn change(
        &self,
        stored: &Arc<Subscription>,
        input: SubscriptionInput,
        checked: Checked,
    ) -> Result<Arc<Subscription>, CodedError> {
        let mut changed = Subscription::clone(stored);
        changed.transport = checked.transport.shared_name();
        changed.filter = input.filter;
        changed.options = checked.options;
        changed.secrets = checked.secrets;
        let changed = self.replace(stored, changed, checked.filter).await?;
        Ok(shown_once(changed, &checked.made))
    }

    /// Stores and serves a subscription in the place of the one that it was; nothing is done if it is the same. To be
    /// called by one at a time.
    pub(super) async fn replace(
        &self,
        stored: &Arc<Subscription>,
        mut changed: Subscription,
        filter: Filter,
    ) -> Result<Arc<Subscription>, CodedError> {
        // The start was fixed at creation.
        changed.options.first_event = stored.options.first_event.clone();
        if changed == **stored {
            return Ok(stored.clone());
        }
        changed.updated = Some(self.clock.now());
        let _ = self.registry.suspend(stored.id).await;
        match self.store.update_subscription(changed.clone()).await {
            Ok(true) => {
                let changed = Arc::new(changed);
                self.registry.put(changed.clone(), filter);
                self.tell(ChangeKind::Updated, &changed);
                if changed.transport != stored.transport {
                    self.learn_position(changed.id).await;
                }
                Ok(changed)
            }
            Ok(false) => {
                self.registry.forget(stored.id);
                Err(CodedError::not_found(
                    "FF10109",
                    "The subscription was deleted meanwhile",
                ))
            }
            Err(error) => {
                self.registry.resume(stored.id);
                Err(unavailable(error))
            }
        }
    }
}

//! From what a request shows to a bound that a price can be put to.

use super::RequestBound;
use crate::budget::prices::{Bound, Price};

/// Nothing bounds what a request may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unbounded {
    /// Its input is more than its body, and nobody said how much the model takes.
    #[error(
        "what the request refers to is bounded by the model's context only: state `context` with \
         the model's price, or `reserve_usd` for the route"
    )]
    Input,
    /// Nobody caps its output.
    #[error(
        "nothing caps the output: state a cap in the request, `max_output_tokens` for the tenant, \
         `max_output` with the model's price, or `reserve_usd` for the route"
    )]
    Output,
}

impl RequestBound {
    /// The most that the request uses of a model with this price. `max_output` is the tenant's own
    /// cap on output, which holds where the request states none.
    ///
    /// # Errors
    /// See [`Unbounded`].
    pub fn of_price(&self, price: &Price, max_output: Option<u64>) -> Result<Bound, Unbounded> {
        let context = price
            .context
            .map(|context| context.saturating_mul(self.prompts));
        let input_tokens = match (self.whole_context, context) {
            (true, Some(context)) => context,
            (true, None) => return Err(Unbounded::Input),
            (false, Some(context)) => self.input_tokens.min(context),
            (false, None) => self.input_tokens,
        };
        let output_tokens = match self.output_cap.or(max_output).or(price.max_output) {
            Some(cap) => cap.saturating_mul(self.choices),
            None if price.output_is_free() => 0,
            None => return Err(Unbounded::Output),
        };
        Ok(Bound {
            input_tokens,
            output_tokens,
            searches: self.searches,
            audio_input: self.audio_input,
            audio_output: self.audio_output,
            cache_write_1h: self.cache_write_1h,
            service_tier: self.service_tier.clone(),
        })
    }
}

//! Standing in line before a backend is asked.

use pingora::proxy::Session;

use super::carrier::{Carrier, target_of};
use super::context::Exchange;
use super::deliver::gone_error;
use crate::decision::Refusal;
use crate::pipeline::Admission;

impl Carrier {
    /// Waits until it is the request's turn, where its route says one at a time. Refused:
    /// `queue_full`, and what it would be refused for at present, as a wait can outlive what let the
    /// request in.
    ///
    /// # Errors
    /// The client left.
    pub(super) async fn wait_in_line(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        admission: &Admission,
    ) -> pingora::Result<Result<(), Refusal>> {
        let Some((key, policy)) = admission.line() else {
            return Ok(Ok(()));
        };
        // While a body is still to be read, its coming can't be told from the client's leaving.
        let tells = session.is_body_done();
        let left = async {
            match tells {
                true => session.as_downstream_mut().read_body_or_idle(true).await,
                false => std::future::pending().await,
            }
        };
        let turn = tokio::select! {
            biased;
            turn = self.gate.lines().stand(key, policy) => turn,
            left = left => {
                exchange.trail_mut().client_gone();
                return Err(gone_error(left).into_down());
            }
        };
        match turn {
            Ok(turn) => {
                exchange.take_turn(turn);
                exchange.trail_mut().is_due();
            }
            Err(denial) => return Ok(Err(denial.into())),
        }
        let head = session.req_header();
        let target = target_of(head).unwrap_or_default();
        let standing = self.gate.standing(admission, &head.method, target);
        Ok(standing.map(|_until| ()).map_err(Refusal::from))
    }
}

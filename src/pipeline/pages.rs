//! Pages of a list: which ones the gate asks the backend for before the caller gets one.
//!
//! Only a GET is asked again: it changes nothing (RFC 9110 section 9.2.1).

use std::borrow::Cow;

use http::{Method, StatusCode, Uri};

use super::admission::Admission;
use super::answer::Answer;
use super::listing::{Media, media};
use crate::decision::Refusal;
use crate::inspect::query;
use crate::ownership::Registry;
use crate::ownership::list::paging::{Follow, Next, Progress, Window};
use crate::policy::Paging;

/// A list that is being read page by page.
#[derive(Debug)]
pub struct Pages {
    target: String,
    style: Style,
}

#[derive(Debug)]
enum Style {
    After(Follow, std::sync::Arc<str>),
    Offset(Window, std::sync::Arc<str>),
}

/// What became of a page.
#[derive(Debug)]
pub enum Paged {
    /// The backend has to be asked for the next one: [`Pages::target`] says where.
    Ask,
    /// The caller gets this.
    Answer(Answer),
}

impl Pages {
    /// What the backend is to be asked for.
    pub fn target(&self) -> &str {
        &self.target
    }

    fn ask(&mut self, name: &str, value: &str) {
        self.target = with_parameter(&self.target, name, value);
    }
}

impl Admission {
    /// Whether the gate has to read the list that is asked for page by page, and where it begins.
    /// `largest` bounds the items of one page of the caller's, in bytes.
    pub fn pages(&self, method: &Method, asked: &Uri, largest: u64) -> Option<Pages> {
        let rule = self.route.list.as_ref()?;
        let mut pages = Pages {
            target: asked.path_and_query()?.as_str().to_owned(),
            style: Style::After(Follow::new(0), "".into()),
        };
        if *method != Method::GET || self.route.reads_more_than_a_list() {
            return None;
        }
        match rule.paging.as_ref()? {
            Paging::After { after, pages: most } => {
                pages.style = Style::After(Follow::new(*most), after.clone());
            }
            Paging::Offset {
                offset,
                limit,
                page,
                pages: most,
            } => {
                let query = asked.query().unwrap_or_default();
                let number = |name: &str| -> Option<u64> {
                    query::values_of(query, name).find_map(|value| value.parse().ok())
                };
                let wanted = number(limit).and_then(|limit| usize::try_from(limit).ok());
                let largest = usize::try_from(largest).unwrap_or(usize::MAX);
                let window = Window::new(number(offset).unwrap_or(0), wanted, *most, largest);
                pages.style = Style::Offset(window, offset.clone());
                pages.ask(offset, "0");
                if let (Some(page), Some(_)) = (page, wanted) {
                    pages.ask(limit, &page.to_string());
                }
            }
        }
        Some(pages)
    }

    /// Takes a page, and answers what is to be done.
    ///
    /// # Errors
    /// As [`Admission::judge_answer`], and `upstream_unreadable` where the bound of the route is
    /// reached before the caller's page is there.
    pub async fn next_page(
        &self,
        registry: &Registry,
        pages: &mut Pages,
        answer: Answer,
        largest: u64,
    ) -> Result<Paged, Refusal> {
        let (Some(rule), Some(principal)) = (&self.route.list, self.principal.as_deref()) else {
            return Err(self.unreadable("lists what is nobody's"));
        };
        if answer.status != StatusCode::OK || media(&answer.headers) != Media::Json {
            let judged = self.judge_answer(registry, answer, largest).await?;
            return Ok(Paged::Answer(judged));
        }
        let mut answer = self.uncoded(answer, largest)?;
        let mut sorted = self
            .sorted_answer(registry, principal, rule, &mut answer)
            .await?;
        let too_far = || self.unreadable("has nothing of the caller's within the bound of pages");
        match &mut pages.style {
            Style::After(follow, after) => match follow.next(&sorted.listing, sorted.kept()) {
                Next::Answer => sorted
                    .put_into(rule, &mut answer)
                    .map_err(|fault| self.no_list(&fault))?,
                Next::AskAfter(item) => {
                    let after = after.clone();
                    pages.ask(&after, &item);
                    return Ok(Paged::Ask);
                }
                Next::GiveUp => return Err(too_far()),
            },
            Style::Offset(window, offset) => {
                match window.take(&sorted.listing, &sorted.keep, sorted.said) {
                    Progress::AskAt(place) => {
                        let offset = offset.clone();
                        pages.ask(&offset, &place.to_string());
                        return Ok(Paged::Ask);
                    }
                    Progress::Complete { own } => {
                        sorted.total = match own {
                            Some(own) => own,
                            None => self.total_owned(registry, principal, rule, &sorted).await?,
                        };
                        let body = window
                            .answer(&sorted.listing, sorted.total)
                            .map_err(|fault| self.no_list(&fault))?;
                        sorted.put_fields(rule, &mut answer);
                        answer.body = body;
                    }
                    Progress::GiveUp => return Err(too_far()),
                }
            }
        }
        Ok(Paged::Answer(self.restored(answer)))
    }
}

/// The target with one parameter of this name, whose value is this.
fn with_parameter(target: &str, name: &str, value: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let set = query::set(query, name, value).map_or(Cow::Borrowed(query), Cow::Owned);
    format!("{path}?{set}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_set_once_whatever_was_there() {
        for (target, expected) in [
            ("/t", "/t?after=a%2Fb%26c"),
            ("/t?", "/t?after=a%2Fb%26c"),
            ("/t?limit=2", "/t?limit=2&after=a%2Fb%26c"),
            ("/t?after=x&limit=2&after=y", "/t?after=a%2Fb%26c&limit=2"),
        ] {
            assert_eq!(
                with_parameter(target, "after", "a/b&c"),
                expected,
                "{target}"
            );
        }
    }
}

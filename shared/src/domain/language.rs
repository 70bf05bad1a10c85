//! The languages that the product's pages are written in.

use super::item::{BadAttribute, Item};
use super::write::Change;

/// The attribute of a session and of an attempt.
const ATTRIBUTE: &str = "ui_locale";

/// A language of the pages. English is used where no other one fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// `en`
    #[default]
    English,
    /// `nl`
    Dutch,
    /// `de`
    German,
}

impl Language {
    /// Every language once.
    pub const ALL: [Self; 3] = [Self::English, Self::Dutch, Self::German];

    /// The primary subtag of BCP 47, as in `<html lang>` and `Content-Language`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Dutch => "nl",
            Self::German => "de",
        }
    }

    /// The attribute `dir` of its pages.
    pub fn direction(self) -> &'static str {
        match self {
            Self::English | Self::Dutch | Self::German => "ltr",
        }
    }

    /// By its tag alone: `nl`, not `nl-BE`.
    pub fn parse(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }

    pub(super) fn of(item: &Item) -> Result<Option<Self>, BadAttribute> {
        match item.optional_string(ATTRIBUTE)? {
            None => Ok(None),
            Some(tag) => Self::parse(tag).map(Some).ok_or(BadAttribute(ATTRIBUTE)),
        }
    }

    pub(super) fn change(self) -> Change {
        Change::Set(ATTRIBUTE, self.tag().into())
    }
}

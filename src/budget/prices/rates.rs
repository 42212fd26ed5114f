//! The rates of one price at one length of context: as written, and as they hold.

use super::Rate;

/// What is counted in tokens and may have a rate of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RateClass {
    /// Input that no cache served or took.
    Input,
    /// Output.
    Output,
    /// Input read from a cache.
    CacheRead,
    /// Input written to a cache for a short time.
    CacheWrite,
    /// Input written to a cache for an hour.
    CacheWriteHour,
    /// Output that is reasoning.
    Reasoning,
    /// Input of audio.
    AudioInput,
    /// Output of audio.
    AudioOutput,
}

impl RateClass {
    /// Every class.
    pub const ALL: [Self; 8] = [
        Self::Input,
        Self::Output,
        Self::CacheRead,
        Self::CacheWrite,
        Self::CacheWriteHour,
        Self::Reasoning,
        Self::AudioInput,
        Self::AudioOutput,
    ];

    /// The key in files.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::CacheRead => "cache_read",
            Self::CacheWrite => "cache_write",
            Self::CacheWriteHour => "cache_write_1h",
            Self::Reasoning => "reasoning",
            Self::AudioInput => "audio_input",
            Self::AudioOutput => "audio_output",
        }
    }
}

/// Rates as somebody stated them: what is absent was not stated, which is not free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatedRates {
    /// Input.
    pub input: Rate,
    /// Output.
    pub output: Rate,
    /// Input read from a cache.
    pub cache_read: Option<Rate>,
    /// Input written to a cache for a short time.
    pub cache_write: Option<Rate>,
    /// Input written to a cache for an hour.
    pub cache_write_1h: Option<Rate>,
    /// Reasoning.
    pub reasoning: Option<Rate>,
    /// Input of audio.
    pub audio_input: Option<Rate>,
    /// Output of audio.
    pub audio_output: Option<Rate>,
}

impl StatedRates {
    /// Nothing stated but these two.
    pub const fn new(input: Rate, output: Rate) -> Self {
        Self {
            input,
            output,
            cache_read: None,
            cache_write: None,
            cache_write_1h: None,
            reasoning: None,
            audio_input: None,
            audio_output: None,
        }
    }

    /// The rate stated for a class.
    pub const fn of(&self, class: RateClass) -> Option<Rate> {
        match class {
            RateClass::Input => Some(self.input),
            RateClass::Output => Some(self.output),
            RateClass::CacheRead => self.cache_read,
            RateClass::CacheWrite => self.cache_write,
            RateClass::CacheWriteHour => self.cache_write_1h,
            RateClass::Reasoning => self.reasoning,
            RateClass::AudioInput => self.audio_input,
            RateClass::AudioOutput => self.audio_output,
        }
    }

    /// States the rate of a class.
    pub const fn state(&mut self, class: RateClass, rate: Rate) {
        match class {
            RateClass::Input => self.input = rate,
            RateClass::Output => self.output = rate,
            RateClass::CacheRead => self.cache_read = Some(rate),
            RateClass::CacheWrite => self.cache_write = Some(rate),
            RateClass::CacheWriteHour => self.cache_write_1h = Some(rate),
            RateClass::Reasoning => self.reasoning = Some(rate),
            RateClass::AudioInput => self.audio_input = Some(rate),
            RateClass::AudioOutput => self.audio_output = Some(rate),
        }
    }
}

/// Rates as they hold: one for every class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) input: Rate,
    pub(super) output: Rate,
    pub(super) cache_read: Rate,
    pub(super) cache_write: Rate,
    pub(super) cache_write_1h: Rate,
    pub(super) reasoning: Rate,
    pub(super) audio_input: Rate,
    pub(super) audio_output: Rate,
}

impl Rates {
    /// Fills what was not stated by a rate that can't be too low: a cache serves for no more than
    /// the input costs, takes for a quarter more, and for twice as much where it keeps an hour;
    /// reasoning is output; audio is as dear as the dearest there is.
    pub(super) fn of(stated: &StatedRates) -> Self {
        let input = stated.input;
        let output = stated.output;
        let cache_read = stated.cache_read.unwrap_or(input);
        let cache_write = stated.cache_write.unwrap_or(input.quarters(5));
        let cache_write_1h = stated
            .cache_write_1h
            .unwrap_or(input.quarters(8).max(cache_write));
        let reasoning = stated.reasoning.unwrap_or(output);
        let text = [input, output, cache_read, cache_write, reasoning];
        let stated_audio = [stated.audio_input, stated.audio_output];
        let dearest = text
            .into_iter()
            .chain(stated_audio.into_iter().flatten())
            .fold(Rate::ZERO, Rate::max);
        Self {
            input,
            output,
            cache_read,
            cache_write,
            cache_write_1h,
            reasoning,
            audio_input: stated.audio_input.unwrap_or(dearest),
            audio_output: stated.audio_output.unwrap_or(dearest),
        }
    }

    /// Of each class the dearer rate.
    pub(super) fn dearer(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            cache_read: self.cache_read.max(other.cache_read),
            cache_write: self.cache_write.max(other.cache_write),
            cache_write_1h: self.cache_write_1h.max(other.cache_write_1h),
            reasoning: self.reasoning.max(other.reasoning),
            audio_input: self.audio_input.max(other.audio_input),
            audio_output: self.audio_output.max(other.audio_output),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    #[test]
    fn a_class_without_a_rate_falls_to_one_that_is_not_too_low() {
        let rates = Rates::of(&StatedRates::new(rate("3.00"), rate("15.00")));
        assert_eq!(rates.cache_read, rate("3.00"));
        assert_eq!(rates.cache_write, rate("3.75"));
        assert_eq!(rates.cache_write_1h, rate("6.00"));
        assert_eq!(rates.reasoning, rate("15.00"));
        assert_eq!(rates.audio_input, rate("15.00"));
        assert_eq!(rates.audio_output, rate("15.00"));
        let odd = Rates::of(&StatedRates::new(rate("0.000000001"), Rate::ZERO));
        assert_eq!(odd.cache_write, rate("0.000000002"), "rounded up");
    }

    #[test]
    fn a_rate_that_is_stated_holds_even_when_it_is_nothing() {
        for class in RateClass::ALL {
            let mut stated = StatedRates::new(rate("3.00"), rate("15.00"));
            stated.state(class, Rate::ZERO);
            assert_eq!(stated.of(class), Some(Rate::ZERO));
            let rates = Rates::of(&stated);
            let held = match class {
                RateClass::Input => rates.input,
                RateClass::Output => rates.output,
                RateClass::CacheRead => rates.cache_read,
                RateClass::CacheWrite => rates.cache_write,
                RateClass::CacheWriteHour => rates.cache_write_1h,
                RateClass::Reasoning => rates.reasoning,
                RateClass::AudioInput => rates.audio_input,
                RateClass::AudioOutput => rates.audio_output,
            };
            assert_eq!(held, Rate::ZERO, "{}", class.key());
        }
    }

    #[test]
    fn audio_without_a_rate_is_as_dear_as_the_other_direction() {
        let mut stated = StatedRates::new(rate("2.50"), rate("10.00"));
        stated.audio_input = Some(rate("40.00"));
        assert_eq!(Rates::of(&stated).audio_output, rate("40.00"));
    }
}

//! A fact about VCD, and the case that holds the simulator to it.

use std::pin::Pin;

use libtest_mimic::Trial;

use super::support::bench::Bench;

/// How sure a fact is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mark {
    /// Confirmed in the source code of a client.
    Source,
    /// From the vendor's published documents.
    Documents,
    /// Inferred: a setting of the simulator, or easily made one, for whoever knows better.
    Inferred,
}

impl Mark {
    const fn letter(self) -> char {
        match self {
            Self::Source => 'S',
            Self::Documents => 'D',
            Self::Inferred => 'I',
        }
    }
}

type Case = Box<dyn FnOnce(Bench) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// A sentence about VCD with its case.
pub(crate) struct Fact {
    /// Section of the behaviour, such as `3.5`.
    section: &'static str,
    mark: Mark,
    sentence: &'static str,
    case: Case,
}

/// States a fact; `case` panics where the simulator does not hold it.
pub(crate) fn fact<F, R>(section: &'static str, mark: Mark, sentence: &'static str, case: F) -> Fact
where
    F: FnOnce(Bench) -> R + Send + 'static,
    R: Future<Output = ()> + 'static,
{
    Fact {
        section,
        mark,
        sentence,
        case: Box::new(move |bench| Box::pin(case(bench))),
    }
}

impl Fact {
    /// The case as the runner takes it, named by its fact.
    pub(crate) fn trial(self) -> Trial {
        let Self {
            section,
            mark,
            sentence,
            case,
        } = self;
        let name = format!("{section} [{}] {sentence}", mark.letter());
        Trial::test(name, move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async move { case(Bench::start()).await });
            Ok(())
        })
    }
}

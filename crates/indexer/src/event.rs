//! The events that make the price record, decoded from logs.

use alloy_primitives::{Address, B256, LogData};
use alloy_sol_types::SolEvent;
use assay_types::{
    abi::{IJobs, IMarket},
    system,
};

/// An event of the market or of a job.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Cleared(IMarket::Cleared),
    EpochClosed(IMarket::EpochClosed),
    OrderPlaced(IMarket::OrderPlaced),
    OrderAmended(IMarket::OrderAmended),
    OrderFilled(IMarket::OrderFilled),
    OrderClosed(IMarket::OrderClosed),
    JobSubmitted(IJobs::JobSubmitted),
    JobAmended(IJobs::JobAmended),
    LotSettled(IJobs::LotSettled),
    JobClosed(IJobs::JobClosed),
}

/// First topics of all events of the record.
pub(crate) const TOPICS: [B256; 10] = [
    IMarket::Cleared::SIGNATURE_HASH,
    IMarket::EpochClosed::SIGNATURE_HASH,
    IMarket::OrderPlaced::SIGNATURE_HASH,
    IMarket::OrderAmended::SIGNATURE_HASH,
    IMarket::OrderFilled::SIGNATURE_HASH,
    IMarket::OrderClosed::SIGNATURE_HASH,
    IJobs::JobSubmitted::SIGNATURE_HASH,
    IJobs::JobAmended::SIGNATURE_HASH,
    IJobs::LotSettled::SIGNATURE_HASH,
    IJobs::JobClosed::SIGNATURE_HASH,
];

/// Contracts that emit them.
pub(crate) const EMITTERS: [Address; 2] = [system::MARKET, system::JOBS];

/// An event that does not decode: which, and why.
pub(crate) type Malformed = (&'static str, String);

impl Event {
    /// The event in a log; none if it is no part of the record.
    pub(crate) fn of(address: Address, log: &LogData) -> Result<Option<Self>, Malformed> {
        let Some(topic) = log.topics().first() else { return Ok(None) };
        Ok(Some(match (address, *topic) {
            (system::MARKET, IMarket::Cleared::SIGNATURE_HASH) => Self::Cleared(decode(log)?),
            (system::MARKET, IMarket::EpochClosed::SIGNATURE_HASH) => Self::EpochClosed(decode(log)?),
            (system::MARKET, IMarket::OrderPlaced::SIGNATURE_HASH) => Self::OrderPlaced(decode(log)?),
            (system::MARKET, IMarket::OrderAmended::SIGNATURE_HASH) => Self::OrderAmended(decode(log)?),
            (system::MARKET, IMarket::OrderFilled::SIGNATURE_HASH) => Self::OrderFilled(decode(log)?),
            (system::MARKET, IMarket::OrderClosed::SIGNATURE_HASH) => Self::OrderClosed(decode(log)?),
            (system::JOBS, IJobs::JobSubmitted::SIGNATURE_HASH) => Self::JobSubmitted(decode(log)?),
            (system::JOBS, IJobs::JobAmended::SIGNATURE_HASH) => Self::JobAmended(decode(log)?),
            (system::JOBS, IJobs::LotSettled::SIGNATURE_HASH) => Self::LotSettled(decode(log)?),
            (system::JOBS, IJobs::JobClosed::SIGNATURE_HASH) => Self::JobClosed(decode(log)?),
            _ => return Ok(None),
        }))
    }

    /// Its name in the interface.
    pub(crate) fn name(&self) -> &'static str {
        let signature = match self {
            Self::Cleared(_) => IMarket::Cleared::SIGNATURE,
            Self::EpochClosed(_) => IMarket::EpochClosed::SIGNATURE,
            Self::OrderPlaced(_) => IMarket::OrderPlaced::SIGNATURE,
            Self::OrderAmended(_) => IMarket::OrderAmended::SIGNATURE,
            Self::OrderFilled(_) => IMarket::OrderFilled::SIGNATURE,
            Self::OrderClosed(_) => IMarket::OrderClosed::SIGNATURE,
            Self::JobSubmitted(_) => IJobs::JobSubmitted::SIGNATURE,
            Self::JobAmended(_) => IJobs::JobAmended::SIGNATURE,
            Self::LotSettled(_) => IJobs::LotSettled::SIGNATURE,
            Self::JobClosed(_) => IJobs::JobClosed::SIGNATURE,
        };
        name(signature)
    }
}

fn name(signature: &'static str) -> &'static str {
    signature.split_once('(').map_or(signature, |(name, _)| name)
}

/// Strictly: bits beyond a field's width or data beyond the last field are refused.
fn decode<E: SolEvent>(log: &LogData) -> Result<E, Malformed> {
    let malformed = |reason: String| (name(E::SIGNATURE), reason);
    let event = E::decode_log_data_validate(log).map_err(|error| malformed(error.to_string()))?;
    if event.encode_log_data() != *log {
        return Err(malformed("its encoding is not the canonical one".to_owned()));
    }
    Ok(event)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Bytes;

    use super::*;

    fn filled() -> IMarket::OrderFilled {
        IMarket::OrderFilled { id: 7, price: u128::MAX, quantity: u64::MAX, left: 1 }
    }

    #[test]
    fn an_event_is_read_only_from_the_contract_that_declares_it() {
        let log = filled().encode_log_data();
        let event = Event::of(system::MARKET, &log).expect("good").expect("of the record");
        assert_eq!(event.name(), "OrderFilled");
        assert!(matches!(event, Event::OrderFilled(e) if (e.id, e.price, e.quantity) == (7, u128::MAX, u64::MAX)));
        assert!(Event::of(system::JOBS, &log).expect("good").is_none());
        assert!(Event::of(system::MARKET, &LogData::default()).expect("good").is_none());
    }

    #[test]
    fn a_log_that_is_short_long_or_too_wide_is_refused_by_name() {
        let good = filled().encode_log_data();
        let data = |change: fn(&mut Vec<u8>)| {
            let mut data = good.data.to_vec();
            change(&mut data);
            LogData::new_unchecked(good.topics().to_vec(), Bytes::from(data))
        };
        let wide_topic = LogData::new_unchecked(vec![good.topics()[0], B256::repeat_byte(0xff)], good.data.clone());
        let no_topic = LogData::new_unchecked(vec![good.topics()[0]], good.data.clone());
        let long = data(|d| d.extend([0; 32]));
        for bad in [data(|d| d.truncate(95)), data(|d| d[0] = 1), long, wide_topic, no_topic] {
            let (event, reason) = Event::of(system::MARKET, &bad).expect_err("malformed");
            assert_eq!(event, "OrderFilled");
            assert!(!reason.is_empty());
        }
    }
}

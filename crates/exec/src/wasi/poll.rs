//! `poll_oneoff` and the clocks. Nothing is waited for: files and streams are always ready, and a sleep
//! moves the monotonic clock.

use super::abi::*;
use super::clock::Clock;
use super::host::{Call, Fail};
use super::memory;
use super::streams::Descriptor;

const SUBSCRIPTION_BYTES: u32 = 48;
const EVENT_BYTES: usize = 32;
const MAX_SUBSCRIPTIONS: u32 = 4_096;

/// What one subscription came to.
struct Answer {
    userdata: [u8; 8],
    kind: u8,
    errno: u16,
    bytes: u64,
    /// Nanoseconds until a clock subscription fires; `None` for one that is ready now.
    wait_ns: Option<u64>,
}

impl Call<'_> {
    pub(super) fn clock_res_get(&mut self, id: i32, at: u32) -> Result<(), Fail> {
        Ok(memory::put_u64(self.memory, at, Clock::resolution(id).ok_or(Errno::Invalid)?)?)
    }

    pub(super) fn clock_time_get(&mut self, id: i32, at: u32) -> Result<(), Fail> {
        let time = self.wasi.clock.read(id).ok_or(Errno::Invalid)?;
        Ok(memory::put_u64(self.memory, at, time)?)
    }

    pub(super) fn poll_oneoff(&mut self, from: u32, to: u32, count: u32, count_at: u32) -> Result<(), Fail> {
        if count == 0 || count > MAX_SUBSCRIPTIONS {
            return Err(Errno::Invalid.into());
        }
        self.charge_steps(u64::from(count))?;
        self.charge_bytes(u64::from(count) * u64::from(SUBSCRIPTION_BYTES))?;
        let mut answers = Vec::with_capacity(count as usize);
        for index in 0..count {
            let at = memory::offset(from, index * SUBSCRIPTION_BYTES)?;
            answers.push(self.answer(memory::get(self.memory, at)?)?);
        }
        // Whatever is ready now is the answer; only if nothing is does time pass, to the first deadline.
        let wait_ns = answers.iter().map(|answer| answer.wait_ns.unwrap_or(0)).min().unwrap_or(0);
        self.wasi.clock.advance(wait_ns);
        let mut events = 0;
        for answer in answers.iter().filter(|answer| answer.wait_ns.unwrap_or(0) <= wait_ns) {
            let mut event = [0; EVENT_BYTES];
            event[..8].copy_from_slice(&answer.userdata);
            event[8..10].copy_from_slice(&answer.errno.to_le_bytes());
            event[10] = answer.kind;
            event[16..24].copy_from_slice(&answer.bytes.to_le_bytes());
            memory::put(self.memory, memory::offset(to, events * EVENT_BYTES as u32)?, &event)?;
            events += 1;
        }
        Ok(memory::put_u32(self.memory, count_at, events)?)
    }

    fn answer(&mut self, subscription: [u8; SUBSCRIPTION_BYTES as usize]) -> Result<Answer, Fail> {
        let userdata = memory::get(&subscription, 0)?;
        let kind = subscription[8];
        let mut answer = Answer { userdata, kind, errno: 0, bytes: 0, wait_ns: None };
        let number = u32::from_le_bytes(memory::get(&subscription, 16)?);
        match kind {
            EVENT_CLOCK => {
                let timeout_ns = u64::from_le_bytes(memory::get(&subscription, 24)?);
                let flags = u16::from_le_bytes(memory::get(&subscription, 40)?);
                let absolute = flags & SUBSCRIPTION_CLOCK_ABSTIME != 0;
                match self.wasi.clock.wait_ns(number as i32, timeout_ns, absolute) {
                    Some(wait_ns) => answer.wait_ns = Some(wait_ns),
                    None => answer.errno = Errno::Invalid as u16,
                }
            }
            EVENT_FD_READ | EVENT_FD_WRITE => match (self.descriptor(number).copied(), kind) {
                (Ok(Descriptor::Stdin), EVENT_FD_READ) => {
                    answer.bytes = (self.wasi.stdin.len() - self.wasi.stdin_read) as u64;
                }
                (Ok(Descriptor::File { node, offset, read: true, .. }), EVENT_FD_READ) => {
                    answer.bytes = self.wasi.tree.size(node).saturating_sub(offset);
                }
                (
                    Ok(Descriptor::Stdout | Descriptor::Stderr | Descriptor::File { write: true, .. }),
                    EVENT_FD_WRITE,
                ) => {
                    answer.bytes = 1;
                }
                _ => answer.errno = Errno::BadFd as u16,
            },
            _ => return Err(Errno::Invalid.into()),
        }
        Ok(answer)
    }
}

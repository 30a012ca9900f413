//! Sharing slots out: each endpoint in turn, those with the fewest requests under way first.

use super::Allowance;

/// One that wants slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// So many of its requests are under way.
    pub(super) under_way: u32,
    /// It wants so many slots more.
    pub(super) wanted: u32,
    /// It gets so many.
    pub(super) slots: u32,
}

/// Gives `free` slots away: whoever has the fewest gets the next one.
pub(super) fn share(shares: &mut [Share], free: u32) {
    let mut left = free;
    // So many are under way at an endpoint that gets another one in this round.
    let Some(mut level) = shares.iter().filter(|share| share.wanted > 0).map(|share| share.under_way).min()
    else {
        return;
    };
    while left > 0 {
        let mut next: Option<u32> = None;
        for share in shares.iter_mut().filter(|share| share.slots < share.wanted) {
            if share.under_way + share.slots <= level && left > 0 {
                share.slots += 1;
                left -= 1;
            }
            if share.slots < share.wanted {
                let has = share.under_way + share.slots;
                next = Some(next.map_or(has, |least| least.min(has)));
            }
        }
        let Some(least) = next else { return };
        level = least;
    }
}

/// Sees to it that what is claimed makes no more requests than there are free slots. Says how many rows that makes, `most`
/// at the most. Where all requests carry one delivery, the claim itself shares the slots out, by how old the rows are.
pub(super) fn share_out(allowances: &mut Vec<Allowance>, free: u32, most: u32) -> u32 {
    if allowances.iter().all(|allowance| allowance.batch == 1) {
        return free.min(most);
    }
    let requests = |allowance: &Allowance| allowance.most.div_ceil(allowance.batch);
    let mut shares: Vec<Share> = allowances
        .iter()
        .map(|one| Share { under_way: one.under_way, wanted: requests(one), slots: 0 })
        .collect();
    share(&mut shares, free);
    let mut rows = 0_u32;
    for (allowance, Share { slots, .. }) in allowances.iter_mut().zip(shares) {
        allowance.most = allowance.most.min(slots.saturating_mul(allowance.batch)).min(most - rows);
        rows += allowance.most;
    }
    allowances.retain(|allowance| allowance.most > 0);
    rows
}

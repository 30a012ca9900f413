/**
 * The application's nine events, as the application causes them: rows change in the role of the signed-in user, and
 * the page calls dispatch_webhook.
 */

export const EVENTS = [
  "user.joined_platform",
  "user.joined_community",
  "user.registered_event",
  "user.cancelled_registration",
  "user.posted_comment",
  "user.flagged_comment",
  "user.referred_user",
  "discussion.extended",
  "discussion.auto_closed",
];

/** Somebody who uses the application. */
async function signUp(sql, name, referralCode) {
  const email = `${name.split(" ")[0].toLowerCase()}-${crypto.randomUUID().slice(0, 8)}@example.com`;
  const [{ id }] = await sql`insert into auth.users (email) values (${email}) returning id`;
  await sql`insert into public.users (id, name, referral_code) values (${id}, ${name}, ${referralCode})`;
  return { id, name, email };
}

/** An admin and an endpoint that is subscribed to everything. */
export async function createEndpoint(sql, { name, url, secret, events }) {
  const admin = await signUp(sql, "Admin Example", crypto.randomUUID());
  await sql`update public.users set role = 'admin' where id = ${admin.id}`;
  const [endpoint] = await sql`
    insert into public.webhook_configurations (name, url, events, secret_key, created_by)
    values (${name}, ${url}, ${sql.array(events)}, ${secret}, ${admin.id}) returning id`;
  return endpoint.id;
}

/**
 * Causes the nine events; the last one through `closeExpired`, which calls the function.
 *
 * @param {import("postgres").Sql} sql
 * @param {() => Promise<void>} closeExpired
 */
export async function causeEvents(sql, closeExpired) {
  const ada = await signUp(sql, "Ada Example", crypto.randomUUID());
  const emit = (tx, event, data, actor) =>
    tx`select public.dispatch_webhook(${event}, ${tx.json(data)}, ${actor})`;
  /** One request of a signed-in user, as PostgREST runs it. */
  const as = (user, work) =>
    sql.begin(async (tx) => {
      await tx`select set_config('request.jwt.claims', ${JSON.stringify({ sub: user.id })}, true)`;
      await tx`set local role authenticated`;
      return await work(tx);
    });

  const code = `ADA-${crypto.randomUUID().slice(0, 8)}`;
  await sql`update public.users set referral_code = ${code} where id = ${ada.id}`;

  // The welcome mail's function runs with the service role.
  const grace = await signUp(sql, "Grace Example", crypto.randomUUID());
  await sql.begin(async (tx) => {
    await tx`set local role service_role`;
    await emit(
      tx,
      "user.joined_platform",
      { user_id: grace.id, email: grace.email, name: grace.name },
      grace.id,
    );
  });

  const [community] = await sql`
    insert into public.communities (name, city) values ('Board Games Zürich', 'Zürich') returning *`;
  await as(grace, async (tx) => {
    await tx`insert into public.community_members (user_id, community_id) values (${grace.id}, ${community.id})`;
    const [{ count }] = await tx`
      select count(*)::integer from public.community_members where community_id = ${community.id}`;
    await emit(tx, "user.joined_community", {
      community_id: community.id,
      community_name: community.name,
      community_city: community.city,
      member_count: count,
    }, grace.id);
  });

  const [evening] = await sql`
    insert into public.events (community_id, title, date_time, capacity)
    values (${community.id}, 'Games evening', now() + interval '7 days', 20) returning id`;
  const registration = await as(grace, async (tx) => {
    const [row] = await tx`
      insert into public.event_registrations (user_id, event_id) values (${grace.id}, ${evening.id}) returning *`;
    await emit(tx, "user.registered_event", {
      event_id: evening.id,
      registration_id: row.id,
      payment_id: row.payment_id,
      status: row.status,
    }, grace.id);
    return row;
  });
  await as(grace, async (tx) => {
    await tx`update public.event_registrations set status = 'unregistered' where id = ${registration.id}`;
    await emit(tx, "user.cancelled_registration", {
      event_id: evening.id,
      registration_id: registration.id,
    }, grace.id);
  });

  const discussion = (title, expires) =>
    sql`
    insert into public.discussions (community_id, title, created_by, expires_at)
    values (${community.id}, ${title}, ${ada.id}, now() + ${expires}::text::interval) returning id`;
  const [open] = await discussion("Which game next?", "1 day");
  const comment = await as(grace, async (tx) => {
    const [row] = await tx`
      insert into public.discussion_comments (discussion_id, user_id, text)
      values (${open.id}, ${grace.id}, 'Count me in – see you on Friday! 🎲') returning *`;
    await emit(tx, "user.posted_comment", {
      discussion_id: open.id,
      comment_id: row.id,
      comment_text: row.text,
    }, grace.id);
    return row;
  });
  await as(ada, async (tx) => {
    await tx`
      insert into public.flags (flagged_user_id, flagged_by_id, comment_id, reason)
      values (${grace.id}, ${ada.id}, ${comment.id}, 'spam')`;
    await tx`update public.discussion_comments set flagged_count = flagged_count + 1 where id = ${comment.id}`;
    await emit(tx, "user.flagged_comment", {
      comment_id: comment.id,
      flagged_user_id: grace.id,
      reason: "spam",
    }, ada.id);
  });

  await as(grace, async (tx) => {
    await tx`insert into public.referrals (referrer_id, referred_user_id) values (${ada.id}, ${grace.id})`;
    await tx`update public.users set referred_by = ${ada.id} where id = ${grace.id}`;
    await emit(tx, "user.referred_user", {
      referred_user_id: grace.id,
      referrer_id: ada.id,
      referral_code: code,
    }, grace.id);
  });

  await as(ada, async (tx) => {
    const [row] = await tx`
      update public.discussions set expires_at = expires_at + interval '7 days', extended = true
      where id = ${open.id} returning expires_at`;
    await emit(tx, "discussion.extended", {
      discussion_id: open.id,
      new_expires_at: row.expires_at.toISOString(),
    }, ada.id);
  });

  await discussion("Last week's game", "-1 minute");
  await closeExpired();
}

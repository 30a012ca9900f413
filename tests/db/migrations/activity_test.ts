/**
 * A property: whatever several sessions do at once, with savepoints and rollbacks, with and without calls of their own,
 * committed changes and events correspond one to one.
 */

import assert from "node:assert/strict";
import postgres from "postgres";
import { databaseTest, insertEndpoint } from "../../support/database.ts";
import { emitted, migrate, MIGRATIONS, signUp } from "../../support/migrations.ts";

const SESSIONS = 6;
const TRANSACTIONS = 40;

/** Numbers from 0 to 1 that a seed determines: mulberry32. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Each session writes rows of its own; all share communities, events and endpoints. */
interface Session {
  user: string;
  random: () => number;
  registrations: Map<string, string>;
  comments: Set<string>;
  discussions: Set<string>;
}

interface Shared {
  community: string;
  event: string;
  users: string[];
}

/** What one step has changed, as `event subject`, and how the session's rows stand if it is kept. */
type Expected = string[];

class RolledBack extends Error {}

async function step(tx: postgres.TransactionSql, session: Session, shared: Shared): Promise<Expected> {
  const { random, registrations, comments, discussions, user } = session;
  const pick = <T>(from: Iterable<T>): T | undefined => {
    const all = [...from];
    return all[Math.floor(random() * all.length)];
  };
  const told = async (
    event: string,
    ids: string[],
    data: (id: string) => Record<string, unknown>,
    change: () => Promise<void>,
  ) => {
    // The application tells some of its changes itself, before or after.
    const calls = random();
    const call = async () => {
      for (const id of ids) {
        await tx`select public.dispatch_webhook(${event}, ${
          JSON.stringify(data(id))
        }::text::jsonb, ${user}::uuid)`;
      }
    };
    if (calls < 0.2) await call();
    await change();
    if (calls > 0.8) await call();
    return ids.map((id) => `${event} ${id}`);
  };
  const many = () => Array.from({ length: random() < 0.2 ? 20 : 1 }, () => crypto.randomUUID());

  const kind = Math.floor(random() * 7);
  if (kind === 0) {
    const ids = many();
    const status = pick(["registered", "success", "pending"])!;
    const change = async () => {
      await tx`
        insert into public.event_registrations (id, user_id, event_id, status)
        select id, ${user}, ${shared.event}, ${status} from unnest(${`{${ids.join(",")}}`}::text::uuid[]) id`;
      for (const id of ids) registrations.set(id, status);
    };
    if (status !== "pending") {
      return await told("user.registered_event", ids, (id) => ({ registration_id: id }), change);
    }
    await change();
    return [];
  }
  if (kind === 1 || kind === 2) {
    const id = pick(registrations.keys());
    if (id === undefined) return [];
    const from = registrations.get(id)!;
    const to = pick(["registered", "success", "unregistered", "failed"])!;
    const isIn = (status: string) => status === "registered" || status === "success";
    const change = async () => {
      await tx`update public.event_registrations set status = ${to} where id = ${id}`;
      registrations.set(id, to);
    };
    if (isIn(to) && !isIn(from)) {
      return await told("user.registered_event", [id], () => ({ registration_id: id }), change);
    }
    if (to === "unregistered" && isIn(from)) {
      return await told("user.cancelled_registration", [id], () => ({ registration_id: id }), change);
    }
    await change();
    return [];
  }
  if (kind === 3) {
    const id = pick(registrations.keys());
    if (id === undefined) return [];
    const wasIn = ["registered", "success"].includes(registrations.get(id)!);
    const change = async () => {
      await tx`delete from public.event_registrations where id = ${id}`;
      registrations.delete(id);
    };
    if (wasIn) {
      return await told("user.cancelled_registration", [id], () => ({ registration_id: id }), change);
    }
    await change();
    return [];
  }
  if (kind === 4) {
    const discussion = pick(discussions)!;
    const ids = many();
    return await told("user.posted_comment", ids, (id) => ({ comment_id: id }), async () => {
      await tx`
        insert into public.discussion_comments (id, discussion_id, user_id, text)
        select id, ${discussion}, ${user}, 't' from unnest(${`{${ids.join(",")}}`}::text::uuid[]) id`;
      for (const id of ids) comments.add(id);
    });
  }
  if (kind === 5) {
    const id = pick(discussions)!;
    return await told("discussion.extended", [id], () => ({ discussion_id: id }), async () => {
      await tx`update public.discussions set expires_at = expires_at + interval '1 day' where id = ${id}`;
    });
  }
  const id = pick(comments);
  if (id === undefined) return [];
  const other = pick(shared.users)!;
  return await told("user.flagged_comment", [id], () => ({ comment_id: id }), async () => {
    await tx`
      insert into public.flags (flagged_user_id, flagged_by_id, comment_id, reason)
      values (${other}, ${user}, ${id}, 'spam')`;
  });
}

/** A transaction of some steps, some of them behind savepoints; returns what was committed. */
async function transaction(sql: postgres.Sql, session: Session, shared: Shared): Promise<Expected> {
  const { random } = session;
  const kept = structuredClone({ ...session, random: undefined });
  const restore = (state: typeof kept) => {
    session.registrations = new Map(state.registrations);
    session.comments = new Set(state.comments);
  };
  const expected: Expected = [];
  try {
    await sql.begin(async (tx) => {
      const steps = 1 + Math.floor(random() * 4);
      for (let n = 0; n < steps; n++) {
        if (random() < 0.6) {
          expected.push(...await step(tx, session, shared));
          continue;
        }
        const before = structuredClone({ ...session, random: undefined });
        try {
          await tx.savepoint(async (inner) => {
            const changes = await step(inner, session, shared);
            if (random() < 0.5) throw new RolledBack();
            expected.push(...changes);
          });
        } catch (error) {
          if (!(error instanceof RolledBack)) throw error;
          restore(before);
        }
      }
      if (random() < 0.2) throw new RolledBack();
    });
    return expected;
  } catch (error) {
    if (!(error instanceof RolledBack)) throw error;
    restore(kept);
    return [];
  }
}

databaseTest("committed changes and events correspond one to one", async ({ sql, url }) => {
  const seed = Number(Deno.env.get("ACTIVITY_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]);
  await migrate(sql, MIGRATIONS);
  const users: string[] = [];
  for (let n = 0; n < SESSIONS; n++) users.push(await signUp(sql, `user ${n}`));
  const [shared] = await sql<{ community: string; event: string }[]>`
    with c as (insert into public.communities (name, city) values ('c', 'c') returning id),
      e as (insert into public.events (community_id, title, date_time) select id, 't', now() from c returning id)
    select c.id as community, e.id as event from c, e`;
  await insertEndpoint(sql, {
    url: "https://a.example/",
    events: [
      "user.registered_event",
      "user.cancelled_registration",
      "user.posted_comment",
      "user.flagged_comment",
      "discussion.extended",
    ],
  });
  const own = postgres(url, { max: SESSIONS, fetch_types: false, prepare: false, onnotice: () => {} });
  try {
    const committed = await Promise.all(users.map(async (user, place) => {
      const discussions = await sql<{ id: string }[]>`
        insert into public.discussions (community_id, title, created_by, expires_at)
        select ${
        shared!.community
      }, 't', ${user}, '2099-01-01T00:00:00Z' from generate_series(1, 3) returning id`;
      const session: Session = {
        user,
        random: numbers(seed + place),
        registrations: new Map(),
        comments: new Set(),
        discussions: new Set(discussions.map(({ id }) => id)),
      };
      const expected: Expected = [];
      for (let n = 0; n < TRANSACTIONS; n++) {
        expected.push(...await transaction(own, session, { ...shared!, users }));
      }
      return expected;
    }));
    const expected = committed.flat().toSorted();
    const got = (await emitted(sql)).map(({ event, data }) => {
      const id = data.registration_id ?? data.comment_id ?? data.discussion_id;
      return `${event} ${id}`;
    }).toSorted();
    assert(expected.length > SESSIONS * TRANSACTIONS, `seed ${seed}: ${expected.length} changes`);
    assert.deepEqual(got, expected, `seed ${seed}: run again with ACTIVITY_SEED=${seed}`);
    const [row] = await sql`select count(*)::integer as problems from webhooks.problems`;
    assert.equal(row?.problems, 0, `seed ${seed}`);
  } finally {
    await own.end();
  }
});

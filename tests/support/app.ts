/**
 * The application of the plan with users, and its changes and calls, for tests of what emits events.
 *
 * @module
 */

import type postgres from "postgres";
import { insertEndpoint } from "./database.ts";
import { migrate, named, signUp } from "./migrations.ts";

export const NINE = [
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

export interface App {
  ada: string;
  grace: string;
  community: string;
  event: string;
  discussion: string;
}

/** The application with two users, before anybody listens. */
async function makeApp(sql: postgres.Sql): Promise<App> {
  const ada = await signUp(sql, "Ada");
  const grace = await signUp(sql, "Grace");
  const [row] = await sql<{ community: string; event: string; discussion: string }[]>`
    with c as (insert into public.communities (name, city) values ('Board Games', 'Zürich') returning id),
      e as (insert into public.events (community_id, title, date_time) select id, 't', now() from c returning id),
      d as (insert into public.discussions (community_id, title, created_by, expires_at)
        select id, 't', ${ada}, '2099-01-01T00:00:00Z' from c returning id)
    select c.id as community, e.id as event, d.id as discussion from c, e, d`;
  return { ada, grace, ...row! };
}

/** The migration, the application and somebody who listens. */
export async function startEmission(sql: postgres.Sql, events: readonly string[] = NINE): Promise<App> {
  await migrate(sql, named("foundation", "emission"));
  const app = await makeApp(sql);
  await insertEndpoint(sql, { url: "https://a.example/", events: [...events] });
  return app;
}

export async function problems(
  sql: postgres.Sql,
): Promise<{ source: string; event_type: string; message: string }[]> {
  return [
    ...await sql<{ source: string; event_type: string; message: string }[]>`
    select source, event_type, message from webhooks.problems order by id`,
  ];
}

export const dispatch = (
  sql: postgres.Sql | postgres.TransactionSql,
  event: string,
  data: unknown,
  actor: string | null = null,
) => sql`select public.dispatch_webhook(${event}, ${JSON.stringify(data)}::text::jsonb, ${actor}::uuid)`;

export async function register(
  sql: postgres.Sql | postgres.TransactionSql,
  app: App,
  status = "registered",
): Promise<string> {
  const [row] = await sql<{ id: string }[]>`
    insert into public.event_registrations (user_id, event_id, status) values (${app.grace}, ${app.event}, ${status})
    returning id`;
  return row!.id;
}

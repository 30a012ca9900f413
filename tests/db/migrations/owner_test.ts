/** On Supabase the database's owner is no superuser: the migrations, the triggers and the way back ask for no more. */

import assert from "node:assert/strict";
import postgres from "postgres";
import { databaseTest, insertEndpoint } from "../../support/database.ts";
import {
  as,
  catalog,
  difference,
  dropProject,
  emitted,
  makeEmptyProject,
  migrate,
  rollBack,
  SAME,
  signUp,
} from "../../support/migrations.ts";

const STAND_INS = new URL("../../../stack/stand-ins.sql", import.meta.url);

databaseTest(
  "an owner who is no superuser applies them, is served by them, and takes them back",
  async ({ sql, url }) => {
    const owner = `owner_${crypto.randomUUID().replaceAll("-", "")}`;
    const database = new URL(url).pathname.slice(1);
    await dropProject(sql);
    await sql.unsafe(`
    drop schema public;
    create role ${owner} login password 'owner';
    grant anon, authenticated, service_role to ${owner};
    alter database ${database} owner to ${owner}`);
    const address = new URL(url);
    [address.username, address.password] = [owner, "owner"];
    const own = postgres(address.href, { max: 2, onnotice: () => {}, fetch_types: false, prepare: false });
    try {
      await own.unsafe("create schema public");
      await makeEmptyProject(own);
      await own.unsafe(await Deno.readTextFile(STAND_INS));
      const before = await catalog(own);
      await migrate(own);
      await migrate(own);
      await own`select webhooks.enable_wakeup('https://a.example/dispatcher', 'sb_secret_0123456789abcdef')`;
      await insertEndpoint(own, {
        url: "https://a.example/",
        events: ["user.posted_comment", "user.joined_community"],
      });
      const grace = await signUp(own, "Grace");
      const [community] =
        await own`insert into public.communities (name, city) values ('c', 'c') returning id`;
      await as(own, "authenticated", grace, async (tx) => {
        await tx`insert into public.community_members (user_id, community_id) values (${grace}, ${
          community!.id
        })`;
        await tx`select public.dispatch_webhook('user.posted_comment', '{"comment_id": "1"}')`;
      });
      assert.deepEqual((await emitted(own)).map(({ event }) => event), [
        "user.joined_community",
        "user.posted_comment",
      ]);
      assert.equal((await own`select from net.http_request_queue`).length, 1);
      assert.equal((await own`select webhooks.refresh_metrics()`).length, 1);
      assert.equal((await own`select webhooks.prune(older_than => '30 days')`).length, 1);
      assert.deepEqual([...await own`select * from webhooks.problems`], []);
      await own`delete from public.webhook_deliveries`;
      await own`delete from public.webhook_configurations`;
      await rollBack(own);
      assert.deepEqual(difference(before, await catalog(own)), SAME);
    } finally {
      await own.end();
      await sql.unsafe(`
      alter database ${database} owner to current_user;
      drop owned by ${owner} cascade; drop role ${owner}`);
    }
  },
);

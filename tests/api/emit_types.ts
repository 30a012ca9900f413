/**
 * What the types of `clients/emit.ts` take and refuse: nothing here runs, `deno check` is the test.
 *
 * @module
 */

import type { SupabaseClient } from "@supabase/supabase-js";
import { emit, type EventData, type EventType, type WebhookEvent } from "../../clients/emit.ts";

/** As `supabase gen types` writes it. */
interface Database {
  public: {
    Tables: Record<never, never>;
    Views: Record<never, never>;
    Functions: {
      dispatch_webhook: {
        Args: { event_type: string; event_data: Record<string, unknown>; actor_user_id?: string };
        Returns: undefined;
      };
    };
  };
}

/** One that was generated before the function was there. */
interface OldDatabase {
  public: { Tables: Record<never, never>; Views: Record<never, never>; Functions: Record<never, never> };
}

const left = { discussion_id: "d", comment_id: "c", comment_text: "t" };

/** Clients of any types are taken. */
export function clients(
  untyped: SupabaseClient,
  typed: SupabaseClient<Database>,
  old: SupabaseClient<OldDatabase>,
): Promise<void>[] {
  const event: WebhookEvent = { event_type: "user.posted_comment", event_data: left };
  const api = { url: "https://a.supabase.co", key: "sb_publishable_a" };
  return [emit(untyped, event), emit(typed, event), emit(old, event), emit(api, event)];
}

/** The data is that of the event, and the actor is a text. */
export function events(supabase: SupabaseClient, user: { id: string } | null): void {
  emit(supabase, {
    event_type: "user.registered_event",
    event_data: { event_id: "e", registration_id: "r", payment_id: null, status: "registered" },
    actor_user_id: user?.id,
  });
  // @ts-expect-error there is no such event
  emit(supabase, { event_type: "user.posted_coment", event_data: left });
  // @ts-expect-error a key is missing
  emit(supabase, { event_type: "user.posted_comment", event_data: { discussion_id: "d", comment_id: "c" } });
  // @ts-expect-error a key too many
  emit(supabase, { event_type: "user.posted_comment", event_data: { ...left, comment: "c" } });
  // @ts-expect-error the data of another event
  emit(supabase, { event_type: "user.flagged_comment", event_data: left });
  // @ts-expect-error a number for a text
  emit(supabase, { event_type: "user.posted_comment", event_data: { ...left, comment_id: 7 } });
  // @ts-expect-error null where the event has always a value
  emit(supabase, { event_type: "user.posted_comment", event_data: { ...left, comment_text: null } });
  // @ts-expect-error the actor is a user's id, not the user
  emit(supabase, { event_type: "user.posted_comment", event_data: left, actor_user_id: user });
  // @ts-expect-error there has to be a key
  emit({ url: "https://a.supabase.co" }, { event_type: "user.posted_comment", event_data: left });
}

/** A type that is known tells the data. */
export function told(event: WebhookEvent): string | undefined {
  // @ts-expect-error the data of another event
  const mixed: WebhookEvent = { event_type: "user.flagged_comment", event_data: left };
  return event === mixed || event.event_type !== "user.posted_comment"
    ? undefined
    : event.event_data.comment_text;
}

/** All nine, and no other. */
export const nine: Record<EventType, true> = {
  "user.joined_platform": true,
  "user.joined_community": true,
  "user.registered_event": true,
  "user.cancelled_registration": true,
  "user.posted_comment": true,
  "user.flagged_comment": true,
  "user.referred_user": true,
  "discussion.auto_closed": true,
  "discussion.extended": true,
};

/** Numbers are numbers. */
export const count: EventData["user.joined_community"]["member_count"] = 1;

-- The application's own tables, as far as events come from them.

create table public.users (
  id uuid primary key references auth.users (id),
  name text,
  referral_code text unique,
  referred_by uuid references public.users (id),
  role text not null default 'user'
);

create table public.communities (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  city text not null
);

create table public.community_members (
  user_id uuid not null references public.users (id),
  community_id uuid not null references public.communities (id),
  joined_at timestamptz not null default now(),
  primary key (user_id, community_id)
);

create table public.events (
  id uuid primary key default gen_random_uuid(),
  community_id uuid not null references public.communities (id),
  title text not null,
  date_time timestamptz not null,
  capacity integer
);

create table public.event_registrations (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.users (id),
  event_id uuid not null references public.events (id),
  status text not null default 'registered',
  payment_id text
);

create table public.discussions (
  id uuid primary key default gen_random_uuid(),
  community_id uuid not null references public.communities (id),
  title text not null,
  created_by uuid not null references public.users (id),
  expires_at timestamptz not null,
  is_visible boolean not null default true,
  extended boolean not null default false
);

create table public.discussion_comments (
  id uuid primary key default gen_random_uuid(),
  discussion_id uuid not null references public.discussions (id),
  user_id uuid not null references public.users (id),
  text text not null,
  flagged_count integer not null default 0
);

create table public.flags (
  id uuid primary key default gen_random_uuid(),
  flagged_user_id uuid not null references public.users (id),
  flagged_by_id uuid not null references public.users (id),
  comment_id uuid not null references public.discussion_comments (id),
  reason text not null
);

create table public.referrals (
  referrer_id uuid not null references public.users (id),
  referred_user_id uuid not null references public.users (id),
  primary key (referrer_id, referred_user_id)
);

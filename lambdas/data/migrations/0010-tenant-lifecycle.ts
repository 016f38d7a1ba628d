import { type Kysely, sql } from 'kysely'

/**
 * The audit log takes rows and gives none back, its owner's statements included; the one exception is a tenant that is being
 * deleted. And what deleting and exporting a tenant need: functions of the owner that work on every table with a
 * `tenant_id`, as the catalogue has them, so that a new table is never forgotten. lambdas/admin/ calls them.
 */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`
create function audit_log_is_append_only() returns trigger language plpgsql set search_path = public, pg_temp as $f$
begin
  if tg_op = 'DELETE' and exists (select from tenants where id = old.tenant_id and deleting_at is not null) then
    return old;
  end if;
  raise exception 'audit_log is append-only: % is refused', tg_op using errcode = 'insufficient_privilege';
end $f$;
create trigger append_only before update or delete on audit_log
  for each row execute function audit_log_is_append_only();
create trigger append_only_as_a_whole before truncate on audit_log
  for each statement execute function audit_log_is_append_only();
-- Also where a session says that it replicates.
alter table audit_log enable always trigger append_only;
alter table audit_log enable always trigger append_only_as_a_whole;

-- Tables of tenants, partitions by themselves. has_machine: rows are found by the machine, which has an index.
create function tenant_tables() returns table (name text, partition_of text, has_machine bool)
language sql stable set search_path = public, pg_temp as $f$
  select c.relname, p.relname,
    exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'machine_id' and not a.attisdropped)
  from pg_class c
    join pg_attribute t on t.attrelid = c.oid and t.attname = 'tenant_id' and not t.attisdropped
    left join pg_inherits i on i.inhrelid = c.oid
    left join pg_class p on p.oid = i.inhparent
  where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
$f$;

-- Removes at most p_limit rows of the tenant, and returns how many.
create function erase_tenant_rows(p_tenant uuid, p_table text, p_limit int) returns int8
language plpgsql security definer set search_path = public, pg_temp as $f$
declare
  removed int8 := 0;
begin
  if not exists (select from tenants where id = p_tenant and deleting_at is not null) then
    raise exception 'the tenant % is not being deleted', p_tenant;
  end if;
  if not exists (select from tenant_tables() t where t.name = p_table) then
    raise exception '% is no table of tenants', p_table;
  end if;
  if exists (select from tenant_tables() t where t.name = p_table and t.has_machine) then
    execute format('delete from only %1$I d using (select t.ctid from machines m join only %1$I t on t.machine_id = m.id
      where m.tenant_id = $1 limit $2) doomed where d.ctid = doomed.ctid', p_table) using p_tenant, p_limit;
    get diagnostics removed = row_count;
  end if;
  if removed = 0 then
    execute format('delete from only %1$I where ctid = any(array(
      select ctid from only %1$I where tenant_id = $1 limit $2))', p_table) using p_tenant, p_limit;
    get diagnostics removed = row_count;
  end if;
  -- Refused before the tenant was there, or while it was going.
  if removed = 0 and p_table = 'quarantine' then
    delete from quarantine where id = any(array(select q.id from quarantine q, tenants t
      where t.id = p_tenant and q.tenant_id is null and q.topic ~ '^(factory|ops)/'
        and split_part(q.topic, '/', 2) = t.slug limit p_limit));
    get diagnostics removed = row_count;
  end if;
  return removed;
end $f$;

create function count_tenant_rows(p_tenant uuid, p_table text) returns int8
language plpgsql stable security definer set search_path = public, pg_temp as $f$
declare
  found int8;
begin
  if not exists (select from tenant_tables() t where t.name = p_table) then
    raise exception '% is no table of tenants', p_table;
  end if;
  execute format('select count(*) from only %I where tenant_id = $1', p_table) into found using p_tenant;
  return found;
end $f$;

-- The last of it.
create function erase_tenant(p_tenant uuid) returns void
language sql security definer set search_path = public, pg_temp as $f$
  delete from tenants where id = p_tenant and deleting_at is not null
$f$;

-- Names and types of a table's columns, and the columns of its primary key in order.
create function table_columns(p_table text) returns table (name text, type text, key_place int)
language sql stable set search_path = public, pg_temp as $f$
  select a.attname, format_type(a.atttypid, null), array_position(i.indkey::int2[], a.attnum)
  from pg_attribute a left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
  where a.attrelid = to_regclass('public.' || quote_ident(p_table)) and a.attnum > 0 and not a.attisdropped
  order by a.attnum
$f$;

-- The next rows of the tenant in the order of the primary key, after the one with the key p_after (null: from the start).
-- With p_machine those of that machine, and the key without it.
create function read_tenant_rows(p_tenant uuid, p_table text, p_machine uuid, p_after text[], p_limit int)
returns setof jsonb language plpgsql stable security definer set search_path = public, pg_temp as $f$
declare
  keys text[];
  types text[];
  condition text := 'tenant_id = $1';
begin
  if not exists (select from tenant_tables() t where p_table in (t.name, t.partition_of)) then
    raise exception '% is no table of tenants', p_table;
  end if;
  select array_agg(quote_ident(name) order by key_place), array_agg(type order by key_place) into keys, types
  from table_columns(p_table) where key_place is not null and (p_machine is null or name <> 'machine_id');
  if p_machine is not null then condition := condition || ' and machine_id = $2'; end if;
  if p_after is not null then
    condition := condition || format(' and (%s) > (%s)', array_to_string(keys, ', '),
      (select string_agg(format('%L::%s', value, types[place]), ', ' order by place)
       from unnest(p_after) with ordinality v(value, place)));
  end if;
  return query execute format('select to_jsonb(t) from %I t where %s %s limit $3', p_table, condition,
    coalesce('order by ' || array_to_string(keys, ', '), '')) using p_tenant, p_machine, p_limit;
end $f$;

grant select on gateway_certificates to iot_admin;
revoke all on function erase_tenant_rows(uuid, text, int), count_tenant_rows(uuid, text), erase_tenant(uuid),
  read_tenant_rows(uuid, text, uuid, text[], int) from public;
grant execute on function erase_tenant_rows(uuid, text, int), count_tenant_rows(uuid, text), erase_tenant(uuid),
  read_tenant_rows(uuid, text, uuid, text[], int) to iot_admin;
`.execute(db)
}

-- Gateways that dial in: whoever holds the connection serves them; strangers wait in a list until a person decides.

DROP FUNCTION metering_tick(text, interval);

-- Heartbeat, renewal, fair share: what `p_headend` owns from now until now + p_ttl. Gateways that dial in have no share:
-- a free one goes to a head-end that holds its connection, and goes back when the connection is lost. Nobody takes one
-- from a head-end that lives: two would talk on one bus. Its heart is what counts: the time of such a lease is ten
-- times as long and set anew when half of it has gone, since ten thousand rows at each heartbeat are too many to write.
CREATE FUNCTION metering_tick(p_headend text, p_ttl interval, p_held bigint[] DEFAULT '{}')
RETURNS TABLE (gateway_id bigint, epoch bigint, revision integer) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE v_live integer; v_all integer; v_own integer; v_fair integer;
BEGIN
    INSERT INTO metering_heartbeat (part, at, detail) VALUES ('headend:' || p_headend, clock_timestamp(), '{}')
    ON CONFLICT (part) DO UPDATE SET at = clock_timestamp();

    INSERT INTO metering_gatewaylease (gateway_id, owner, epoch, valid_until)
    SELECT g.id, '', 0, clock_timestamp() FROM estate_gateway g
    WHERE NOT EXISTS (SELECT FROM metering_gatewaylease l WHERE l.gateway_id = g.id)
    ON CONFLICT DO NOTHING;

    UPDATE metering_gatewaylease l SET owner = '', valid_until = clock_timestamp()
    FROM estate_gateway g
    WHERE g.id = l.gateway_id AND l.owner = p_headend AND g.identity <> ''
      AND NOT EXISTS (SELECT FROM unnest(p_held) h WHERE h = g.id);

    UPDATE metering_gatewaylease l SET valid_until = clock_timestamp() + p_ttl
    FROM estate_gateway g WHERE g.id = l.gateway_id AND l.owner = p_headend AND g.identity = '';

    UPDATE metering_gatewaylease l SET valid_until = clock_timestamp() + p_ttl * 10
    FROM estate_gateway g WHERE g.id = l.gateway_id AND l.owner = p_headend AND g.identity <> ''
      AND l.valid_until < clock_timestamp() + p_ttl * 5;

    SELECT count(*) INTO v_live FROM metering_heartbeat
    WHERE part LIKE 'headend:%' AND at > clock_timestamp() - p_ttl;
    SELECT count(*), count(*) FILTER (WHERE l.owner = p_headend) INTO v_all, v_own
    FROM metering_gatewaylease l JOIN estate_gateway g ON g.id = l.gateway_id WHERE g.identity = '';
    v_fair := ceil(v_all::numeric / greatest(v_live, 1));

    IF v_own > v_fair THEN
        UPDATE metering_gatewaylease SET owner = '', valid_until = clock_timestamp()
        WHERE gateway_id IN (
            SELECT l.gateway_id FROM metering_gatewaylease l JOIN estate_gateway g ON g.id = l.gateway_id
            WHERE l.owner = p_headend AND g.identity = ''
            ORDER BY l.gateway_id DESC LIMIT v_own - v_fair FOR UPDATE OF l);
    ELSIF v_own < v_fair THEN
        UPDATE metering_gatewaylease SET owner = p_headend, epoch = epoch + 1,
            valid_until = clock_timestamp() + p_ttl
        WHERE gateway_id IN (
            SELECT l.gateway_id FROM metering_gatewaylease l JOIN estate_gateway g ON g.id = l.gateway_id
            WHERE g.identity = '' AND (l.owner = '' OR l.valid_until < clock_timestamp())
            ORDER BY l.gateway_id LIMIT v_fair - v_own FOR UPDATE OF l SKIP LOCKED);
    END IF;

    UPDATE metering_gatewaylease SET owner = p_headend, epoch = epoch + 1,
        valid_until = clock_timestamp() + p_ttl * 10
    WHERE gateway_id IN (
        SELECT l.gateway_id FROM metering_gatewaylease l JOIN estate_gateway g ON g.id = l.gateway_id
        JOIN unnest(p_held) h ON h = l.gateway_id
        WHERE g.identity <> '' AND (l.owner = '' OR l.valid_until < clock_timestamp() OR NOT EXISTS (
            SELECT FROM metering_heartbeat b
            WHERE b.part = 'headend:' || l.owner AND b.at > clock_timestamp() - p_ttl))
        ORDER BY l.gateway_id FOR UPDATE OF l SKIP LOCKED);

    RETURN QUERY SELECT l.gateway_id, l.epoch, g.revision
        FROM metering_gatewaylease l JOIN estate_gateway g ON g.id = l.gateway_id
        WHERE l.owner = p_headend ORDER BY l.gateway_id;
END $$;

-- Who these callers are. A stranger is written down, one row for each name, at most `p_most` of them: the list is for
-- people, and whoever makes names up must not fill the disk. What nobody heard of for `p_keep` makes room; where the list is
-- full, so does who was not heard for longest: one who is connected is asked about each few seconds, a made-up name is not.
CREATE FUNCTION metering_called(
    p_headend text, p_identities text[], p_kinds text[], p_peers text[], p_details text[], p_fresh boolean[],
    p_most integer, p_keep interval
) RETURNS TABLE (identity text, gateway_id bigint, refused boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE v_room integer; v_new integer;
BEGIN
    IF EXISTS (
        SELECT FROM unnest(p_identities) i WHERE NOT EXISTS (SELECT FROM estate_gateway g WHERE g.identity = i)
    ) THEN
        DELETE FROM metering_caller WHERE last_at < clock_timestamp() - p_keep AND refused_at IS NULL;
        UPDATE metering_caller c SET last_at = clock_timestamp(), calls = c.calls + a.fresh::integer, kind = a.kind,
            peer = a.peer, detail = a.detail, headend = p_headend
        FROM unnest(p_identities, p_kinds, p_peers, p_details, p_fresh) AS a(identity, kind, peer, detail, fresh)
        WHERE c.identity = a.identity;
        SELECT count(*) INTO v_new FROM unnest(p_identities) i
        WHERE NOT EXISTS (SELECT FROM estate_gateway g WHERE g.identity = i)
          AND NOT EXISTS (SELECT FROM metering_caller c WHERE c.identity = i);
        DELETE FROM metering_caller WHERE identity IN (
            SELECT c.identity FROM metering_caller c
            WHERE c.refused_at IS NULL AND c.last_at < clock_timestamp() - interval '1 minute'
            ORDER BY c.last_at
            LIMIT greatest(0, v_new - greatest(0, p_most - (SELECT count(*) FROM metering_caller)))::integer);
        SELECT greatest(0, p_most - count(*)) INTO v_room FROM metering_caller;
        INSERT INTO metering_caller (identity, kind, peer, detail, headend, first_at, last_at, calls)
        SELECT a.identity, a.kind, a.peer, a.detail, p_headend, clock_timestamp(), clock_timestamp(), 1
        FROM unnest(p_identities, p_kinds, p_peers, p_details) AS a(identity, kind, peer, detail)
        WHERE NOT EXISTS (SELECT FROM estate_gateway g WHERE g.identity = a.identity)
          AND NOT EXISTS (SELECT FROM metering_caller c WHERE c.identity = a.identity)
        ORDER BY a.identity LIMIT v_room
        ON CONFLICT (identity) DO NOTHING;
    END IF;
    RETURN QUERY
    SELECT i, g.id, coalesce(c.refused_at IS NOT NULL AND g.id IS NULL, false)
    FROM unnest(p_identities) i
    LEFT JOIN estate_gateway g ON g.identity = i
    LEFT JOIN metering_caller c ON c.identity = i;
END $$;

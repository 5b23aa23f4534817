-- The mailbox of the head-end: enqueue, claim, report, absorb; leases with epochs.
-- Only the database's clock counts here. What a paused head-end says with an old epoch changes nothing.

-- Defers a background job in the transaction that made it necessary.
CREATE OR REPLACE FUNCTION metering_defer(p_task text, p_args jsonb) RETURNS void
LANGUAGE sql AS $$
    SELECT procrastinate_defer_jobs_v1(
        ARRAY[ROW('office', p_task, 0, NULL, NULL, p_args, NULL)::procrastinate_job_to_defer_v1])
    WHERE p_task <> '';
$$;

-- Puts a job into the mailbox. The same key returns the job that stands already.
CREATE OR REPLACE FUNCTION metering_enqueue(
    p_key text, p_circuit bigint, p_intent text, p_payload jsonb, p_priority smallint,
    p_due timestamptz, p_expires timestamptz, p_then_task text, p_then_args jsonb, p_actor text,
    p_ring boolean DEFAULT true
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE v_id bigint; v_gateway bigint;
BEGIN
    INSERT INTO metering_job (
        site_id, gateway_id, line_id, meter_id, circuit_id, key, intent, payload, priority, state,
        due_at, expires_at, claim, claimed_by, claimed_epoch, attempts, verdict, code, "values", ever_sent,
        then_task, then_args, actor, created_at)
    SELECT m.site_id, l.gateway_id, l.id, m.id, c.id, p_key, p_intent, p_payload, p_priority, 'queued',
        p_due, p_expires, 0, '', 0, 0, '', '', '{}', false, p_then_task, p_then_args, p_actor, p_due
    FROM estate_circuit c JOIN estate_meter m ON m.id = c.meter_id JOIN estate_line l ON l.id = m.line_id
    WHERE c.id = p_circuit
    ON CONFLICT (key) DO NOTHING
    RETURNING id, gateway_id INTO v_id, v_gateway;
    IF v_id IS NULL THEN
        SELECT id INTO v_id FROM metering_job WHERE key = p_key;
        RETURN v_id;
    END IF;
    -- a notifying commit waits for every other one: a caller that must be fast rings after its commit
    IF p_ring THEN
        PERFORM pg_notify('prewatt_jobs', v_gateway::text);
    END IF;
    RETURN v_id;
END $$;

-- Heartbeat, renewal, fair share: what `p_headend` owns from now until now + p_ttl.
CREATE OR REPLACE FUNCTION metering_tick(p_headend text, p_ttl interval)
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

    UPDATE metering_gatewaylease SET valid_until = clock_timestamp() + p_ttl WHERE owner = p_headend;

    SELECT count(*) INTO v_live FROM metering_heartbeat
    WHERE part LIKE 'headend:%' AND at > clock_timestamp() - p_ttl;
    SELECT count(*), count(*) FILTER (WHERE owner = p_headend) INTO v_all, v_own FROM metering_gatewaylease;
    v_fair := ceil(v_all::numeric / greatest(v_live, 1));

    IF v_own > v_fair THEN
        UPDATE metering_gatewaylease SET owner = '', valid_until = clock_timestamp()
        WHERE gateway_id IN (
            SELECT gateway_id FROM metering_gatewaylease WHERE owner = p_headend
            ORDER BY gateway_id DESC LIMIT v_own - v_fair FOR UPDATE);
    ELSIF v_own < v_fair THEN
        UPDATE metering_gatewaylease SET owner = p_headend, epoch = epoch + 1,
            valid_until = clock_timestamp() + p_ttl
        WHERE gateway_id IN (
            SELECT gateway_id FROM metering_gatewaylease
            WHERE owner = '' OR valid_until < clock_timestamp()
            ORDER BY gateway_id LIMIT v_fair - v_own FOR UPDATE SKIP LOCKED);
    END IF;

    RETURN QUERY SELECT l.gateway_id, l.epoch, g.revision
        FROM metering_gatewaylease l JOIN estate_gateway g ON g.id = l.gateway_id
        WHERE l.owner = p_headend ORDER BY l.gateway_id;
END $$;

-- Was this relay command given before another one that stands? Only the last word is followed.
CREATE OR REPLACE FUNCTION metering_superseded(p_job bigint, p_circuit bigint) RETURNS boolean LANGUAGE sql AS $$
    SELECT EXISTS (SELECT FROM metering_job o WHERE o.circuit_id = p_circuit AND o.id > p_job AND o.intent = 'relay'
                   AND o.state <> 'dropped');
$$;

-- Is this a server-held circuit in credit, which nobody but its server wanted cut? Money may have come since.
CREATE OR REPLACE FUNCTION metering_in_credit(p_circuit bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM metering_relaywish w
        JOIN estate_supplypoint sp ON sp.circuit_id = w.circuit_id AND sp.custody = 'server'
            AND sp.state IN ('open', 'closing') AND sp.valid_to IS NULL
        JOIN ledger_runningbalance b ON b.account_id = sp.credit_account_id
        WHERE w.circuit_id = p_circuit AND w.wish = 'automatic' AND w.decided IS NOT NULL
          AND b.balance_minor > -sp.overdraft);
END $$;

-- Takes due jobs of gateways held under the given epochs; at most one per circuit. A job that a
-- former owner had claimed is taken over, marked as perhaps sent: its conversation reads the witness first.
CREATE OR REPLACE FUNCTION metering_claim(p_headend text, p_gateways bigint[], p_epochs bigint[], p_limit integer)
RETURNS SETOF metering_job LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    UPDATE metering_job SET state = 'dropped', finished_at = clock_timestamp(), code = 'expired'
    WHERE state = 'queued' AND expires_at < clock_timestamp() AND gateway_id = ANY (p_gateways);

    -- The last look before the wire: a relay command that a newer one follows, a cut of a circuit that is in credit
    -- again, or a closing while somebody is at work there, is never sent; also not what a dead owner had in hand.
    UPDATE metering_job j SET state = 'dropped', finished_at = clock_timestamp(),
        code = CASE WHEN j.payload->>'wish' = 'trip' OR metering_superseded(j.id, j.circuit_id) THEN 'superseded'
                    ELSE 'close_blocked_maintenance_tag' END
    FROM metering_gatewaylease l
    WHERE l.gateway_id = j.gateway_id AND j.gateway_id = ANY (p_gateways) AND j.intent = 'relay'
      AND (j.state = 'queued' OR (j.state = 'claimed' AND j.claimed_epoch <> l.epoch))
      AND (metering_superseded(j.id, j.circuit_id)
           OR (j.payload->>'wish' = 'trip' AND metering_in_credit(j.circuit_id))
           OR (j.payload->>'wish' <> 'trip' AND EXISTS (
               SELECT FROM metering_maintenancetag t WHERE t.circuit_id = j.circuit_id AND t.removed_at IS NULL
               AND t.until > clock_timestamp())));

    RETURN QUERY
    WITH held AS (
        SELECT l.gateway_id, l.epoch FROM metering_gatewaylease l
        JOIN unnest(p_gateways, p_epochs) AS h(g, e) ON h.g = l.gateway_id AND h.e = l.epoch
        WHERE l.owner = p_headend AND l.valid_until > clock_timestamp()
    ), due AS (
        SELECT j.id, j.circuit_id, j.priority, j.due_at FROM metering_job j JOIN held ON held.gateway_id = j.gateway_id
        WHERE ((j.state = 'queued' AND j.due_at <= clock_timestamp())
               OR (j.state = 'claimed' AND j.claimed_epoch <> held.epoch))
          AND NOT (j.intent = 'credit' AND EXISTS (  -- restored, and its count was not read yet
              SELECT FROM metering_credithold h WHERE h.circuit_id = j.circuit_id))
          AND NOT EXISTS (
              SELECT FROM metering_job o WHERE o.circuit_id = j.circuit_id AND o.id <> j.id
              AND o.state = 'claimed' AND o.claimed_epoch = held.epoch AND o.gateway_id = j.gateway_id)
        ORDER BY j.priority, j.due_at LIMIT p_limit * 2
        FOR UPDATE OF j SKIP LOCKED
    ), one AS (
        SELECT DISTINCT ON (circuit_id) id FROM due ORDER BY circuit_id, priority, due_at, id
    )
    UPDATE metering_job j SET state = 'claimed', claim = j.claim + 1, claimed_by = p_headend,
        claimed_epoch = held.epoch, claimed_at = clock_timestamp(), attempts = j.attempts + 1,
        ever_sent = j.ever_sent OR j.state = 'claimed'
    FROM held, (SELECT id FROM one LIMIT p_limit) picked
    WHERE picked.id = j.id AND held.gateway_id = j.gateway_id
    RETURNING j.*;
END $$;

-- Stores what came of a claimed job. False: the claim or the lease is no longer this head-end's.
-- Jobs that would change a meter and were silent or unknown go back into the queue and begin with a read next time.
CREATE OR REPLACE FUNCTION metering_report(
    p_job bigint, p_claim integer, p_gateway bigint, p_epoch bigint,
    p_verdict text, p_code text, p_values jsonb, p_sent boolean
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE v metering_job; v_again boolean; v_wait interval;
BEGIN
    PERFORM FROM metering_gatewaylease WHERE gateway_id = p_gateway AND epoch = p_epoch AND owner <> '' FOR SHARE;
    IF NOT FOUND THEN RETURN false; END IF;
    SELECT * INTO v FROM metering_job WHERE id = p_job AND claim = p_claim AND state = 'claimed' FOR UPDATE;
    IF NOT FOUND THEN RETURN false; END IF;

    v_again := (p_verdict IN ('silent', 'unknown') AND v.intent IN ('credit', 'relay', 'write_settings', 'enter_token')
        -- asked for right after the meter was entered: the head-end hears of it with its next heartbeat
        OR p_verdict = 'silent' AND p_code = 'not_in_plan' AND v.created_at > clock_timestamp() - interval '30 s')
        AND (v.expires_at IS NULL OR v.expires_at > clock_timestamp());
    v_wait := make_interval(secs => least(15, power(2, least(v.attempts, 4))));
    UPDATE metering_job SET
        state = CASE WHEN v_again THEN 'queued' ELSE 'done' END,
        due_at = CASE WHEN v_again THEN clock_timestamp() + v_wait ELSE due_at END,
        verdict = p_verdict, code = coalesce(p_code, ''), "values" = p_values,
        ever_sent = ever_sent OR p_sent,
        finished_at = CASE WHEN v_again THEN NULL ELSE clock_timestamp() END
    WHERE id = p_job;
    IF v.then_task <> '' AND (NOT v_again OR v.verdict <> p_verdict) THEN
        PERFORM metering_defer(v.then_task, v.then_args);
    END IF;
    RETURN true;
END $$;

-- Takes a command back, as long as no frame of it can take effect: true when it will never be sent.
-- Nothing left; or, for an order (p_unapplied: the count before it), the last conversation wrote, was answered,
-- and two looks afterwards showed that the meter had not counted. `due_at` lies after `claimed_at` only where a
-- report came after the last claim: without one nothing is known of what that claim sent.
CREATE OR REPLACE FUNCTION metering_drop(p_job bigint, p_code text, p_unapplied integer DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE metering_job SET state = 'dropped', code = p_code, finished_at = clock_timestamp()
    WHERE id = p_job AND state = 'queued' AND (NOT ever_sent OR (
        verdict = 'unknown' AND code = 'write_not_applied' AND due_at > claimed_at
        AND ("values"->>'purchase_count')::integer = p_unapplied));
    RETURN FOUND;
END $$;

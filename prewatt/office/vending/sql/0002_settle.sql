-- What came of an order, told to the delivery and to the books. Every function here may run twice, late
-- or never: it looks at the rows again under the circuit's lock, and its entries have keys of their own.
-- Lock order everywhere: circuit credit, delivery, job, till.

CREATE FUNCTION vending_step(p_delivery bigint, p_state text, p_at timestamptz, p_code text, p_detail jsonb)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO vending_deliverystep (delivery_id, state, at, code, detail)
    VALUES (p_delivery, p_state, p_at, p_code, p_detail);
END $$;

CREATE FUNCTION vending_tell(p_delivery vending_delivery) RETURNS void LANGUAGE sql AS $$
    SELECT pg_notify('prewatt_live', json_build_object(
        'sale', (p_delivery).sale_id, 'site', (p_delivery).site_id, 'circuits', json_build_array((p_delivery).circuit_id))::text);
$$;

-- An entry of one transfer between two plain accounts of a site.
CREATE FUNCTION vending_move(
    p_site bigint, p_key text, p_kind text, p_actor text, p_reason text, p_at timestamptz,
    p_debit text, p_credit text, p_amount bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN ledger_book(s.company_id, s.id, p_key, p_kind, p_actor, p_reason, p_at,
        (p_at AT TIME ZONE s.timezone)::date, NULL,
        ARRAY[ledger_account(s.company_id, s.id, p_debit, p_debit)],
        ARRAY[ledger_account(s.company_id, s.id, p_credit, p_credit)], ARRAY[p_amount])
    FROM estate_site s WHERE s.id = p_site;
END $$;

-- The credit is in the meter (or, for a return, out of it). The caller holds the credit row.
CREATE FUNCTION vending_confirm(
    d vending_delivery, p_count integer, p_values jsonb, p_actor text, p_at timestamptz, p_code text, p_reason text
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_entry bigint;
BEGIN
    UPDATE vending_circuitcredit SET purchase_count = p_count, updated_at = p_at WHERE circuit_id = d.circuit_id;
    UPDATE vending_delivery SET state = 'confirmed', code = p_code, settled_at = p_at, next_try_at = NULL,
        read_count = coalesce((p_values->>'purchase_count')::integer, p_count), read_values = p_values,
        confirmed_values = p_values,
        load_deadline = CASE WHEN d.kind = 'purchase' AND d.token_request_id IS NULL THEN p_at + interval '60 seconds' END
    WHERE id = d.id;
    IF d.value_minor > 0 THEN
        IF d.kind = 'purchase' THEN
            v_entry := vending_move(d.site_id, 'confirm:' || d.id, 'credit_confirmed', p_actor, p_reason, p_at,
                'in_delivery', 'deferred_income', d.value_minor);
        ELSE
            v_entry := vending_move(d.site_id, 'confirm:' || d.id, 'credit_returned', p_actor, p_reason, p_at,
                'deferred_income', 'refund_payable', d.value_minor);
        END IF;
    END IF;
    UPDATE vending_act SET state = 'done', done_at = p_at, entry_id = coalesce(entry_id, v_entry)
    WHERE delivery_id = d.id AND state = 'running';
    PERFORM vending_step(d.id, 'confirmed', p_at, p_code, p_values);
END $$;

-- The order was not applied and will not be. Money of a sale stays in one account until a person chooses
-- rewrite, refund or reversal; what was never paid (make-up) goes back to where it came from.
CREATE FUNCTION vending_refuse(
    d vending_delivery, p_values jsonb, p_actor text, p_at timestamptz, p_code text, p_reason text
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE vending_delivery SET state = 'refused', code = p_code, settled_at = p_at, next_try_at = NULL,
        read_count = coalesce((p_values->>'purchase_count')::integer, read_count),
        read_values = CASE WHEN p_values = '{}' THEN read_values ELSE p_values END
    WHERE id = d.id;
    IF d.origin = 'make_up' AND d.value_minor > 0 THEN
        PERFORM vending_move(d.site_id, 'make_up_back:' || d.id || ':' || d.orders, 'make_up_refused', p_actor, p_reason,
            p_at, 'in_delivery', 'make_up_cost', d.value_minor);
    ELSIF d.origin = 'swap' AND d.value_minor > 0 THEN  -- it still stands for energy that nobody has used
        PERFORM vending_move(d.site_id, 'swap_back:' || d.id || ':' || d.orders, 'credit_carry_refused', p_actor,
            p_reason, p_at, 'in_delivery', 'deferred_income', d.value_minor);
    END IF;
    UPDATE vending_act SET state = 'refused', done_at = p_at WHERE delivery_id = d.id AND state = 'running';
    PERFORM vending_step(d.id, 'refused', p_at, p_code, p_values);
END $$;

-- Gives the order to the meter again: same kind, amount and count, a job of its own.
CREATE FUNCTION vending_order_again(d vending_delivery, p_actor text, p_at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_index smallint; v_job bigint;
BEGIN
    SELECT index INTO v_index FROM estate_circuit WHERE id = d.circuit_id;
    v_job := metering_enqueue('delivery:' || d.id || ':' || (d.orders + 1), d.circuit_id, 'credit',
        vending_order_payload(v_index, d.expected_count, d.kind, d.amount),
        0::smallint, least(p_at, clock_timestamp()), NULL, 'vending.settle', jsonb_build_object('delivery_id', d.id), p_actor);
    UPDATE vending_delivery SET state = CASE WHEN d.state = 'unknown' THEN 'unknown' ELSE 'waiting' END,
        code = '', settled_at = NULL, next_try_at = NULL, job_id = v_job, orders = d.orders + 1
    WHERE id = d.id;
END $$;

-- Credit that travels as a token is delivered with its digits: they are in the customer's hand. The caller holds the
-- credit row and the delivery. A request is withdrawn only by what refuses the delivery in the same transaction.
CREATE FUNCTION vending_settle_token(d vending_delivery, p_at timestamptz) RETURNS text LANGUAGE plpgsql AS $$
DECLARE t record; v_at timestamptz;
BEGIN
    SELECT state, code, made_at INTO t FROM tokens_tokenrequest WHERE id = d.token_request_id;
    v_at := coalesce(t.made_at, p_at);
    IF (SELECT ledger_closed(s.id, (v_at AT TIME ZONE s.timezone)::date) FROM estate_site s WHERE s.id = d.site_id) THEN
        v_at := p_at;
    END IF;
    IF t.state = 'made' THEN
        PERFORM vending_confirm(d, d.expected_count, '{}', 'system', v_at, '', '');
    ELSIF t.state = 'refused' THEN
        PERFORM vending_refuse(d, '{}', 'system', v_at, left(t.code, 48), '');
    ELSE
        RETURN d.state;
    END IF;
    PERFORM vending_tell(d);
    RETURN CASE t.state WHEN 'made' THEN 'confirmed' ELSE 'refused' END;
END $$;

-- Brings a delivery to where its job is; gives the state it is in afterwards. p_at: now.
CREATE FUNCTION vending_settle(p_delivery bigint, p_at timestamptz) RETURNS text LANGUAGE plpgsql AS $$
DECLARE d vending_delivery; j metering_job; v_circuit bigint; v_count integer; v_new text; v_next timestamptz;
    v_at timestamptz;
BEGIN
    SELECT circuit_id INTO v_circuit FROM vending_delivery WHERE id = p_delivery;
    IF NOT FOUND THEN RETURN NULL; END IF;
    PERFORM FROM vending_circuitcredit WHERE circuit_id = v_circuit FOR NO KEY UPDATE;
    SELECT * INTO d FROM vending_delivery WHERE id = p_delivery FOR NO KEY UPDATE;
    IF d.state NOT IN ('waiting', 'sent', 'unknown') THEN RETURN d.state; END IF;
    IF d.token_request_id IS NOT NULL THEN RETURN vending_settle_token(d, p_at); END IF;
    SELECT * INTO j FROM metering_job WHERE id = d.job_id;

    IF j.id IS NULL OR j.state = 'dropped' THEN
        -- the order lost its carrier; the count makes a second order harmless
        PERFORM vending_order_again(d, 'system', p_at);
        RETURN d.state;
    END IF;
    IF j.claim > 0 AND d.state = 'waiting' AND NOT EXISTS (
            SELECT FROM vending_deliverystep WHERE delivery_id = d.id AND state = 'sent' AND at = j.claimed_at)
       AND (j.state = 'claimed' OR j.ever_sent) THEN
        PERFORM vending_step(d.id, 'sent', j.claimed_at, '', '{}');
    END IF;
    v_count := (j."values"->>'purchase_count')::integer;
    -- an outcome of a day that was closed meanwhile is booked now: it must never get stuck
    v_at := coalesce(j.finished_at, p_at);
    IF (SELECT ledger_closed(s.id, (v_at AT TIME ZONE s.timezone)::date) FROM estate_site s WHERE s.id = d.site_id) THEN
        v_at := p_at;
    END IF;

    IF j.state = 'done' AND j.verdict = 'done' AND (v_count IS NULL OR v_count = d.expected_count) THEN
        PERFORM vending_confirm(d, d.expected_count, j."values", 'system', v_at, '', '');
        v_new := 'confirmed';
    ELSIF j.state = 'done' AND j.verdict = 'refused' THEN
        PERFORM vending_refuse(d, j."values", 'system', v_at, j.code, '');
        v_new := 'refused';
    ELSIF j.state = 'done' AND j.verdict IN ('done', 'disputed') THEN
        -- 'done' with another count than ours: somebody else counted too
        UPDATE vending_delivery SET state = 'disputed', code = coalesce(nullif(j.code, ''), 'count_moved'),
            read_count = v_count, read_values = j."values", next_try_at = NULL WHERE id = d.id;
        PERFORM vending_step(d.id, 'disputed', v_at, coalesce(nullif(j.code, ''), 'count_moved'), j."values");
        v_new := 'disputed';
    ELSIF j.state = 'done' THEN
        -- silent or unknown for good: the order goes on with a new job, which reads the witness first
        IF j.ever_sent AND d.state <> 'unknown' THEN
            UPDATE vending_delivery SET state = 'unknown', code = j.code WHERE id = d.id RETURNING * INTO d;
            PERFORM vending_step(d.id, 'unknown', j.finished_at, j.code, j."values");
        END IF;
        PERFORM vending_order_again(d, 'system', p_at);
        v_new := d.state;
    ELSE
        -- once a write may have left, silence does not make it unsent; an answer and two looks at the count do
        v_new := CASE WHEN j.ever_sent AND j.state = 'queued' AND j.verdict = 'unknown' AND j.code = 'write_not_applied'
                           AND j.due_at > j.claimed_at AND v_count = d.expected_count - 1 THEN 'waiting'
                      WHEN j.ever_sent AND j.state = 'queued' THEN 'unknown'
                      WHEN d.state = 'unknown' THEN 'unknown'
                      WHEN j.state = 'claimed' THEN 'sent' ELSE 'waiting' END;
        v_next := CASE WHEN j.state = 'queued' AND j.attempts > 0 THEN j.due_at END;
        IF (d.state, d.code, d.read_count, d.next_try_at)
           IS NOT DISTINCT FROM (v_new, j.code, coalesce(v_count, d.read_count), v_next) THEN
            RETURN d.state;
        END IF;
        UPDATE vending_delivery SET state = v_new, code = j.code, next_try_at = v_next,
            read_count = coalesce(v_count, read_count),
            read_values = CASE WHEN j."values" = '{}' THEN read_values ELSE j."values" END
        WHERE id = d.id;
        IF v_new <> d.state AND v_new <> 'sent' THEN
            PERFORM vending_step(d.id, v_new, p_at, j.code, j."values");
        END IF;
    END IF;
    PERFORM vending_tell(d);
    RETURN v_new;
END $$;

-- Open deliveries whose row is behind their job: the job that should have told them was lost or is late.
-- Or their token was made, or refused, by a process that died before it said so.
CREATE FUNCTION vending_behind(p_limit integer) RETURNS TABLE (delivery_id bigint) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT d.id FROM vending_delivery d LEFT JOIN metering_job j ON j.id = d.job_id
    LEFT JOIN tokens_tokenrequest t ON t.id = d.token_request_id
    WHERE d.state IN ('waiting', 'sent', 'unknown') AND (t.id IS NULL OR t.state IN ('made', 'refused'))
      AND (j.id IS NULL OR j.state IN ('done', 'dropped')
           OR (j.state = 'claimed' AND d.state = 'waiting')
           OR (j.state = 'queued' AND (d.state = 'sent'
               OR (j.ever_sent AND d.state = 'waiting' AND j.code <> 'write_not_applied')
               OR (j.attempts > 0 AND d.next_try_at IS DISTINCT FROM j.due_at))))
    ORDER BY d.created_at LIMIT p_limit;
END $$;

-- The load seen after a confirmed purchase, or not seen by the deadline; gives how many were decided.
CREATE FUNCTION vending_watch_load(p_at timestamptz, p_limit integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE r record; v_done integer := 0;
BEGIN
    FOR r IN
        SELECT d.*, l.at AS seen_at, l.power_w, l.relay FROM vending_delivery d
        LEFT JOIN metering_latest l ON l.site_id = d.site_id AND l.circuit_id = d.circuit_id AND l.at >= d.settled_at
        WHERE d.load_deadline IS NOT NULL AND d.load_seen_at IS NULL AND d.state = 'confirmed'
          AND (l.power_w > 0 OR d.load_deadline < p_at)
        ORDER BY d.id LIMIT p_limit FOR NO KEY UPDATE OF d SKIP LOCKED
    LOOP
        IF r.power_w > 0 THEN
            UPDATE vending_delivery SET load_seen_at = r.seen_at, load_deadline = NULL WHERE id = r.id;
            PERFORM vending_step(r.id, 'load_observed', r.seen_at, '', jsonb_build_object('power_w', r.power_w));
        ELSE
            UPDATE vending_delivery SET load_deadline = NULL WHERE id = r.id;
            PERFORM vending_step(r.id, 'load_not_seen', r.load_deadline, 'no_load_by_deadline',
                jsonb_build_object('power_w', r.power_w, 'relay', r.relay));
        END IF;
        PERFORM pg_notify('prewatt_live', json_build_object('sale', r.sale_id, 'site', r.site_id)::text);
        v_done := v_done + 1;
    END LOOP;
    RETURN v_done;
END $$;

-- A meter's purse at opening: the count read from it. '' or a refusal code.
CREATE FUNCTION vending_credit_begin(p_site bigint, p_circuit bigint, p_count integer, p_at timestamptz) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM vending_circuitcredit WHERE circuit_id = p_circuit FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM vending_delivery WHERE circuit_id = p_circuit
               AND state IN ('waiting', 'sent', 'unknown', 'disputed')) THEN
        RETURN 'delivery_open';
    END IF;
    INSERT INTO vending_circuitcredit AS c (circuit_id, site_id, purchase_count, carried_minor, updated_at)
    VALUES (p_circuit, p_site, p_count, 0, p_at)
    ON CONFLICT (circuit_id) DO UPDATE SET purchase_count = excluded.purchase_count, carried_minor = 0,
        updated_at = excluded.updated_at;
    RETURN '';
END $$;
ALTER FUNCTION vending_settle SET plan_cache_mode = force_generic_plan SET enable_seqscan = off;

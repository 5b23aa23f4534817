-- A sale is one call. All refusals are decided before the first write, so a refused sale returns its
-- code and has changed nothing; the caller's transaction stays usable.

CREATE SEQUENCE vending_sale_number;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON vending_deliverystep
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

-- A price that was ever sold at, or is in force, stays what it was.
CREATE FUNCTION vending_refuse_plan_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.valid_from > now()
       AND NOT EXISTS (SELECT FROM vending_sale WHERE plan_version_id = OLD.id) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'append_only: % on % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'PW002';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON estate_planversion
    FOR EACH ROW EXECUTE FUNCTION vending_refuse_plan_change();

-- A receipt is frozen; only its print counter grows. What a sale says of money and credit never changes.
CREATE FUNCTION vending_guard_receipt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.prints >= OLD.prints
       AND (to_jsonb(NEW) - 'prints') IS NOT DISTINCT FROM (to_jsonb(OLD) - 'prints') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'append_only: % on % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'PW002';
END $$;
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE ON vending_receipt
    FOR EACH ROW EXECUTE FUNCTION vending_guard_receipt();

CREATE FUNCTION vending_guard_sale() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.state = 'reversed'
       AND (to_jsonb(NEW) - 'state') IS NOT DISTINCT FROM (to_jsonb(OLD) - 'state') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'append_only: % on % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'PW002';
END $$;
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE ON vending_sale
    FOR EACH ROW EXECUTE FUNCTION vending_guard_sale();

-- row triggers do not see TRUNCATE
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON estate_planversion
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON vending_receipt
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON vending_sale
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

-- Where credit travels as tokens nobody hears from the meter by itself. A register that somebody read says something for
-- a month; what was given out since is added to it, as if nothing had been used.
CREATE FUNCTION vending_register_counts(p_read_at timestamptz, p_at timestamptz) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT p_read_at > p_at - interval '31 days';
$$;

CREATE FUNCTION vending_handed_out(p_circuit bigint, p_since timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT coalesce(sum(CASE d.kind WHEN 'purchase' THEN d.amount ELSE -d.amount END), 0)::bigint
            FROM vending_delivery d WHERE d.circuit_id = p_circuit AND d.state = 'confirmed'
              AND d.kind IN ('purchase', 'return') AND d.settled_at > p_since);
END $$;

-- Everything a quote needs to know of one circuit of one contract, in one read; no row: not such a pair.
-- plpgsql keeps the plan of this join for the session, a plain statement would be planned for each sale.
CREATE FUNCTION vending_facts(p_contract text, p_circuit bigint, p_at timestamptz)
RETURNS TABLE (
    site_id bigint, company_id bigint, site_code text, site_name text, timezone text, local_day date,
    currency text, exponent smallint,
    contract_id bigint, contract_state text, customer_name text, room text,
    meter_number text, profile text, circuit_index smallint,
    supply_point_id bigint, supply_state text, custody text, prepaid boolean, credit_unit text,
    overdraft bigint, hoarding_limit bigint,
    plan_version_id bigint, price numeric, plan_name text,
    purchase_count integer, carried_minor numeric,
    balance bigint, balance_at timestamptz, use_past_zero bigint,
    smallest_minor bigint, largest_minor bigint,
    open_delivery_id bigint, open_credit bigint, gateway_id bigint,
    credit_account_id bigint,  -- server-held only: the books hold the credit, `balance` is what stands on this account
    carrier text, meter_id bigint,
    handed_out bigint  -- by token only: credit given out since the balance was read; `balance` NULL when that is long ago
) LANGUAGE plpgsql STABLE ROWS 1 AS $$
BEGIN
    RETURN QUERY
    SELECT s.id, s.company_id, s.code::text, s.name::text, s.timezone::text, (p_at AT TIME ZONE s.timezone)::date,
        co.currency::text, co.exponent,
        c.id, c.state::text, cu.name::text, coalesce(b.code || ' ' || r.code, '')::text,
        m.number::text, m.profile::text, ci.index,
        sp.id, sp.state::text, sp.custody::text, sp.prepaid, sp.credit_unit::text,
        sp.overdraft, sp.hoarding_limit,
        pv.id, pv.price, pv.name::text,
        CASE sp.custody WHEN 'server' THEN coalesce(cc.purchase_count, 0) ELSE cc.purchase_count END, cc.carried_minor,
        CASE WHEN sp.custody = 'server' THEN rb.balance_minor
             WHEN sp.carrier = 'network' OR vending_register_counts(l.at, p_at) THEN l.balance END,
        CASE sp.custody WHEN 'server' THEN rb.updated_at ELSE l.at END,
        CASE sp.custody WHEN 'meter' THEN l.use_past_zero END,
        sl.smallest_minor, sl.largest_minor,
        d.id, CASE d.kind WHEN 'purchase' THEN d.amount ELSE 0 END, li.gateway_id,
        CASE sp.custody WHEN 'server' THEN sp.credit_account_id END,
        sp.carrier::text, m.id,
        CASE sp.carrier WHEN 'token' THEN vending_handed_out(p_circuit, greatest(sp.valid_from, l.at)) ELSE 0 END
    FROM estate_contract c
    JOIN estate_customer cu ON cu.id = c.customer_id
    JOIN estate_site s ON s.id = c.site_id
    JOIN estate_company co ON co.id = s.company_id
    JOIN estate_supplypoint sp ON sp.contract_id = c.id AND sp.circuit_id = p_circuit
        AND sp.valid_from <= p_at AND (sp.valid_to IS NULL OR sp.valid_to > p_at)
    JOIN estate_circuit ci ON ci.id = sp.circuit_id
    JOIN estate_meter m ON m.id = ci.meter_id
    LEFT JOIN estate_line li ON li.id = m.line_id  -- one that is never online has none
    LEFT JOIN estate_room r ON r.id = ci.room_id
    LEFT JOIN estate_building b ON b.id = r.building_id
    LEFT JOIN LATERAL (
        SELECT v.id, v.price, p.name
        FROM (SELECT a.plan_id FROM estate_planassignment a
              WHERE a.supply_point_id = sp.id AND a.valid_from <= p_at ORDER BY a.valid_from DESC LIMIT 1) a
        JOIN estate_plan p ON p.id = a.plan_id
        JOIN estate_planversion v ON v.plan_id = a.plan_id AND v.valid_from <= p_at
        ORDER BY v.valid_from DESC LIMIT 1
    ) pv ON true
    LEFT JOIN vending_circuitcredit cc ON cc.circuit_id = p_circuit
    LEFT JOIN metering_latest l ON l.site_id = s.id AND l.circuit_id = p_circuit
    LEFT JOIN ledger_runningbalance rb ON rb.account_id = sp.credit_account_id
    LEFT JOIN vending_salelimit sl ON sl.site_id = s.id
    LEFT JOIN vending_delivery d ON d.circuit_id = p_circuit AND d.state IN ('waiting', 'sent', 'unknown', 'disputed')
    WHERE c.number = p_contract;
END $$;

-- Where money of a tender lies: the drawer of a till in a shift (0: a till without shifts), or the
-- clearing account of a tender.
CREATE FUNCTION vending_money_account(p_company bigint, p_site bigint, p_tender text, p_till bigint, p_shift bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE WHEN p_tender = 'cash'
        THEN ledger_account(p_company, p_site, 'cash', 'cash:till:' || p_till || ':shift:' || coalesce(p_shift, 0))
        ELSE ledger_account(p_company, p_site, 'clearing', 'clearing:' || p_tender) END;
END $$;

CREATE FUNCTION vending_order_payload(p_index smallint, p_count integer, p_kind text, p_amount bigint)
RETURNS jsonb LANGUAGE sql STABLE AS $$  -- stable as its body is, so that it is inlined
    SELECT jsonb_build_object('intent', 'credit', 'circuit_index', p_index,
        'order', jsonb_build_object('count', p_count, 'kind', p_kind, 'amount', p_amount));
$$;

-- Stores a delivery with its first step and its job. The caller holds the circuit's credit row.
CREATE FUNCTION vending_deliver(
    p_site bigint, p_circuit bigint, p_index smallint, p_origin text, p_sale bigint, p_kind text, p_amount bigint,
    p_value bigint, p_count integer, p_actor text, p_at timestamptz, p_past boolean, p_ring boolean DEFAULT true
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE v_id bigint := nextval('vending_delivery_id_seq'); v_job bigint;
BEGIN
    IF NOT p_past THEN
        v_job := metering_enqueue(
            'delivery:' || v_id || ':1', p_circuit, 'credit', vending_order_payload(p_index, p_count, p_kind, p_amount),
            -- due now by the database's clock: a web host whose clock is ahead must not hold the order back
            0::smallint, least(p_at, clock_timestamp()), NULL, 'vending.settle', jsonb_build_object('delivery_id', v_id), p_actor, p_ring);
    END IF;
    INSERT INTO vending_delivery (id, site_id, circuit_id, origin, sale_id, job_id, orders, kind, amount, value_minor,
        expected_count, state, code, read_values, created_at, confirmed_values)
    VALUES (v_id, p_site, p_circuit, p_origin, p_sale, v_job, 1, p_kind, p_amount, p_value,
        p_count, 'waiting', '', '{}', p_at, '{}');
    INSERT INTO vending_deliverystep (delivery_id, state, at, code, detail) VALUES (v_id, 'waiting', p_at, '', '{}');
    RETURN v_id;
END $$;

-- A delivery of server-held credit: the books have it, so it is confirmed as it is made, with the circuit's next count.
-- The caller holds the account's running row, has booked, and decided every refusal. p_kind purchase | return.
CREATE FUNCTION vending_deliver_held(
    p_site bigint, p_circuit bigint, p_account bigint, p_origin text, p_sale bigint, p_kind text, p_amount bigint,
    p_at timestamptz, p_past boolean DEFAULT false, p_id bigint DEFAULT NULL
) RETURNS vending_delivery LANGUAGE plpgsql AS $$
DECLARE d vending_delivery; v_count integer; v_values jsonb;
BEGIN
    INSERT INTO vending_circuitcredit AS c (circuit_id, site_id, purchase_count, carried_minor, updated_at)
    VALUES (p_circuit, p_site, 1, 0, p_at)
    ON CONFLICT (circuit_id) DO UPDATE SET purchase_count = c.purchase_count + 1, updated_at = excluded.updated_at
    RETURNING c.purchase_count INTO v_count;
    SELECT jsonb_build_object('balance', b.balance_minor, 'purchase_count', v_count) INTO v_values
    FROM ledger_runningbalance b WHERE b.account_id = p_account;
    INSERT INTO vending_delivery (id, site_id, circuit_id, origin, sale_id, orders, kind, amount, value_minor,
        expected_count, state, code, read_count, read_values, created_at, settled_at, confirmed_values, load_deadline,
        credit_account_id)
    VALUES (coalesce(p_id, nextval('vending_delivery_id_seq')), p_site, p_circuit, p_origin, p_sale, 0, p_kind, p_amount, p_amount,
        v_count, 'confirmed', '', v_count, v_values, p_at, p_at, v_values,
        -- the relay follows within a poll, of a meter that is offline within one of its return
        CASE WHEN p_kind = 'purchase' AND NOT p_past THEN p_at + interval '2 days' END, p_account)
    RETURNING * INTO d;
    INSERT INTO vending_deliverystep (delivery_id, state, at, code, detail)
    VALUES (d.id, 'confirmed', p_at, '', v_values);
    RETURN d;
END $$;

-- Numbers and freezes a receipt. The till's row is locked from here to the end of the transaction, so
-- this is the last thing an act does: numbers have no gaps, and cashiers wait for nothing else.
CREATE FUNCTION vending_receipt_add(
    p_site bigint, p_till bigint, p_kind text, p_sale bigint, p_act bigint, p_contract bigint,
    p_data jsonb, p_at timestamptz
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE v_number integer; v_code text; v_id bigint;
BEGIN
    UPDATE vending_till SET next_receipt = next_receipt + 1 WHERE id = p_till
    RETURNING next_receipt - 1, code INTO v_number, v_code;
    INSERT INTO vending_receipt (site_id, till_id, number, kind, sale_id, act_id, contract_id, data, at, prints)
    VALUES (p_site, p_till, v_number, p_kind, p_sale, p_act, p_contract,
        p_data || jsonb_build_object('receipt_number', v_code || '-' || lpad(v_number::text, greatest(6, length(v_number::text)), '0')),
        p_at, 0)
    RETURNING id INTO v_id;
    RETURN v_id;
END $$;

-- The shift a till is worked in. p_shift: NULL where the till needs none. code '' when all is well.
-- The shift's row is locked shared: it cannot be handed over before what follows is booked.
CREATE FUNCTION vending_till_check(
    p_site bigint, p_till bigint, p_operator bigint, OUT code text, OUT shift_id bigint
) LANGUAGE plpgsql AS $$
DECLARE v_needs boolean; v_operator bigint;
BEGIN
    code := '';
    -- a window sells its own site's electricity; a till without a drawer (an API key's) all of its company's
    SELECT t.needs_shift INTO v_needs FROM vending_till t
    JOIN estate_site own ON own.id = t.site_id JOIN estate_site sold ON sold.id = p_site
    WHERE t.id = p_till AND own.company_id = sold.company_id AND (t.site_id = p_site OR NOT t.needs_shift);
    IF NOT FOUND THEN code := 'till_unknown'; RETURN; END IF;
    IF NOT v_needs THEN RETURN; END IF;
    SELECT s.id, s.operator_id INTO shift_id, v_operator
    FROM vending_shift s WHERE s.till_id = p_till AND s.closed_at IS NULL FOR SHARE;
    IF shift_id IS NULL THEN code := 'shift_not_open';
    ELSIF v_operator IS DISTINCT FROM p_operator THEN code := 'shift_not_yours';
    END IF;
END $$;

-- Sells. Gives ('sold' | 'replayed', sale) or (refusal code, NULL, what the text needs), and whom to ring.
-- p_account: where the books hold the credit, NULL where the meter does; the repaid parts are of the balance given, so a
-- balance that moved since the quote is quoted anew.
-- p_past: a sale of the past being loaded, with p_shift as given; nothing is sent to the meter.
CREATE FUNCTION vending_sell(
    p_key text, p_hash text, p_contract text, p_circuit bigint, p_index smallint, p_currency text,
    p_till bigint, p_shift bigint, p_operator bigint,
    p_actor text, p_actor_name text, p_at timestamptz, p_tender text, p_reference text, p_amount bigint,
    p_plan_version bigint, p_price numeric, p_credit bigint, p_carried_before numeric, p_carried_after numeric,
    p_balance bigint, p_balance_at timestamptz, p_repaid_overdraft bigint, p_repaid_past_zero bigint,
    p_smallest bigint, p_largest bigint, p_account bigint, p_receipt jsonb, p_past boolean, p_carrier text DEFAULT 'network',
    OUT outcome text, OUT sale_id bigint, OUT params jsonb, OUT ring_live text
) LANGUAGE plpgsql AS $$
DECLARE
    f record; cc record; v_hash text; v_shift bigint; v_number text; v_entry bigint; v_payment bigint; v_delivery bigint;
    v_count integer; v_seq bigint; v_held vending_delivery;
BEGIN
    params := '{}';
    IF NOT pg_try_advisory_xact_lock(hashtextextended(p_key, 20)) THEN
        outcome := 'key_busy';
        RETURN;
    END IF;
    SELECT s.id, s.request_hash INTO sale_id, v_hash FROM vending_sale s WHERE s.request_key = p_key;
    IF sale_id IS NOT NULL THEN
        outcome := CASE WHEN v_hash = p_hash THEN 'replayed' ELSE 'key_reused' END;
        IF outcome <> 'replayed' THEN sale_id := NULL; END IF;
        RETURN;
    END IF;

    -- the one lock of a sale: all that follows is true until we commit; server-held, the account's row stands before it
    IF p_account IS NOT NULL THEN PERFORM ledger_lock_running(ARRAY[p_account]); END IF;
    SELECT c.purchase_count, c.carried_minor INTO cc FROM vending_circuitcredit c WHERE c.circuit_id = p_circuit
    FOR NO KEY UPDATE;
    -- of vending_facts only what can have changed since the quote, and what the books need, in one statement: each
    -- statement more is planned, locked and started anew in each sale, which costs more than what it reads
    SELECT s.id AS site_id, s.company_id, (p_at AT TIME ZONE s.timezone)::date AS local_day,
        c.id AS contract_id, c.state AS contract_state, sp.id AS supply_point_id, sp.state AS supply_state,
        sp.custody, sp.carrier, sp.credit_unit, sp.hoarding_limit, pv.id AS plan_version_id, pv.price, sl.smallest_minor, sl.largest_minor,
        EXISTS (SELECT FROM vending_delivery d WHERE d.circuit_id = p_circuit
                AND d.state IN ('waiting', 'sent', 'unknown', 'disputed')) AS open_delivery,
        EXISTS (SELECT FROM ledger_closedday o WHERE o.site_id = s.id AND o.day = (p_at AT TIME ZONE s.timezone)::date)
            AS day_closed,
        CASE sp.custody WHEN 'server' THEN sp.credit_account_id END AS account,
        CASE WHEN sp.custody = 'server' THEN
            (SELECT b.balance_minor FROM ledger_runningbalance b WHERE b.account_id = sp.credit_account_id)
        WHEN sp.hoarding_limit > 0 AND sp.carrier = 'network' THEN
            (SELECT l.balance FROM metering_latest l WHERE l.site_id = s.id AND l.circuit_id = p_circuit)
        WHEN sp.hoarding_limit > 0 THEN
            (SELECT l.balance + vending_handed_out(p_circuit, greatest(sp.valid_from, l.at)) FROM metering_latest l
             WHERE l.site_id = s.id AND l.circuit_id = p_circuit AND vending_register_counts(l.at, p_at)) END AS balance,
        (SELECT t.needs_shift FROM vending_till t JOIN estate_site own ON own.id = t.site_id
         WHERE t.id = p_till AND own.company_id = s.company_id) AS needs_shift,
        (SELECT a.id FROM ledger_account a WHERE a.site_id = s.id AND a.key = 'in_delivery') AS in_delivery
    INTO f
    FROM estate_contract c
    JOIN estate_site s ON s.id = c.site_id
    JOIN estate_supplypoint sp ON sp.contract_id = c.id AND sp.circuit_id = p_circuit
        AND sp.valid_from <= p_at AND (sp.valid_to IS NULL OR sp.valid_to > p_at)
    LEFT JOIN LATERAL (
        SELECT v.id, v.price
        FROM (SELECT a.plan_id FROM estate_planassignment a
              WHERE a.supply_point_id = sp.id AND a.valid_from <= p_at ORDER BY a.valid_from DESC LIMIT 1) a
        JOIN estate_planversion v ON v.plan_id = a.plan_id AND v.valid_from <= p_at
        ORDER BY v.valid_from DESC LIMIT 1
    ) pv ON true
    LEFT JOIN vending_salelimit sl ON sl.site_id = s.id
    WHERE c.number = p_contract;
    IF f.site_id IS NULL THEN
        outcome := 'circuit_not_of_contract';
    ELSIF f.custody <> 'meter' AND f.account IS NULL THEN
        outcome := 'contract_not_open';
    ELSIF f.account IS DISTINCT FROM p_account OR f.carrier <> p_carrier THEN
        outcome := 'quote_stale';
    ELSIF NOT p_past AND p_account IS NULL AND (f.contract_state <> 'open' OR f.supply_state <> 'open')
          OR p_account IS NULL AND cc.purchase_count IS NULL
          -- the books take money also before the opening reading: the supply opens with it
          OR NOT p_past AND p_account IS NOT NULL
             AND (f.contract_state NOT IN ('opening', 'open') OR f.supply_state NOT IN ('opening', 'open')) THEN
        outcome := 'contract_not_open';
    ELSIF f.open_delivery THEN
        outcome := 'delivery_open';
    ELSIF p_account IS NULL AND NOT p_past AND EXISTS (  -- restored, and the meter counted otherwise: recounts.py
            SELECT FROM metering_credithold h JOIN vending_recount r ON r.circuit_id = h.circuit_id
            WHERE h.circuit_id = p_circuit AND r.state = 'disputed') THEN
        outcome := 'recount_disputed';
    ELSIF f.plan_version_id IS DISTINCT FROM p_plan_version OR f.price <> p_price
          OR coalesce(cc.carried_minor, 0) <> p_carried_before
          OR p_account IS NOT NULL AND NOT p_past AND f.balance IS DISTINCT FROM p_balance THEN
        outcome := 'quote_stale';
    ELSIF p_amount < coalesce(f.smallest_minor, p_smallest) THEN
        outcome := 'amount_too_small';
        params := jsonb_build_object('smallest_minor', coalesce(f.smallest_minor, p_smallest));
    ELSIF p_amount > coalesce(f.largest_minor, p_largest) THEN
        outcome := 'amount_above_limit';
        params := jsonb_build_object('largest_minor', coalesce(f.largest_minor, p_largest));
    ELSIF f.hoarding_limit > 0 AND NOT p_past AND f.balance IS NULL AND f.carrier = 'network' THEN
        outcome := 'balance_unknown';
    -- an old balance can only have been used up since, so it is an upper bound; deliveries that are open
    -- were excluded above
    ELSIF f.hoarding_limit > 0 AND NOT p_past AND f.balance + p_credit > f.hoarding_limit THEN
        outcome := 'hoarding_limit';
        params := jsonb_build_object('balance', f.balance, 'credit', p_credit, 'limit', f.hoarding_limit);
    ELSIF p_account IS NULL AND cc.purchase_count >= 65535 THEN
        outcome := 'purchase_count_full';
    ELSIF f.day_closed THEN
        outcome := 'day_closed';
        params := jsonb_build_object('day', f.local_day);
    ELSIF p_past THEN
        v_shift := p_shift;
    ELSIF f.needs_shift IS DISTINCT FROM false THEN  -- unknown, of another company, or one that needs a shift
        SELECT t.code, t.shift_id INTO outcome, v_shift FROM vending_till_check(f.site_id, p_till, p_operator) t;
        outcome := nullif(outcome, '');
    END IF;
    IF outcome IS NOT NULL THEN RETURN; END IF;

    v_seq := nextval('vending_sale_number');
    v_number := 'S' || to_char(f.local_day, 'YYMMDD') || lpad(v_seq::text, greatest(4, length(v_seq::text)), '0');
    sale_id := nextval('vending_sale_id_seq');
    v_count := cc.purchase_count + 1;
    IF p_account IS NULL THEN
        v_entry := ledger_book(
            f.company_id, f.site_id, 'sale:' || v_number, 'sale', p_actor, '', p_at, f.local_day, NULL,
            ARRAY[vending_money_account(f.company_id, f.site_id, p_tender, p_till, v_shift)],
            ARRAY[coalesce(f.in_delivery, ledger_account(f.company_id, f.site_id, 'in_delivery', 'in_delivery'))],
            ARRAY[p_amount]);
    ELSE
        v_entry := ledger_book_running(
            f.company_id, f.site_id, 'sale:' || v_number, 'sale', p_actor, '', p_at, f.local_day, NULL,
            ARRAY[vending_money_account(f.company_id, f.site_id, p_tender, p_till, v_shift)],
            ARRAY[p_account], ARRAY[p_amount]);
    END IF;
    INSERT INTO payments_payment (site_id, key, tender, amount_minor, reference, state, till_id, shift_id, at)
    VALUES (f.site_id, 'sale:' || v_number, p_tender, p_amount, p_reference, 'confirmed', p_till, v_shift, p_at)
    RETURNING id INTO v_payment;
    INSERT INTO vending_sale (id, site_id, number, request_key, request_hash, contract_id, circuit_id, supply_point_id,
        till_id, shift_id, actor, actor_name, at, state, tender, amount_minor, currency, plan_version_id, price,
        credit, credit_unit, balance_before, balance_before_at, repaid_overdraft, repaid_past_zero,
        carried_before, carried_after, payment_id, entry_id)
    VALUES (sale_id, f.site_id, v_number, p_key, p_hash, f.contract_id, p_circuit, f.supply_point_id,
        p_till, v_shift, p_actor, p_actor_name, p_at, 'sold', p_tender, p_amount, p_currency, p_plan_version, p_price,
        p_credit, f.credit_unit, p_balance, p_balance_at, p_repaid_overdraft, p_repaid_past_zero,
        p_carried_before, p_carried_after, v_payment, v_entry);
    IF p_carried_after <> p_carried_before THEN
        UPDATE vending_circuitcredit SET carried_minor = p_carried_after, updated_at = p_at WHERE circuit_id = p_circuit;
    END IF;
    -- NOTIFY serialises commits with their fsync (measured: a quarter of the sales per second); the caller
    -- rings with what we return once this is committed, and the mailbox looks by itself each second
    IF p_account IS NULL THEN
        -- by token: no job; the caller asks for the digits in this transaction and names their request
        v_delivery := vending_deliver(f.site_id, p_circuit, p_index, 'sale', sale_id, 'purchase', p_credit,
            p_amount, v_count, p_actor, p_at, p_past OR p_carrier = 'token', false);
    ELSE
        v_held := vending_deliver_held(f.site_id, p_circuit, p_account, 'sale', sale_id, 'purchase', p_credit, p_at,
            p_past);
        v_delivery := v_held.id;
        v_count := v_held.expected_count;
    END IF;
    PERFORM audit_add(p_at, p_actor, 'vending.sell', f.site_id, 'sale', sale_id::text, '', NULL,
        jsonb_build_object('number', v_number, 'contract', p_contract, 'circuit', p_circuit, 'amount_minor', p_amount,
            'tender', p_tender, 'credit', p_credit, 'count', v_count, 'delivery', v_delivery));
    ring_live := json_build_object('sale', sale_id, 'site', f.site_id)::text;
    IF NOT p_past THEN  -- the past numbers its receipts in bulk
        PERFORM vending_receipt_add(f.site_id, p_till, 'sale', sale_id, NULL, f.contract_id,
            p_receipt || jsonb_build_object('sale_number', v_number, 'purchase_count', v_count), p_at);
    END IF;
    outcome := 'sold';
END $$;

-- A session plans these once and keeps the plan, also one made while the tables were still empty: every
-- look-up in them is by key, so a scan is never right. (Measured: without this a sale costs more than twice.)
ALTER FUNCTION vending_sell SET plan_cache_mode = force_generic_plan SET enable_seqscan = off;
ALTER FUNCTION vending_facts SET plan_cache_mode = force_generic_plan SET enable_seqscan = off;

-- The past of an installation that was run otherwise before (or of the demo site), through the functions
-- that sell: same entries, receipts, trail. Nothing is sent to a meter, since the meters have it all.

-- p_rows: [{shift, operator, ... }], one object per sale in the order of time; see vending.history.
CREATE FUNCTION vending_load_sales(p_rows jsonb, p_smallest bigint, p_largest bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE r record; v record; d vending_delivery; v_done integer := 0;
BEGIN
    FOR r IN SELECT * FROM jsonb_to_recordset(p_rows) AS t (
        key text, hash text, contract text, circuit bigint, index smallint, currency text, till bigint, shift bigint,
        actor text, actor_name text,
        at timestamptz, tender text, reference text, amount bigint, plan_version bigint, price numeric, credit bigint,
        carried_before numeric, carried_after numeric, balance bigint, repaid_overdraft bigint, repaid_past_zero bigint,
        account bigint, receipt jsonb, carrier text, unknown_at timestamptz, confirmed_at timestamptz)
    LOOP
        SELECT * INTO v FROM vending_sell(r.key, r.hash, r.contract, r.circuit, r.index, r.currency, r.till, r.shift, NULL, r.actor, r.actor_name,
            r.at, r.tender, r.reference, r.amount, r.plan_version, r.price, r.credit, r.carried_before, r.carried_after,
            r.balance, r.at, r.repaid_overdraft, r.repaid_past_zero, p_smallest, p_largest, r.account, r.receipt, true,
            r.carrier);
        CONTINUE WHEN v.outcome = 'replayed';
        IF v.outcome <> 'sold' THEN
            RAISE EXCEPTION 'history_refused' USING ERRCODE = 'PW001',
                DETAIL = json_build_object('key', r.key, 'why', v.outcome)::text;
        END IF;
        SELECT * INTO d FROM vending_delivery WHERE sale_id = v.sale_id;
        v_done := v_done + 1;
        CONTINUE WHEN d.state = 'confirmed' OR r.carrier = 'token';  -- the books hold it; its digits confirm it
        PERFORM vending_step(d.id, 'sent', least(r.at + interval '1 second', r.confirmed_at), '', '{}');
        IF r.unknown_at IS NOT NULL THEN
            PERFORM vending_step(d.id, 'unknown', r.unknown_at, 'no_reply', '{}');
        END IF;
        PERFORM vending_confirm(d, d.expected_count,
            jsonb_build_object('purchase_count', d.expected_count, 'balance', r.balance + r.credit), 'system',
            r.confirmed_at, '', '');
        -- the load came back long ago; nobody watches for it any more
        UPDATE vending_delivery SET load_seen_at = r.confirmed_at + interval '20 seconds', load_deadline = NULL WHERE id = d.id;
    END LOOP;

    -- one update per till: a row updated by each sale of one transaction grows a chain that each must walk
    WITH fresh AS (
        SELECT s.id, s.site_id, s.till_id, s.contract_id, s.number, s.at AS sold_at, dl.expected_count, t.receipt, w.code,
            w.next_receipt + row_number() OVER (PARTITION BY s.till_id ORDER BY s.id) - 1 AS n
        FROM jsonb_to_recordset(p_rows) AS t (key text, receipt jsonb)
        JOIN vending_sale s ON s.request_key = t.key JOIN vending_delivery dl ON dl.sale_id = s.id
        JOIN vending_till w ON w.id = s.till_id
        WHERE NOT EXISTS (SELECT FROM vending_receipt old WHERE old.sale_id = s.id)
    ), counted AS (
        UPDATE vending_till w SET next_receipt = w.next_receipt + c.n
        FROM (SELECT till_id, count(*) AS n FROM fresh GROUP BY till_id) c WHERE w.id = c.till_id
    )
    INSERT INTO vending_receipt (site_id, till_id, number, kind, sale_id, contract_id, data, at, prints)
    SELECT x.site_id, x.till_id, x.n, 'sale', x.id, x.contract_id, x.receipt || jsonb_build_object(
        'sale_number', x.number, 'purchase_count', x.expected_count,
        'receipt_number', x.code || '-' || lpad(x.n::text, greatest(6, length(x.n::text)), '0')), x.sold_at, 0
    FROM fresh x ORDER BY x.id;
    RETURN v_done;
END $$;

-- A return of the past with its refund: [{key, hash, contract, circuit, till, shift, actor, at, ...}].
CREATE FUNCTION vending_load_returns(p_rows jsonb) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE r record; f record; d vending_delivery; v_id bigint; v_entry bigint; v_act bigint; v_done integer := 0;
BEGIN
    FOR r IN SELECT * FROM jsonb_to_recordset(p_rows) AS t (
        key text, hash text, contract text, circuit bigint, till bigint, shift bigint, actor text, at timestamptz,
        credit bigint, value bigint, balance bigint, reason text, confirmed_at timestamptz, refunded_at timestamptz,
        receipt jsonb)
    LOOP
        CONTINUE WHEN EXISTS (SELECT FROM vending_act WHERE request_key = r.key);
        PERFORM FROM vending_circuitcredit WHERE circuit_id = r.circuit FOR NO KEY UPDATE;
        SELECT * INTO f FROM vending_facts(r.contract, r.circuit, r.at);
        IF f.site_id IS NULL OR f.custody <> 'meter' OR f.purchase_count IS NULL OR f.open_delivery_id IS NOT NULL THEN
            RAISE EXCEPTION 'history_refused' USING ERRCODE = 'PW001',
                DETAIL = json_build_object('key', r.key, 'why', 'contract_not_open')::text;
        END IF;
        v_id := vending_deliver(f.site_id, r.circuit, f.circuit_index, 'return', NULL, 'return', r.credit, r.value,
            f.purchase_count + 1, r.actor, r.at, true);
        SELECT * INTO d FROM vending_delivery WHERE id = v_id;
        v_act := vending_act_add(f.site_id, 'return', 'running', r.key, r.hash, r.circuit, NULL, v_id, r.credit, r.value,
            r.reason, jsonb_build_object('contract', r.contract, 'balance', r.balance), r.actor, NULL, NULL, NULL, r.at);
        PERFORM vending_confirm(d, d.expected_count,
            jsonb_build_object('purchase_count', d.expected_count, 'balance', r.balance - r.credit), 'system',
            r.confirmed_at, '', '');
        v_entry := ledger_book(f.company_id, f.site_id, 'refund:' || v_id, 'refund', r.actor, r.reason, r.refunded_at,
            (r.refunded_at AT TIME ZONE f.timezone)::date, NULL,
            ARRAY[ledger_account(f.company_id, f.site_id, 'refund_payable', 'refund_payable')],
            ARRAY[vending_money_account(f.company_id, f.site_id, 'cash', r.till, r.shift)], ARRAY[r.value]);
        PERFORM vending_money_out(f.site_id, 'refund:' || v_id, 'cash', r.value, '', r.till, r.shift, r.refunded_at);
        v_act := vending_act_add(f.site_id, 'refund', 'done', r.key || ':refund', r.hash, r.circuit, NULL, v_id, r.credit,
            r.value, r.reason, '{}', r.actor, r.till, r.shift, v_entry, r.refunded_at);
        PERFORM vending_step(v_id, 'confirmed', r.refunded_at, 'refunded', jsonb_build_object('amount_minor', r.value));
        PERFORM vending_receipt_add(f.site_id, r.till, 'refund', NULL, v_act, f.contract_id, r.receipt, r.refunded_at);
        v_done := v_done + 1;
    END LOOP;
    RETURN v_done;
END $$;

-- as vending_sell: planned while the tables may still be empty
ALTER FUNCTION vending_load_sales SET plan_cache_mode = force_generic_plan SET enable_seqscan = off;
ALTER FUNCTION vending_load_returns SET plan_cache_mode = force_generic_plan SET enable_seqscan = off;

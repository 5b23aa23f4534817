-- Corrections at the desk, each an act of its own: rewrite, make-up, return, refund, reversal,
-- settlement. Like a sale: one call, all refusals before the first write, own request key, replayable.
-- Each gives ('done' | 'replayed', act) or (refusal code, NULL).

-- Whether this key was used: NULL (go on), 'replayed' with the act, 'key_reused', 'key_busy'.
CREATE FUNCTION vending_act_seen(p_key text, p_hash text, OUT outcome text, OUT act_id bigint) LANGUAGE plpgsql AS $$
DECLARE v_hash text;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended(p_key, 21)) THEN
        outcome := 'key_busy';
        RETURN;
    END IF;
    SELECT a.id, a.request_hash INTO act_id, v_hash FROM vending_act a WHERE a.request_key = p_key;
    IF act_id IS NOT NULL THEN
        outcome := CASE WHEN v_hash = p_hash THEN 'replayed' ELSE 'key_reused' END;
        IF outcome = 'key_reused' THEN act_id := NULL; END IF;
    END IF;
END $$;

CREATE FUNCTION vending_act_add(
    p_site bigint, p_kind text, p_state text, p_key text, p_hash text, p_circuit bigint, p_sale bigint, p_delivery bigint,
    p_credit bigint, p_amount bigint, p_reason text, p_evidence jsonb, p_actor text, p_till bigint, p_shift bigint,
    p_entry bigint, p_at timestamptz
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE v_id bigint;
BEGIN
    INSERT INTO vending_act (site_id, kind, state, request_key, request_hash, circuit_id, sale_id, delivery_id, credit,
        amount_minor, reason, evidence, actor, second_person, till_id, shift_id, entry_id, at, done_at)
    VALUES (p_site, p_kind, p_state, p_key, p_hash, p_circuit, p_sale, p_delivery, p_credit,
        p_amount, p_reason, p_evidence, p_actor, '', p_till, p_shift, p_entry, p_at,
        CASE WHEN p_state = 'done' THEN p_at END)
    RETURNING id INTO v_id;
    PERFORM audit_add(p_at, p_actor, 'vending.' || p_kind, p_site, 'act', v_id::text, p_reason, NULL,
        jsonb_build_object('state', p_state, 'circuit', p_circuit, 'sale', p_sale, 'delivery', p_delivery,
            'credit', p_credit, 'amount_minor', p_amount, 'evidence', p_evidence));
    RETURN v_id;
END $$;

-- Locks the account (server-held), the circuit's credit, then a delivery of it: the order every act keeps.
CREATE FUNCTION vending_lock_delivery(p_delivery bigint) RETURNS vending_delivery LANGUAGE plpgsql AS $$
DECLARE d vending_delivery; v_circuit bigint; v_account bigint;
BEGIN
    SELECT circuit_id, credit_account_id INTO v_circuit, v_account FROM vending_delivery WHERE id = p_delivery;
    IF v_account IS NOT NULL THEN PERFORM ledger_lock_running(ARRAY[v_account]); END IF;
    PERFORM FROM vending_circuitcredit WHERE circuit_id = v_circuit FOR NO KEY UPDATE;
    SELECT * INTO d FROM vending_delivery WHERE id = p_delivery FOR NO KEY UPDATE;
    RETURN d;
END $$;

CREATE FUNCTION vending_money_out(
    p_site bigint, p_key text, p_tender text, p_amount bigint, p_reference text, p_till bigint, p_shift bigint, p_at timestamptz
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO payments_payment (site_id, key, tender, amount_minor, reference, state, till_id, shift_id, at)
    VALUES (p_site, p_key, p_tender, -p_amount, p_reference, 'confirmed', p_till, p_shift, p_at);
$$;

-- 冲正. The last sale of a circuit, in the shift it was made in, while its credit is not in the meter:
-- its command never left, or was read back as not applied, and is taken back under the lock; or the meter refused
-- it; or it came out again by a confirmed return; or the books hold it, and what was used since leaves no more debt
-- behind than vending_used_since allows. p_any: the actor may reverse in another operator's shift.
CREATE FUNCTION vending_used_since(d vending_delivery, s vending_sale) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    -- the debt that taking the sale back would add: what was used of it. A tenth of the sale may be, since supply goes
    -- on while a cashier sees his mistake, or what the overdraft permits anyhow; it then stands as arrears. Not where
    -- credit was returned since: an overdraft is for use, and is never paid out.
    RETURN least(s.balance_before, 0) - (b.balance_minor - s.amount_minor) > CASE WHEN EXISTS (
            SELECT FROM vending_delivery r WHERE r.credit_account_id = d.credit_account_id AND r.kind = 'return'
            AND r.state = 'confirmed' AND r.id > d.id) THEN 0 ELSE greatest(sp.overdraft, s.amount_minor / 10) END
    FROM ledger_runningbalance b, estate_supplypoint sp
    WHERE b.account_id = d.credit_account_id AND sp.id = s.supply_point_id;
END $$;

CREATE FUNCTION vending_reverse(
    p_key text, p_hash text, p_sale bigint, p_reason text, p_actor text, p_operator bigint, p_any boolean,
    p_at timestamptz, p_receipt jsonb,
    OUT outcome text, OUT act_id bigint
) LANGUAGE plpgsql AS $$
DECLARE s vending_sale; d vending_delivery; r vending_delivery; v_delivery bigint; v_shift record;
    v_site record; v_money bigint; v_transit bigint; v_entry bigint;
BEGIN
    SELECT * INTO outcome, act_id FROM vending_act_seen(p_key, p_hash);
    IF outcome IS NOT NULL THEN RETURN; END IF;
    SELECT id INTO v_delivery FROM vending_delivery WHERE sale_id = p_sale;
    IF v_delivery IS NULL THEN outcome := 'sale_unknown'; RETURN; END IF;
    d := vending_lock_delivery(v_delivery);
    SELECT * INTO s FROM vending_sale WHERE id = p_sale FOR NO KEY UPDATE;
    SELECT * INTO r FROM vending_delivery WHERE circuit_id = s.circuit_id AND origin = 'return' AND id > d.id
        AND state = 'confirmed' AND amount = s.credit AND value_minor = s.amount_minor
        AND EXISTS (SELECT FROM vending_act a WHERE a.delivery_id = vending_delivery.id AND a.sale_id = s.id)
        ORDER BY id DESC LIMIT 1;

    IF s.state = 'reversed' THEN outcome := 'sale_reversed';
    ELSIF EXISTS (SELECT FROM vending_act WHERE sale_id = s.id AND kind = 'refund' AND state = 'done') THEN
        outcome := 'sale_refunded';
    ELSIF d.state = 'confirmed' AND r.id IS NULL AND d.token_request_id IS NOT NULL THEN outcome := 'token_made';
    ELSIF d.state = 'confirmed' AND r.id IS NULL AND d.credit_account_id IS NULL THEN outcome := 'credit_in_meter';
    ELSIF EXISTS (SELECT FROM vending_sale WHERE circuit_id = s.circuit_id AND id > s.id AND state = 'sold') THEN
        outcome := 'reversal_not_last';
    -- an unknown one whose job never sent is carried by a successor; what its first job sent is still open
    ELSIF d.state = 'disputed' OR d.state = 'unknown'
          AND NOT EXISTS (SELECT FROM metering_job WHERE id = d.job_id AND ever_sent) THEN outcome := 'delivery_unknown';
    ELSIF d.credit_account_id IS NOT NULL AND r.id IS NULL AND vending_used_since(d, s) THEN outcome := 'credit_used';
    END IF;
    IF outcome IS NOT NULL THEN RETURN; END IF;

    IF s.shift_id IS NOT NULL THEN
        SELECT closed_at, operator_id INTO v_shift FROM vending_shift WHERE id = s.shift_id FOR SHARE;
        IF v_shift.closed_at IS NOT NULL THEN outcome := 'reversal_other_shift'; RETURN; END IF;
        IF v_shift.operator_id IS DISTINCT FROM p_operator AND NOT p_any THEN outcome := 'shift_not_yours'; RETURN; END IF;
    END IF;
    SELECT site.id, site.company_id, (p_at AT TIME ZONE site.timezone)::date AS day INTO v_site
    FROM estate_site site WHERE site.id = s.site_id;
    IF ledger_closed(v_site.id, v_site.day) THEN outcome := 'day_closed'; RETURN; END IF;
    v_money := vending_money_account(v_site.company_id, v_site.id, s.tender, s.till_id, s.shift_id);
    IF s.tender = 'cash' THEN  -- a refund may have taken the note out of the drawer
        PERFORM pg_advisory_xact_lock(hashtextextended('vending_drawer', v_money));
        IF ledger_balance(v_site.id, v_money) < s.amount_minor THEN outcome := 'drawer_short'; RETURN; END IF;
    END IF;
    -- the last question, since it takes the command away: from here on the meter cannot get it. The job is asked, not
    -- the delivery, which may be behind it
    -- (by token the caller withdraws the request in this transaction, which its digits forbid)
    IF d.state IN ('waiting', 'sent', 'unknown') AND d.token_request_id IS NULL
       AND NOT metering_drop(d.job_id, 'reversed', d.expected_count - 1) THEN
        outcome := 'delivery_unknown'; RETURN;
    END IF;

    v_transit := ledger_account(v_site.company_id, v_site.id, 'in_delivery', 'in_delivery');
    IF d.credit_account_id IS NOT NULL AND r.id IS NULL THEN
        v_entry := ledger_book_running(v_site.company_id, v_site.id, 'reversal:' || s.number, 'reversal', p_actor, p_reason,
            p_at, v_site.day, s.entry_id, ARRAY[d.credit_account_id], ARRAY[v_money], ARRAY[s.amount_minor]);
        PERFORM vending_refuse(d, '{}', p_actor, p_at, 'reversed', p_reason);
    ELSIF d.credit_account_id IS NOT NULL THEN
        -- its return made the money payable: that is what is paid out
        v_entry := ledger_book(v_site.company_id, v_site.id, 'reversal:' || s.number, 'reversal', p_actor, p_reason, p_at,
            v_site.day, s.entry_id,
            ARRAY[ledger_account(v_site.company_id, v_site.id, 'refund_payable', 'refund_payable')],
            ARRAY[v_money], ARRAY[s.amount_minor]);
        PERFORM vending_step(d.id, 'confirmed', p_at, 'reversed', '{}');
    ELSIF r.id IS NULL THEN
        v_entry := ledger_book(v_site.company_id, v_site.id, 'reversal:' || s.number, 'reversal', p_actor, p_reason, p_at,
            v_site.day, s.entry_id, ARRAY[v_transit], ARRAY[v_money], ARRAY[s.amount_minor]);
        PERFORM vending_refuse(d, '{}', p_actor, p_at, 'reversed', p_reason);
    ELSE
        -- confirmation and return moved it on to what is payable: that is taken back too
        v_entry := ledger_book(v_site.company_id, v_site.id, 'reversal:' || s.number, 'reversal', p_actor, p_reason, p_at,
            v_site.day, s.entry_id,
            ARRAY[v_transit, ledger_account(v_site.company_id, v_site.id, 'refund_payable', 'refund_payable')],
            ARRAY[v_money, v_transit], ARRAY[s.amount_minor, s.amount_minor]);
        -- the delivery stays confirmed, because it was: the meter counted it
        PERFORM vending_step(d.id, 'confirmed', p_at, 'reversed', '{}');
    END IF;
    PERFORM vending_money_out(s.site_id, 'reversal:' || s.number, s.tender, s.amount_minor, '', s.till_id, s.shift_id, p_at);
    UPDATE vending_sale SET state = 'reversed' WHERE id = s.id;
    UPDATE vending_circuitcredit SET carried_minor = s.carried_before, updated_at = p_at
    WHERE circuit_id = s.circuit_id AND carried_minor = s.carried_after;
    act_id := vending_act_add(s.site_id, 'reversal', 'done', p_key, p_hash, s.circuit_id, s.id, d.id, s.credit,
        s.amount_minor, p_reason, '{}', p_actor, s.till_id, s.shift_id, v_entry, p_at);
    PERFORM vending_tell(d);
    PERFORM vending_receipt_add(s.site_id, s.till_id, 'reversal', s.id, act_id, s.contract_id,
        p_receipt || jsonb_build_object('sale_number', s.number), p_at);
    outcome := 'done';
END $$;

-- 补写. The same order with the same count again, after the meter refused it.
CREATE FUNCTION vending_rewrite(
    p_key text, p_hash text, p_delivery bigint, p_reason text, p_actor text, p_at timestamptz,
    OUT outcome text, OUT act_id bigint
) LANGUAGE plpgsql AS $$
DECLARE d vending_delivery; v_count integer;
BEGIN
    SELECT * INTO outcome, act_id FROM vending_act_seen(p_key, p_hash);
    IF outcome IS NOT NULL THEN RETURN; END IF;
    d := vending_lock_delivery(p_delivery);
    SELECT purchase_count INTO v_count FROM vending_circuitcredit WHERE circuit_id = d.circuit_id;
    IF d.id IS NULL THEN outcome := 'delivery_missing';
    ELSIF d.state <> 'refused' OR d.origin NOT IN ('sale', 'return') OR d.credit_account_id IS NOT NULL
          OR d.token_request_id IS NOT NULL THEN outcome := 'delivery_not_refused';
    ELSIF EXISTS (SELECT FROM vending_sale WHERE id = d.sale_id AND state = 'reversed') THEN outcome := 'sale_reversed';
    ELSIF EXISTS (SELECT FROM vending_act WHERE delivery_id = d.id AND kind = 'refund' AND state = 'done') THEN
        outcome := 'sale_refunded';
    ELSIF EXISTS (SELECT FROM vending_delivery o WHERE o.circuit_id = d.circuit_id
                  AND o.state IN ('waiting', 'sent', 'unknown', 'disputed')) THEN outcome := 'delivery_open';
    ELSIF v_count + 1 <> d.expected_count THEN outcome := 'count_moved';
    END IF;
    IF outcome IS NOT NULL THEN RETURN; END IF;
    PERFORM vending_order_again(d, p_actor, p_at);
    PERFORM vending_step(d.id, 'waiting', p_at, 'rewritten', '{}');
    IF d.origin = 'return' THEN  -- its own act waits for the meter again
        UPDATE vending_act SET state = 'running', done_at = NULL WHERE delivery_id = d.id AND kind = 'return';
    END IF;
    act_id := vending_act_add(d.site_id, 'rewrite', 'running', p_key, p_hash, d.circuit_id, d.sale_id, d.id, d.amount,
        0, p_reason, '{}', p_actor, NULL, NULL, NULL, p_at);
    PERFORM vending_tell(d);
    outcome := 'done';
END $$;

-- 补写 by token: the same digits again. The caller holds nothing and shows what stands; it leaves an act behind.
CREATE FUNCTION vending_reprint(
    p_key text, p_hash text, p_delivery bigint, p_reason text, p_actor text, p_at timestamptz,
    OUT outcome text, OUT act_id bigint
) LANGUAGE plpgsql AS $$
DECLARE d vending_delivery;
BEGIN
    SELECT * INTO outcome, act_id FROM vending_act_seen(p_key, p_hash);
    IF outcome IS NOT NULL THEN RETURN; END IF;
    d := vending_lock_delivery(p_delivery);
    IF d.id IS NULL THEN outcome := 'delivery_missing';
    ELSIF d.state <> 'confirmed' OR d.kind <> 'purchase' THEN outcome := 'token_not_made';
    ELSIF EXISTS (SELECT FROM vending_sale WHERE id = d.sale_id AND state = 'reversed') THEN outcome := 'sale_reversed';
    END IF;
    IF outcome IS NOT NULL THEN RETURN; END IF;
    PERFORM vending_step(d.id, 'reprinted', p_at, '', '{}');
    act_id := vending_act_add(d.site_id, 'rewrite', 'done', p_key, p_hash, d.circuit_id, d.sale_id, d.id, d.amount,
        0, p_reason, '{"reprint": true}', p_actor, NULL, NULL, NULL, p_at);
    outcome := 'done';
END $$;

-- What both make-up and return need of a circuit. '' when an order may be sent, or, server-held, booked.
CREATE FUNCTION vending_may_order(p_contract text, p_circuit bigint, p_at timestamptz) RETURNS text LANGUAGE plpgsql AS $$
DECLARE f record;
BEGIN
    SELECT * INTO f FROM vending_facts(p_contract, p_circuit, p_at);
    RETURN CASE
        WHEN f.site_id IS NULL THEN 'circuit_not_of_contract'
        WHEN f.custody <> 'meter' AND (f.credit_account_id IS NULL OR f.supply_state = 'closed') THEN 'contract_not_open'
        WHEN f.custody = 'meter' AND (f.supply_state NOT IN ('open', 'closing') OR f.purchase_count IS NULL)
            THEN 'contract_not_open'
        WHEN f.open_delivery_id IS NOT NULL THEN 'delivery_open'
        WHEN EXISTS (SELECT FROM metering_credithold h JOIN vending_recount r ON r.circuit_id = h.circuit_id
                     WHERE h.circuit_id = p_circuit AND r.state = 'disputed') THEN 'recount_disputed'
        WHEN f.custody = 'meter' AND f.purchase_count >= 65535 THEN 'purchase_count_full'
        WHEN ledger_closed(f.site_id, f.local_day) THEN 'day_closed'
        ELSE '' END;
END $$;

-- NULL when the meter may hold that much more; by token as far as anybody knows (`vending_facts`).
CREATE FUNCTION vending_make_up_fits(p_limit bigint, p_balance bigint, p_handed_out bigint, p_carrier text, p_credit bigint)
RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN p_limit <= 0 THEN NULL
        WHEN p_balance IS NULL THEN CASE p_carrier WHEN 'network' THEN 'balance_unknown' END
        WHEN p_balance + p_handed_out + p_credit > p_limit THEN 'make_up_above_hoarding_limit' END;
$$;

-- 补电, first person: asked, nothing is sent.
CREATE FUNCTION vending_make_up_ask(
    p_key text, p_hash text, p_contract text, p_circuit bigint, p_credit bigint, p_value bigint, p_reason text,
    p_actor text, p_at timestamptz, OUT outcome text, OUT act_id bigint
) LANGUAGE plpgsql AS $$
DECLARE f record;
BEGIN
    SELECT * INTO outcome, act_id FROM vending_act_seen(p_key, p_hash);
    IF outcome IS NOT NULL THEN RETURN; END IF;
    SELECT * INTO f FROM vending_facts(p_contract, p_circuit, p_at);
    outcome := nullif(vending_may_order(p_contract, p_circuit, p_at), '');
    IF outcome IS NOT NULL AND outcome <> 'delivery_open' THEN RETURN; END IF;
    outcome := vending_make_up_fits(f.hoarding_limit, f.balance, f.handed_out, f.carrier, p_credit);
    IF outcome IS NOT NULL THEN RETURN; END IF;
    act_id := vending_act_add(f.site_id, 'make_up', 'asked', p_key, p_hash, p_circuit, NULL, NULL, p_credit, p_value,
        p_reason, jsonb_build_object('contract', p_contract, 'unit', f.credit_unit), p_actor, NULL, NULL, NULL, p_at);
    outcome := 'done';
END $$;

-- 补电, second person: agrees (sent now) or declines. Answering twice in the same way changes nothing.
CREATE FUNCTION vending_make_up_answer(
    p_act bigint, p_agree boolean, p_reason text, p_operator_key text, p_at timestamptz, OUT outcome text, OUT act_id bigint
) LANGUAGE plpgsql AS $$
DECLARE a vending_act; f record; v_count integer; v_index smallint; v_entry bigint; v_delivery bigint; v_site record;
    v_account bigint;
BEGIN
    SELECT * INTO a FROM vending_act WHERE id = p_act AND kind = 'make_up';
    IF a.id IS NULL THEN outcome := 'act_unknown'; RETURN; END IF;
    SELECT credit_account_id INTO v_account FROM vending_facts(a.evidence->>'contract', a.circuit_id, p_at);
    IF v_account IS NOT NULL THEN PERFORM ledger_lock_running(ARRAY[v_account]); END IF;
    PERFORM FROM vending_circuitcredit WHERE circuit_id = a.circuit_id FOR NO KEY UPDATE;
    SELECT * INTO a FROM vending_act WHERE id = p_act FOR NO KEY UPDATE;
    IF a.state <> 'asked' THEN
        outcome := CASE WHEN a.second_person = p_operator_key AND p_agree = (a.delivery_id IS NOT NULL)
                        THEN 'replayed' ELSE 'act_not_asked' END;
        IF outcome = 'replayed' THEN act_id := a.id; END IF;
        RETURN;
    ELSIF a.actor = p_operator_key THEN outcome := 'second_person_needed'; RETURN;
    END IF;
    IF NOT p_agree THEN
        UPDATE vending_act SET state = 'refused', second_person = p_operator_key, done_at = p_at WHERE id = a.id;
    ELSE
        outcome := nullif(vending_may_order(a.evidence->>'contract', a.circuit_id, p_at), '');
        IF outcome IS NULL THEN  -- sold to, read, or given to another custody since it was asked
            SELECT * INTO f FROM vending_facts(a.evidence->>'contract', a.circuit_id, p_at);
            outcome := CASE WHEN f.credit_unit <> a.evidence->>'unit' OR f.credit_account_id IS DISTINCT FROM v_account
                THEN 'quote_stale'
                ELSE vending_make_up_fits(f.hoarding_limit, f.balance, f.handed_out, f.carrier, a.credit) END;
        END IF;
        IF outcome IS NOT NULL THEN RETURN; END IF;
        SELECT s.id, s.company_id, (p_at AT TIME ZONE s.timezone)::date AS day INTO v_site
        FROM estate_site s WHERE s.id = a.site_id;
        IF v_account IS NOT NULL THEN
            v_entry := ledger_book_running(v_site.company_id, v_site.id, 'make_up:' || a.id, 'make_up', p_operator_key,
                a.reason, p_at, v_site.day, NULL,
                ARRAY[ledger_account(v_site.company_id, v_site.id, 'make_up_cost', 'make_up_cost')], ARRAY[v_account],
                ARRAY[a.amount_minor]);
            SELECT id INTO v_delivery FROM vending_deliver_held(a.site_id, a.circuit_id, v_account, 'make_up', NULL,
                'purchase', a.amount_minor, p_at);
        ELSIF a.amount_minor > 0 THEN
            v_entry := vending_move(a.site_id, 'make_up:' || a.id, 'make_up', p_operator_key, a.reason, p_at,
                'make_up_cost', 'in_delivery', a.amount_minor);
        END IF;
        IF v_account IS NULL THEN
            SELECT purchase_count INTO v_count FROM vending_circuitcredit WHERE circuit_id = a.circuit_id;
            SELECT index INTO v_index FROM estate_circuit WHERE id = a.circuit_id;
            -- by token: no job, the caller asks for the digits in this transaction
            v_delivery := vending_deliver(a.site_id, a.circuit_id, v_index, 'make_up', NULL, 'purchase', a.credit,
                a.amount_minor, v_count + 1, p_operator_key, p_at, f.carrier = 'token');
        END IF;
        UPDATE vending_act SET state = CASE WHEN v_account IS NULL THEN 'running' ELSE 'done' END,
            done_at = CASE WHEN v_account IS NOT NULL THEN p_at END,
            second_person = p_operator_key, delivery_id = v_delivery, entry_id = v_entry WHERE id = a.id;
    END IF;
    PERFORM audit_add(p_at, p_operator_key, CASE WHEN p_agree THEN 'vending.make_up_agree' ELSE 'vending.make_up_decline' END,
        a.site_id, 'act', a.id::text, p_reason, jsonb_build_object('state', 'asked'),
        jsonb_build_object('delivery', v_delivery));
    act_id := a.id;
    outcome := 'done';
END $$;

-- What the newest clear-credit token of this supply, known to be entered, took out of the meter and was not yet given
-- back. No row: there is none. Of a meter with several loops it goes in at the first one (vending.token_wire), and what it
-- took out there is given back there alone.
CREATE FUNCTION vending_cleared(p_supply bigint, p_meter bigint)
RETURNS TABLE (request_id bigint, asked_at timestamptz, credit_left bigint) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT r.id, r.asked_at, (p.register_tenths * 100 - (
        SELECT coalesce(sum(d.amount), 0) FROM vending_delivery d
        WHERE d.circuit_id = sp.circuit_id AND d.kind = 'return' AND d.token_request_id = r.id))::bigint
    FROM estate_supplypoint sp
    JOIN tokens_stsmeter m ON m.meter_id = p_meter
    JOIN tokens_tokenrequest r ON r.sts_meter_id = m.id AND r.kind = 'clear_credit' AND r.entered_at IS NOT NULL
        AND r.asked_at >= sp.valid_from AND (r.content->>'amount')::bigint IN (0, 65535)  -- electricity, or all registers
    JOIN tokens_tokenproposal p ON p.id = r.proposal_id
    WHERE sp.id = p_supply AND sp.circuit_id = (
        SELECT c.id FROM estate_circuit c WHERE c.meter_id = p_meter ORDER BY c.index LIMIT 1)
    ORDER BY r.id DESC LIMIT 1;
END $$;

-- 退电. The meter first: an order of kind return; its confirmation makes the money payable. Server-held, the books take
-- it off the account in this transaction.
-- p_sale: the whole credit of that sale is taken back; then p_credit and p_value are the sale's.
CREATE FUNCTION vending_return(
    p_key text, p_hash text, p_contract text, p_circuit bigint, p_credit bigint, p_value bigint, p_sale bigint,
    p_reason text, p_actor text, p_at timestamptz, OUT outcome text, OUT act_id bigint
) LANGUAGE plpgsql AS $$
DECLARE f record; s vending_sale; v_delivery bigint; v_credit bigint := p_credit; v_value bigint := p_value;
    v_account bigint; v_entry bigint; d vending_delivery; t record;
BEGIN
    SELECT * INTO outcome, act_id FROM vending_act_seen(p_key, p_hash);
    IF outcome IS NOT NULL THEN RETURN; END IF;
    SELECT credit_account_id INTO v_account FROM vending_facts(p_contract, p_circuit, p_at);
    IF v_account IS NOT NULL THEN PERFORM ledger_lock_running(ARRAY[v_account]); END IF;
    PERFORM FROM vending_circuitcredit WHERE circuit_id = p_circuit FOR NO KEY UPDATE;
    outcome := nullif(vending_may_order(p_contract, p_circuit, p_at), '');
    IF outcome IS NOT NULL THEN RETURN; END IF;
    SELECT * INTO f FROM vending_facts(p_contract, p_circuit, p_at);
    IF p_sale IS NOT NULL THEN
        SELECT * INTO s FROM vending_sale WHERE id = p_sale AND circuit_id = p_circuit AND contract_id = f.contract_id;
        IF s.id IS NULL THEN outcome := 'sale_unknown'; RETURN; END IF;
        IF s.state = 'reversed' THEN outcome := 'sale_reversed'; RETURN; END IF;
        -- what was sold before a change of custody or contract went with it
        IF s.supply_point_id <> f.supply_point_id
           OR NOT EXISTS (SELECT FROM vending_delivery WHERE sale_id = s.id AND state = 'confirmed') THEN
            outcome := 'credit_not_in_meter'; RETURN;
        END IF;
        IF EXISTS (SELECT FROM vending_act WHERE sale_id = s.id AND kind = 'return' AND state IN ('running', 'done')) THEN
            outcome := 'sale_returned'; RETURN;
        END IF;
        v_credit := s.credit;
        v_value := s.amount_minor;
    END IF;
    IF f.carrier = 'token' THEN  -- out of the meter already, by a clear-credit token and what its register showed
        SELECT * INTO t FROM vending_cleared(f.supply_point_id, f.meter_id);
        IF t.request_id IS NULL OR s.at > t.asked_at THEN outcome := 'clear_credit_needed'; RETURN; END IF;
        f.balance := t.credit_left;
    END IF;
    IF f.balance IS NULL THEN outcome := 'balance_unknown'; RETURN; END IF;
    IF f.credit_account_id IS DISTINCT FROM v_account THEN outcome := 'quote_stale'; RETURN; END IF;
    IF f.balance < v_credit THEN outcome := 'return_above_balance'; RETURN; END IF;
    IF v_account IS NOT NULL THEN
        IF v_value <> v_credit THEN outcome := 'quote_stale'; RETURN; END IF;
        v_delivery := nextval('vending_delivery_id_seq');  -- the entry goes first: the delivery says what it left
        v_entry := ledger_book_running(f.company_id, f.site_id, 'confirm:' || v_delivery, 'credit_returned', p_actor,
            p_reason, p_at, f.local_day, NULL, ARRAY[v_account],
            ARRAY[ledger_account(f.company_id, f.site_id, 'refund_payable', 'refund_payable')], ARRAY[v_value]);
        PERFORM vending_deliver_held(f.site_id, p_circuit, v_account, 'return', NULL, 'return', v_credit, p_at, false,
            v_delivery);
        act_id := vending_act_add(f.site_id, 'return', 'done', p_key, p_hash, p_circuit, p_sale, v_delivery, v_credit,
            v_value, p_reason, jsonb_build_object('contract', p_contract, 'balance', f.balance), p_actor, NULL, NULL,
            v_entry, p_at);
        outcome := 'done';
        RETURN;
    END IF;
    -- no more goes out than ever came in and was not used or returned: the account never turns over
    IF v_value > -ledger_balance(f.site_id, ledger_account(f.company_id, f.site_id, 'deferred_income', 'deferred_income')) THEN
        outcome := 'return_above_books'; RETURN;
    END IF;
    v_delivery := vending_deliver(f.site_id, p_circuit, f.circuit_index, 'return', NULL, 'return', v_credit, v_value,
        f.purchase_count + 1, p_actor, p_at, f.carrier = 'token');
    act_id := vending_act_add(f.site_id, 'return', 'running', p_key, p_hash, p_circuit, p_sale, v_delivery, v_credit,
        v_value, p_reason, jsonb_build_object('contract', p_contract, 'balance', f.balance), p_actor, NULL, NULL, NULL, p_at);
    IF f.carrier = 'token' THEN
        UPDATE vending_delivery SET token_request_id = t.request_id WHERE id = v_delivery RETURNING * INTO d;
        PERFORM vending_confirm(d, d.expected_count, jsonb_build_object('clear_credit', t.request_id), p_actor, p_at, '',
            p_reason);
    END IF;
    outcome := 'done';
END $$;

-- 退费. The money second: of a confirmed return, or of a sale that the meter refused. Never from unknown.
CREATE FUNCTION vending_refund(
    p_key text, p_hash text, p_delivery bigint, p_till bigint, p_operator bigint, p_tender text, p_reference text,
    p_reason text, p_actor text, p_at timestamptz, p_receipt jsonb, OUT outcome text, OUT act_id bigint
) LANGUAGE plpgsql AS $$
DECLARE d vending_delivery; v_shift bigint; v_site record; v_money bigint; v_from text; v_entry bigint; v_sale bigint;
    v_contract bigint;
BEGIN
    SELECT * INTO outcome, act_id FROM vending_act_seen(p_key, p_hash);
    IF outcome IS NOT NULL THEN RETURN; END IF;
    d := vending_lock_delivery(p_delivery);
    IF d.id IS NULL THEN outcome := 'delivery_missing'; RETURN; END IF;
    SELECT coalesce(d.sale_id, (SELECT sale_id FROM vending_act WHERE delivery_id = d.id AND kind = 'return')) INTO v_sale;
    IF d.state IN ('waiting', 'sent', 'unknown', 'disputed') THEN outcome := 'delivery_unknown';
    ELSIF d.origin = 'return' AND d.state = 'confirmed' THEN v_from := 'refund_payable';
    ELSIF d.origin = 'sale' AND d.state = 'refused' THEN v_from := 'in_delivery';
    ELSIF d.origin = 'sale' THEN outcome := 'credit_in_meter';
    ELSE outcome := 'refund_not_due';
    END IF;
    IF outcome IS NULL AND (d.value_minor = 0 OR EXISTS (
            SELECT FROM vending_act WHERE delivery_id = d.id AND kind = 'refund' AND state = 'done')) THEN
        outcome := 'refund_not_due';
    END IF;
    IF outcome IS NULL AND EXISTS (SELECT FROM vending_sale WHERE id = v_sale AND state = 'reversed') THEN
        outcome := 'sale_reversed';
    END IF;
    IF outcome IS NOT NULL THEN RETURN; END IF;
    SELECT nullif(t.code, ''), t.shift_id INTO outcome, v_shift FROM vending_till_check(d.site_id, p_till, p_operator) t;
    IF outcome IS NOT NULL THEN RETURN; END IF;
    SELECT s.id, s.company_id, (p_at AT TIME ZONE s.timezone)::date AS day INTO v_site FROM estate_site s WHERE s.id = d.site_id;
    IF ledger_closed(v_site.id, v_site.day) THEN outcome := 'day_closed'; RETURN; END IF;
    v_money := vending_money_account(v_site.company_id, v_site.id, p_tender, p_till, v_shift);
    IF p_tender = 'cash' THEN
        PERFORM pg_advisory_xact_lock(hashtextextended('vending_drawer', v_money));  -- two refunds of one drawer
        IF ledger_balance(v_site.id, v_money) < d.value_minor THEN outcome := 'drawer_short'; RETURN; END IF;
    END IF;
    SELECT sp.contract_id INTO v_contract FROM estate_supplypoint sp WHERE sp.circuit_id = d.circuit_id
        AND sp.valid_from <= d.created_at AND (sp.valid_to IS NULL OR sp.valid_to > d.created_at);
    v_entry := ledger_book(v_site.company_id, v_site.id, 'refund:' || d.id, 'refund', p_actor, p_reason, p_at, v_site.day,
        NULL, ARRAY[ledger_account(v_site.company_id, v_site.id, v_from, v_from)], ARRAY[v_money], ARRAY[d.value_minor]);
    PERFORM vending_money_out(v_site.id, 'refund:' || d.id, p_tender, d.value_minor, p_reference, p_till, v_shift, p_at);
    act_id := vending_act_add(v_site.id, 'refund', 'done', p_key, p_hash, d.circuit_id, v_sale, d.id, d.amount, d.value_minor,
        p_reason, '{}', p_actor, p_till, v_shift, v_entry, p_at);
    PERFORM vending_step(d.id, d.state, p_at, 'refunded', jsonb_build_object('amount_minor', d.value_minor));
    PERFORM vending_tell(d);
    PERFORM vending_receipt_add(v_site.id, p_till, 'refund', v_sale, act_id, v_contract, p_receipt, p_at);
    outcome := 'done';
END $$;

-- A disputed delivery is settled by a person who read the meter: p_count is what stands on it now.
CREATE FUNCTION vending_settle_by_hand(
    p_key text, p_hash text, p_delivery bigint, p_delivered boolean, p_count integer, p_evidence jsonb,
    p_reason text, p_actor text, p_at timestamptz, OUT outcome text, OUT act_id bigint
) LANGUAGE plpgsql AS $$
DECLARE d vending_delivery; v_day date;
BEGIN
    SELECT * INTO outcome, act_id FROM vending_act_seen(p_key, p_hash);
    IF outcome IS NOT NULL THEN RETURN; END IF;
    d := vending_lock_delivery(p_delivery);
    SELECT (p_at AT TIME ZONE s.timezone)::date INTO v_day FROM estate_site s WHERE s.id = d.site_id;
    IF d.id IS NULL THEN outcome := 'delivery_missing';
    ELSIF d.state <> 'disputed' THEN outcome := 'delivery_not_disputed';
    ELSIF p_delivered AND p_count < d.expected_count THEN outcome := 'evidence_contradicts';
    ELSIF ledger_closed(d.site_id, v_day) THEN outcome := 'day_closed';
    END IF;
    IF outcome IS NOT NULL THEN RETURN; END IF;
    act_id := vending_act_add(d.site_id, 'settlement', 'done', p_key, p_hash, d.circuit_id, d.sale_id, d.id, d.amount,
        d.value_minor, p_reason, p_evidence || jsonb_build_object('purchase_count', p_count, 'delivered', p_delivered),
        p_actor, NULL, NULL, NULL, p_at);
    PERFORM vending_step(d.id, 'settled_by_hand', p_at, '', p_evidence || jsonb_build_object('purchase_count', p_count));
    IF p_delivered THEN
        PERFORM vending_confirm(d, p_count, p_evidence || jsonb_build_object('purchase_count', p_count), p_actor, p_at,
            'settled_by_hand', p_reason);
    ELSE
        UPDATE vending_circuitcredit SET purchase_count = p_count, updated_at = p_at WHERE circuit_id = d.circuit_id;
        PERFORM vending_refuse(d, p_evidence || jsonb_build_object('purchase_count', p_count), p_actor, p_at,
            'settled_by_hand', p_reason);
    END IF;
    PERFORM vending_tell(d);
    outcome := 'done';
END $$;

-- Server-held credit: what only the books can take back. On a meter the counter-acts are a sale, a return, a rewrite.

-- 冲正 of a done return (before it was paid out) or of a make-up (while it was not used): the entry is reversed. On a
-- sale it is vending_reverse.
CREATE FUNCTION vending_take_back(
    p_key text, p_hash text, p_act bigint, p_reason text, p_actor text, p_at timestamptz,
    OUT outcome text, OUT act_id bigint
) LANGUAGE plpgsql AS $$
DECLARE a vending_act; d vending_delivery; v_site record; v_entry bigint; v_other bigint;
BEGIN
    SELECT * INTO outcome, act_id FROM vending_act_seen(p_key, p_hash);
    IF outcome IS NOT NULL THEN RETURN; END IF;
    SELECT * INTO a FROM vending_act WHERE id = p_act AND kind IN ('return', 'make_up');
    IF a.id IS NULL THEN outcome := 'act_unknown'; RETURN; END IF;
    IF a.delivery_id IS NULL THEN outcome := 'act_not_done'; RETURN; END IF;
    d := vending_lock_delivery(a.delivery_id);
    SELECT * INTO a FROM vending_act WHERE id = p_act FOR NO KEY UPDATE;
    SELECT s.id, s.company_id, (p_at AT TIME ZONE s.timezone)::date AS day INTO v_site FROM estate_site s WHERE s.id = a.site_id;
    IF d.credit_account_id IS NULL THEN outcome := 'act_in_meter';
    ELSIF a.state <> 'done' OR d.state <> 'confirmed' THEN outcome := 'act_not_done';
    ELSIF EXISTS (SELECT FROM vending_act WHERE delivery_id = d.id AND kind = 'refund' AND state = 'done') THEN
        outcome := 'sale_refunded';
    ELSIF a.kind = 'return' AND EXISTS (SELECT FROM vending_sale WHERE id = a.sale_id AND state = 'reversed') THEN
        outcome := 'sale_reversed';
    -- a contract that was settled and closed meanwhile keeps its zero
    ELSIF NOT EXISTS (SELECT FROM estate_supplypoint sp WHERE sp.credit_account_id = d.credit_account_id
                      AND sp.state <> 'closed') THEN outcome := 'contract_not_open';
    ELSIF a.kind = 'make_up' AND (SELECT balance_minor FROM ledger_runningbalance WHERE account_id = d.credit_account_id)
                                 < d.value_minor THEN outcome := 'credit_used';
    ELSIF ledger_closed(v_site.id, v_site.day) THEN outcome := 'day_closed';
    END IF;
    IF outcome IS NOT NULL THEN RETURN; END IF;
    IF a.kind = 'return' THEN
        v_other := ledger_account(v_site.company_id, v_site.id, 'refund_payable', 'refund_payable');
        v_entry := ledger_book_running(v_site.company_id, v_site.id, 'taken_back:' || a.id, 'return_taken_back', p_actor,
            p_reason, p_at, v_site.day, a.entry_id, ARRAY[v_other], ARRAY[d.credit_account_id], ARRAY[d.value_minor]);
    ELSE
        v_other := ledger_account(v_site.company_id, v_site.id, 'make_up_cost', 'make_up_cost');
        v_entry := ledger_book_running(v_site.company_id, v_site.id, 'taken_back:' || a.id, 'make_up_taken_back', p_actor,
            p_reason, p_at, v_site.day, a.entry_id, ARRAY[d.credit_account_id], ARRAY[v_other], ARRAY[d.value_minor]);
    END IF;
    UPDATE vending_delivery SET state = 'refused', code = 'reversed', settled_at = p_at, load_deadline = NULL WHERE id = d.id;
    UPDATE vending_act SET state = 'refused', done_at = p_at WHERE id = a.id;
    PERFORM vending_step(d.id, 'refused', p_at, 'reversed', '{}');
    act_id := vending_act_add(a.site_id, 'reversal', 'done', p_key, p_hash, a.circuit_id, a.sale_id, d.id, d.amount,
        d.value_minor, p_reason, jsonb_build_object('takes_back', a.kind, 'act', a.id), p_actor, NULL, NULL, v_entry, p_at);
    PERFORM vending_tell(d);
    outcome := 'done';
END $$;

-- Credit that another meter held goes into the one that stands in its place: an order like any other, paid for by what
-- the old purse's money was deferred for. NULL: not now (an order is open, the day is closed), ask again later.
-- p_carried: the fraction of a minor unit that the next sale takes off.
CREATE FUNCTION vending_carry_in(
    p_key text, p_circuit bigint, p_credit bigint, p_value bigint, p_carried numeric, p_actor text, p_reason text,
    p_at timestamptz
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE c record; v_count integer;
BEGIN
    SELECT ci.site_id, ci.index, s.timezone INTO c
    FROM estate_circuit ci JOIN estate_site s ON s.id = ci.site_id WHERE ci.id = p_circuit;
    SELECT purchase_count INTO v_count FROM vending_circuitcredit WHERE circuit_id = p_circuit FOR NO KEY UPDATE;
    IF v_count IS NULL OR v_count >= 65535 OR ledger_closed(c.site_id, (p_at AT TIME ZONE c.timezone)::date)
       OR EXISTS (SELECT FROM vending_delivery WHERE circuit_id = p_circuit
                  AND state IN ('waiting', 'sent', 'unknown', 'disputed')) THEN
        RETURN NULL;
    END IF;
    IF p_value > 0 THEN
        PERFORM vending_move(c.site_id, p_key, 'credit_carried', p_actor, p_reason, p_at, 'deferred_income',
            'in_delivery', p_value);
    END IF;
    UPDATE vending_circuitcredit SET carried_minor = p_carried, updated_at = p_at
    WHERE circuit_id = p_circuit AND carried_minor = 0;
    RETURN vending_deliver(c.site_id, p_circuit, c.index, 'swap', NULL, 'purchase', p_credit, p_value, v_count + 1,
        p_actor, p_at, false);
END $$;

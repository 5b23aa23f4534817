-- What a meter-held purse still holds leaves it with its money: the meter is taken down, and its credit goes on to the
-- next one (docs/algorithms/billing.md). What stays in the purse is what was used of it, released with its last day.
-- The share is cut in the customer's favour, as a release is: what goes on is the deferred amount less the whole minor
-- units of what was used. outcome '' or a refusal code.
CREATE FUNCTION billing_purse_out(p_supply bigint, p_credit bigint, p_at timestamptz, OUT outcome text, OUT minor bigint)
LANGUAGE plpgsql AS $$
DECLARE p billing_purse; d record; v_base bigint; v_deferred bigint;
BEGIN
    PERFORM billing_begin_purses(p_at);
    SELECT * INTO p FROM billing_purse WHERE supply_point_id = p_supply FOR NO KEY UPDATE;
    IF NOT FOUND THEN outcome := 'purse_unread'; minor := 0; RETURN; END IF;
    SELECT * INTO d FROM billing_delivered(p_supply, p_at);
    v_base := p.credit_wh + d.wh - p.counted_wh + greatest(0, -p.credit_wh);
    v_deferred := p.deferred_minor + d.minor - p.counted_minor;
    minor := CASE WHEN v_deferred <= 0 OR v_base <= 0 OR p_credit <= 0 THEN 0
        ELSE v_deferred - div(v_deferred::numeric * (v_base - least(v_base, p_credit)), v_base) END;
    UPDATE billing_purse SET credit_wh = credit_wh - p_credit, deferred_minor = deferred_minor - minor
    WHERE supply_point_id = p_supply;
    outcome := '';
END $$;

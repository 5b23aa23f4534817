-- Shifts: the drawer of a till belongs to one cashier from the opening float to the hand-over, and what
-- should be in it is what the ledger says. Money between drawer and safe is booked like any other.

CREATE FUNCTION vending_shift_open(
    p_till bigint, p_operator bigint, p_float bigint, p_actor text, p_at timestamptz, OUT outcome text, OUT shift_id bigint
) LANGUAGE plpgsql AS $$
DECLARE t vending_till; v_company bigint; v_day date;
BEGIN
    SELECT * INTO t FROM vending_till WHERE id = p_till FOR NO KEY UPDATE;
    SELECT s.company_id, (p_at AT TIME ZONE s.timezone)::date INTO v_company, v_day FROM estate_site s WHERE s.id = t.site_id;
    IF t.id IS NULL THEN outcome := 'till_unknown';
    ELSIF NOT t.needs_shift THEN outcome := 'till_needs_no_shift';
    ELSIF EXISTS (SELECT FROM vending_shift WHERE till_id = p_till AND closed_at IS NULL) THEN outcome := 'shift_open_already';
    ELSIF ledger_closed(t.site_id, v_day) THEN outcome := 'day_closed';
    END IF;
    IF outcome IS NOT NULL THEN RETURN; END IF;
    INSERT INTO vending_shift (till_id, operator_id, opened_at, float_minor, note) VALUES (p_till, p_operator, p_at, p_float, '')
    RETURNING id INTO shift_id;
    IF p_float > 0 THEN
        PERFORM ledger_book(v_company, t.site_id, 'float:' || shift_id, 'float', p_actor, '', p_at, v_day, NULL,
            ARRAY[vending_money_account(v_company, t.site_id, 'cash', p_till, shift_id)],
            ARRAY[ledger_account(v_company, t.site_id, 'handed_over', 'handed_over')], ARRAY[p_float]);
    END IF;
    PERFORM audit_add(p_at, p_actor, 'vending.shift_open', t.site_id, 'shift', shift_id::text, '', NULL,
        jsonb_build_object('till', t.code, 'float_minor', p_float));
    outcome := 'done';
END $$;

-- What should be in the drawer of a shift now.
CREATE FUNCTION vending_drawer(p_shift bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce((
        SELECT ledger_balance(a.site_id, a.id) FROM vending_shift s JOIN vending_till t ON t.id = s.till_id
        JOIN ledger_account a ON a.site_id = t.site_id AND a.key = 'cash:till:' || t.id || ':shift:' || s.id
        WHERE s.id = p_shift), 0);
$$;

-- Hands over. The row lock waits for every sale that is being booked into the shift, and none can begin
-- after it. p_accept: a manager accepts a drawer that does not agree, with the reason in p_note.
CREATE FUNCTION vending_shift_hand_over(
    p_shift bigint, p_operator bigint, p_counted bigint, p_accept boolean, p_note text, p_actor text, p_at timestamptz,
    OUT outcome text, OUT expected bigint
) LANGUAGE plpgsql AS $$
DECLARE s vending_shift; t vending_till; v_company bigint; v_day date; v_cash bigint; v_over bigint; v_difference bigint;
BEGIN
    SELECT * INTO s FROM vending_shift WHERE id = p_shift FOR UPDATE;
    IF s.id IS NULL THEN outcome := 'shift_unknown'; RETURN; END IF;
    IF s.closed_at IS NOT NULL THEN outcome := 'shift_closed'; RETURN; END IF;
    IF s.operator_id IS DISTINCT FROM p_operator AND NOT p_accept THEN outcome := 'shift_not_yours'; RETURN; END IF;
    SELECT * INTO t FROM vending_till WHERE id = s.till_id;
    SELECT site.company_id, (p_at AT TIME ZONE site.timezone)::date INTO v_company, v_day
    FROM estate_site site WHERE site.id = t.site_id;
    IF ledger_closed(t.site_id, v_day) THEN outcome := 'day_closed'; RETURN; END IF;
    v_cash := vending_money_account(v_company, t.site_id, 'cash', t.id, s.id);
    expected := ledger_balance(t.site_id, v_cash);
    v_difference := p_counted - expected;
    IF v_difference <> 0 AND NOT p_accept THEN outcome := 'drawer_differs'; RETURN; END IF;
    IF v_difference <> 0 AND p_note = '' THEN outcome := 'reason_needed'; RETURN; END IF;
    v_over := ledger_account(v_company, t.site_id, 'over_short', 'over_short');
    IF v_difference > 0 THEN
        PERFORM ledger_book(v_company, t.site_id, 'over_short:' || s.id, 'over_short', p_actor, p_note, p_at, v_day, NULL,
            ARRAY[v_cash], ARRAY[v_over], ARRAY[v_difference]);
    ELSIF v_difference < 0 THEN
        PERFORM ledger_book(v_company, t.site_id, 'over_short:' || s.id, 'over_short', p_actor, p_note, p_at, v_day, NULL,
            ARRAY[v_over], ARRAY[v_cash], ARRAY[-v_difference]);
    END IF;
    IF p_counted > 0 THEN
        PERFORM ledger_book(v_company, t.site_id, 'hand_over:' || s.id, 'hand_over', p_actor, p_note, p_at, v_day, NULL,
            ARRAY[ledger_account(v_company, t.site_id, 'handed_over', 'handed_over')], ARRAY[v_cash], ARRAY[p_counted]);
    END IF;
    UPDATE vending_shift SET closed_at = p_at, counted_minor = p_counted, expected_minor = expected, note = p_note
    WHERE id = s.id;
    PERFORM audit_add(p_at, p_actor, 'vending.shift_hand_over', t.site_id, 'shift', s.id::text, p_note, NULL,
        jsonb_build_object('till', t.code, 'counted_minor', p_counted, 'expected_minor', expected));
    outcome := 'done';
END $$;

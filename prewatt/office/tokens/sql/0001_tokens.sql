-- Token requests and their digits. A request is fixed when it is stored; the digits are written once.

CREATE TABLE tokens_token (
    request_id bigint PRIMARY KEY REFERENCES tokens_tokenrequest (id),
    digits text[] NOT NULL,              -- one token, or a key-change set first to last
    made_at timestamptz NOT NULL,
    CONSTRAINT token_digits_whole CHECK (
        cardinality(digits) BETWEEN 1 AND 4 AND array_to_string(digits, '') ~ '^([0-9]{20})+$'
        AND length(array_to_string(digits, '')) = 20 * cardinality(digits))
);

CREATE FUNCTION tokens_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'append_only: % on % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'PW002';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tokens_token
    FOR EACH STATEMENT EXECUTE FUNCTION tokens_refuse_change();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON tokens_tokenrequest
    FOR EACH STATEMENT EXECUTE FUNCTION tokens_refuse_change();

-- Of a request only its course may change: its state from waiting alone, its tries, what the meter did.
CREATE TRIGGER fixed BEFORE UPDATE OF id, message_id, digest, site_id, sts_meter_id, kind, content, carried, meter_pan, ea,
    ti, key_id, new_key_id, base_date, tid, rnd, proposal_id, reference, reason, actor, asked_at ON tokens_tokenrequest
    FOR EACH STATEMENT EXECUTE FUNCTION tokens_refuse_change();
CREATE TRIGGER once BEFORE UPDATE OF state ON tokens_tokenrequest
    FOR EACH ROW WHEN (OLD.state <> 'waiting' AND NEW.state <> OLD.state) EXECUTE FUNCTION tokens_refuse_change();

-- Of a vending key only its limits and its end may change.
CREATE TRIGGER fixed BEFORE UPDATE OF id, company_id, sgc, krn, kt, ken, dkga, base_date, provider, sealed, label,
    check_value, added_at ON tokens_storedkey
    FOR EACH STATEMENT EXECUTE FUNCTION tokens_refuse_change();

CREATE FUNCTION tokens_refuse(p_code text, p_params jsonb DEFAULT '{}') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', p_code USING ERRCODE = 'PW001', DETAIL = p_params::text;
END $$;

-- Counts what is asked of a key on a day (UTC) and refuses what is above its limits. The row stays locked to the end of
-- the transaction: this comes last of what T1 locks.
CREATE FUNCTION tokens_count(p_key bigint, p_day date, p_tokens int, p_tenths bigint, p_money_e5 bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE k tokens_storedkey; d tokens_keyday;
BEGIN
    SELECT * INTO k FROM tokens_storedkey WHERE id = p_key;
    IF k.ended_at IS NOT NULL THEN PERFORM tokens_refuse('vending_key_ended'); END IF;
    INSERT INTO tokens_keyday AS t (key_id, day, tokens, tenths, money_e5)
    VALUES (p_key, p_day, p_tokens, p_tenths, p_money_e5)
    ON CONFLICT (key_id, day) DO UPDATE SET tokens = t.tokens + excluded.tokens, tenths = t.tenths + excluded.tenths,
        money_e5 = t.money_e5 + excluded.money_e5
    RETURNING * INTO d;
    IF d.tokens > k.tokens_a_day THEN
        PERFORM tokens_refuse('vending_limit', jsonb_build_object('limit', k.tokens_a_day));
    ELSIF d.tenths > k.tenths_a_day THEN
        PERFORM tokens_refuse('vending_limit', jsonb_build_object('limit', k.tenths_a_day));
    ELSIF d.money_e5 > k.money_e5_a_day THEN
        PERFORM tokens_refuse('vending_limit', jsonb_build_object('limit', k.money_e5_a_day));
    END IF;
END $$;

-- The highest token identifier (under a base date) that a restore has taken out of use; null where there is none.
CREATE FUNCTION tokens_tid_floor(p_base int) RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT (extract(epoch FROM max(until) - make_timestamptz(p_base, 1, 1, 0, 0, 0, 'UTC')) / 60)::int
            FROM tokens_tidfloor);
END $$;

-- The token identifier of the next token of a meter: the minute of issue, or the next one that is free. 00:01 is never
-- among them, nor one that stood for another token of this meter under whatever base date, nor one up to the floor that a
-- restore has set: that may have been used in the hours that the books do not know.
CREATE FUNCTION tokens_next_tid(p_pan text, p_base int, p_from int, p_ahead int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE v_tid int; v_floor int := tokens_tid_floor(p_base);
BEGIN
    SELECT greatest(p_from, max(tid) + 1, v_floor + 1) INTO v_tid FROM tokens_tokenrequest
    WHERE meter_pan = p_pan AND tid IS NOT NULL AND base_date = p_base;
    WHILE v_tid % 1440 = 1 OR EXISTS (SELECT FROM tokens_tokenrequest WHERE meter_pan = p_pan AND tid = v_tid) LOOP
        v_tid := v_tid + 1;
    END LOOP;
    IF v_tid > p_from + p_ahead AND v_floor >= p_from THEN
        PERFORM tokens_refuse('token_after_restore');
    ELSIF v_tid > p_from + p_ahead OR v_tid > 16777215 THEN
        PERFORM tokens_refuse('token_tids_ahead', jsonb_build_object('minutes', p_ahead));
    END IF;
    RETURN v_tid;
END $$;

-- [T1] Stores one request in the caller's transaction. The same message gives the request that stands. p_tid_from is
-- the minute of issue, NULL for tokens without time; p_reserved takes exactly that minute.
CREATE FUNCTION tokens_ask(
    p_message text, p_digest text, p_meter bigint, p_revision int, p_kind text, p_content jsonb, p_carried bigint,
    p_key bigint, p_new_key bigint, p_tid_from int, p_reserved boolean, p_ahead int, p_rnd int,
    p_tenths bigint, p_money_e5 bigint, p_proposal bigint, p_reference text, p_reason text, p_actor text, p_at timestamptz,
    OUT request_id bigint, OUT token_id int, OUT fresh boolean
) LANGUAGE plpgsql AS $$
DECLARE m tokens_stsmeter; v_digest text;
BEGIN
    SELECT * INTO m FROM tokens_stsmeter WHERE id = p_meter FOR NO KEY UPDATE;
    SELECT r.id, r.tid, false, r.digest INTO request_id, token_id, fresh, v_digest
    FROM tokens_tokenrequest r WHERE r.message_id = p_message;
    IF request_id IS NOT NULL THEN
        IF v_digest <> p_digest THEN PERFORM tokens_refuse('token_message_reused'); END IF;
        RETURN;
    END IF;
    IF m.revision <> p_revision THEN PERFORM tokens_refuse('sts_meter_changed'); END IF;
    IF p_kind IN ('free_credit', 'clear_credit') AND NOT EXISTS (
        SELECT FROM tokens_tokenproposal WHERE id = p_proposal AND decision = 'agreed' AND sts_meter_id = m.id
        AND content = p_content) THEN
        PERFORM tokens_refuse('token_second_person');
    END IF;
    IF p_reserved THEN
        token_id := p_tid_from;
        IF token_id <= tokens_tid_floor(m.base_date) OR EXISTS (SELECT FROM tokens_tokenrequest WHERE meter_pan = m.meter_pan AND tid = token_id) THEN
            PERFORM tokens_refuse('token_reserved_used');
        END IF;
    ELSIF p_tid_from IS NOT NULL THEN
        token_id := tokens_next_tid(m.meter_pan, m.base_date, p_tid_from, p_ahead);
    END IF;
    IF token_id >> 16 > m.ken THEN
        PERFORM tokens_refuse('key_expired', jsonb_build_object('block', token_id >> 16, 'ken', m.ken));
    END IF;
    INSERT INTO tokens_tokenrequest (message_id, digest, site_id, sts_meter_id, kind, content, carried, meter_pan, ea, ti,
        key_id, new_key_id, base_date, tid, rnd, proposal_id, reference, reason, actor, asked_at, state, tries, code,
        entered_how)
    VALUES (p_message, p_digest, m.site_id, m.id, p_kind, p_content, p_carried, m.meter_pan, m.ea, m.ti,
        p_key, p_new_key, CASE WHEN p_key IS NULL THEN NULL ELSE m.base_date END, token_id,
        CASE WHEN token_id IS NULL THEN NULL ELSE p_rnd END, p_proposal, p_reference, p_reason, p_actor, p_at, 'waiting',
        0, '', '')
    ON CONFLICT (message_id) DO NOTHING RETURNING id INTO request_id;
    IF request_id IS NULL THEN  -- another meter's session took the message meanwhile
        PERFORM tokens_refuse('token_message_reused');
    END IF;
    fresh := true;
    PERFORM audit_add(p_at, p_actor, 'tokens.ask', m.site_id, 'meter', m.meter_id::text, p_reason, NULL,
        jsonb_build_object('request', request_id, 'kind', p_kind, 'tid', token_id, 'carried', p_carried,
            'reference', p_reference));
    IF p_key IS NOT NULL THEN
        PERFORM tokens_count(p_key, (p_at AT TIME ZONE 'UTC')::date, 1, p_tenths, p_money_e5);
    END IF;
END $$;

-- [T2] Stores the digits, once. What stands is given back: other digits for the same request are refused, and withdrawn
-- is withdrawn.
CREATE FUNCTION tokens_made(p_request bigint, p_digits text[], p_at timestamptz) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE r tokens_tokenrequest; v_digits text[];
BEGIN
    SELECT * INTO r FROM tokens_tokenrequest WHERE id = p_request FOR NO KEY UPDATE;
    IF r.id IS NULL THEN PERFORM tokens_refuse('token_request_unknown'); END IF;
    SELECT digits INTO v_digits FROM tokens_token WHERE request_id = p_request;
    IF v_digits IS NOT NULL THEN
        IF v_digits <> p_digits THEN PERFORM tokens_refuse('token_digits_differ'); END IF;
        RETURN v_digits;
    END IF;
    IF r.state = 'withdrawn' THEN PERFORM tokens_refuse('token_withdrawn'); END IF;
    IF r.state = 'refused' THEN PERFORM tokens_refuse('token_refused', jsonb_build_object('why', r.code)); END IF;
    INSERT INTO tokens_token (request_id, digits, made_at) VALUES (p_request, p_digits, p_at);
    UPDATE tokens_tokenrequest SET state = 'made', made_at = p_at, tries = tries + 1 WHERE id = p_request;
    PERFORM audit_add(p_at, r.actor, 'tokens.made', r.site_id, 'token', p_request::text, '', NULL,
        jsonb_build_object('kind', r.kind, 'tokens', cardinality(p_digits)));
    RETURN p_digits;
END $$;

-- [T1] of a campaign: one request for each of these meters of it, all judged by the caller and locked by it. p_keys are the
-- vending keys the meters hold now.
CREATE FUNCTION tokens_campaign_ask(p_campaign bigint, p_rows bigint[], p_keys bigint[], p_at timestamptz) RETURNS int
LANGUAGE plpgsql AS $$
DECLARE c tokens_campaign; v_made int; k record;
BEGIN
    SELECT * INTO c FROM tokens_campaign WHERE id = p_campaign;
    WITH asked AS (
        INSERT INTO tokens_tokenrequest (message_id, digest, site_id, sts_meter_id, kind, content, meter_pan, ea, ti,
            key_id, new_key_id, base_date, reference, reason, actor, asked_at, state, tries, code, entered_how)
        SELECT 'campaign:' || c.id || ':' || m.id, encode(sha256(convert_to(c.id || ':' || m.id, 'UTF8')), 'hex'),
            m.site_id, m.id, 'key_change', jsonb_build_object('ask', 'key_change', 'new_key_id', c.new_key_id,
                'new_ti', coalesce(nullif(c.new_ti, ''), m.ti), 'rollover', n.base_date <> m.base_date,
                'three_tokens', m.three_tokens),
            m.meter_pan, m.ea, m.ti, u.key_id, c.new_key_id, m.base_date, 'campaign:' || c.id, '', c.actor, p_at,
            'waiting', 0, '', ''
        FROM unnest(p_rows, p_keys) AS u (row_id, key_id)
        JOIN tokens_campaignmeter cm ON cm.id = u.row_id
        JOIN tokens_stsmeter m ON m.id = cm.sts_meter_id
        JOIN tokens_storedkey n ON n.id = c.new_key_id
        RETURNING id, sts_meter_id)
    UPDATE tokens_campaignmeter cm SET request_id = a.id, changed_at = p_at
    FROM asked a WHERE cm.campaign_id = c.id AND cm.sts_meter_id = a.sts_meter_id;
    GET DIAGNOSTICS v_made = ROW_COUNT;
    FOR k IN SELECT key_id, count(*)::int AS tokens FROM unnest(p_keys) AS u (key_id) GROUP BY key_id ORDER BY key_id LOOP
        PERFORM tokens_count(k.key_id, (p_at AT TIME ZONE 'UTC')::date, k.tokens, 0, 0);
    END LOOP;
    RETURN v_made;
END $$;

-- [T2] of a campaign: the digits of many sets, each a text with spaces. What stands is compared, what was withdrawn is left.
CREATE FUNCTION tokens_campaign_made(p_campaign bigint, p_requests bigint[], p_digits text[], p_at timestamptz) RETURNS int
LANGUAGE plpgsql AS $$
DECLARE v_ids bigint[];
BEGIN
    IF EXISTS (SELECT FROM unnest(p_requests, p_digits) AS u (id, digits) JOIN tokens_token t ON t.request_id = u.id
               WHERE array_to_string(t.digits, ' ') <> u.digits) THEN
        PERFORM tokens_refuse('token_digits_differ');
    END IF;
    SELECT array_agg(r.id) INTO v_ids FROM (
        SELECT id FROM tokens_tokenrequest WHERE id = ANY(p_requests) AND state = 'waiting' ORDER BY id FOR NO KEY UPDATE) r;
    INSERT INTO tokens_token (request_id, digits, made_at)
    SELECT u.id, string_to_array(u.digits, ' '), p_at FROM unnest(p_requests, p_digits) AS u (id, digits)
    JOIN unnest(v_ids) AS w (id) ON w.id = u.id;
    UPDATE tokens_tokenrequest SET state = 'made', made_at = p_at, tries = tries + 1 WHERE id = ANY(v_ids);
    UPDATE tokens_campaignmeter SET state = 'issued', changed_at = p_at
    WHERE campaign_id = p_campaign AND request_id = ANY(p_requests) AND state = 'not_issued';
    RETURN coalesce(cardinality(v_ids), 0);
END $$;

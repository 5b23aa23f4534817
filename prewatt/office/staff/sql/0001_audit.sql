-- The trail (审计): appended by every verb that changes something, edited by nobody.

CREATE FUNCTION staff_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'append_only: % on % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'PW002';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON staff_auditrow
    FOR EACH STATEMENT EXECUTE FUNCTION staff_refuse_change();

CREATE FUNCTION audit_add(
    p_at timestamptz, p_actor text, p_action text, p_site bigint, p_object_type text, p_object_id text,
    p_reason text, p_before jsonb, p_after jsonb
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE v_id bigint;
BEGIN  -- not LANGUAGE sql, which is parsed and planned anew in each statement
    INSERT INTO staff_auditrow (at, actor, action, site_id, object_type, object_id, reason, before, after)
    VALUES (p_at, p_actor, p_action, p_site, p_object_type, p_object_id, p_reason, p_before, p_after)
    RETURNING id INTO v_id;
    RETURN v_id;
END $$;

-- A notice and its course: both are only ever added to. What a notice is now is its last step.

CREATE FUNCTION alarms_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'append_only: % on % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'PW002';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON alarms_notice
    FOR EACH STATEMENT EXECUTE FUNCTION alarms_refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON alarms_noticestep
    FOR EACH STATEMENT EXECUTE FUNCTION alarms_refuse_change();

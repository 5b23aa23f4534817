-- Versions are never changed: a meter in use goes on being read as it was when its name was chosen.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON estate_profileversion
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

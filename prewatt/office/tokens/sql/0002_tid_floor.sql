-- What a restore has put out of use stays out of use.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tokens_tidfloor
    FOR EACH STATEMENT EXECUTE FUNCTION tokens_refuse_change();

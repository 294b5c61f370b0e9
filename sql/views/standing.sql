-- What stands today: the verdict on every declared signal at today's M.
CREATE VIEW standing AS SELECT * FROM verdicts_at(ledger_m());
